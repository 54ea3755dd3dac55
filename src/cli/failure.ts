/** What a command ends with: see README.md. */
export const EXIT = { refused: 1, misuse: 2, unreachable: 3, ownFault: 125, notExecutable: 126, notFound: 127, interrupted: 130 } as const;

/** A command that could not do what was asked: one sentence for the person, one code for the script. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: number;
  /** The HTTP status, where the daemon refused it. */
  readonly status: number | undefined;

  constructor(exitCode: number, message: string, options: { readonly cause?: unknown; readonly status?: number | undefined } = {}) {
    super(message, { cause: options.cause });
    this.exitCode = exitCode;
    this.status = options.status;
  }
}

export const misuse = (message: string) => new CommandFailure(EXIT.misuse, message);

/** The program in a container ended: so does the command, with its code and without a word. */
export class ProgramEnd extends Error {
  override readonly name = "ProgramEnd";
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`the program ended with ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Gives every failure of `run` one exit code: where the program's own codes must be told apart from the command's. */
export async function failingWith<T>(exitCodeOf: (failure: CommandFailure) => number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw cause instanceof CommandFailure ? new CommandFailure(exitCodeOf(cause), cause.message, { cause }) : cause;
  }
}

/** Shows what came of a change. When that fails, the change is done all the same: whoever is told of the failure alone would do it again, or miss what is new. */
export async function afterwards<T>(done: string, show: () => Promise<T>): Promise<T> {
  try {
    return await show();
  } catch (cause) {
    throw cause instanceof CommandFailure ? new CommandFailure(cause.exitCode, `${done}; ${cause.message}`, { cause, status: cause.status }) : cause;
  }
}
