/** What a command ends with: see README.md. */
export const EXIT = { refused: 1, misuse: 2, unreachable: 3, interrupted: 130 } as const;

/** A command that could not do what was asked: one sentence for the person, one code for the script. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.exitCode = exitCode;
  }
}

export const misuse = (message: string) => new CommandFailure(EXIT.misuse, message);
