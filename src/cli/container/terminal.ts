import type { Api } from "../api.js";
import { CommandFailure, EXIT } from "../failure.js";

/** Throws when a terminal is asked for that is not there: what is typed would have no way to the program. */
export function assertTerminal(isWanted: boolean): void {
  if (isWanted && process.stdin.isTTY !== true) throw new CommandFailure(EXIT.refused, "the input device is not a TTY");
}

/** Rows and columns of this process's terminal, as the API has them; undefined without one. */
export function terminalSize(): readonly [rows: number, columns: number] | undefined {
  const { rows, columns } = process.stdout;
  return process.stdout.isTTY === true && rows > 0 && columns > 0 ? [rows, columns] : undefined;
}

/** Passes what is typed as it is, until disposed: keys that would send a signal are the program's. */
export function rawInput(): Disposable {
  const isTerminal = process.stdin.isTTY === true;
  if (isTerminal) process.stdin.setRawMode(true);
  return {
    [Symbol.dispose]: () => {
      if (isTerminal) process.stdin.setRawMode(false);
    },
  };
}

/** Gives the other side's terminal the size of this one, now and whenever it changes, until disposed. `path` is that of the API's resize. */
export function followSize(api: Api, path: string): Disposable {
  const send = () => {
    const size = terminalSize();
    if (size === undefined) return;
    const [h, w] = size.map(String);
    api.call({ method: "POST", path, query: { h, w } }).catch(ignoreEnded);
  };
  send();
  process.stdout.on("resize", send);
  return { [Symbol.dispose]: () => void process.stdout.off("resize", send) };
}

/** It may have ended meanwhile: its end is told where it is waited for. */
function ignoreEnded(cause: unknown): void {
  if (!(cause instanceof CommandFailure)) throw cause;
}
