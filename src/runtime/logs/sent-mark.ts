import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { systemCodeOf } from "../../base/errors.js";
import type { LogPosition } from "./log-files.js";

/** Room for the longest mark: every write covers the one before. */
const SIZE = 128;

/** How far a log was sent, and the time of the last entry sent: by it a file that only has the same inode is told from the one that was meant. */
export interface Sent extends LogPosition {
  readonly timestampNs: bigint;
}

/** Keeps it in a file, by one small write each: it survives the daemon's end at any moment. After a power cut some entries may be sent again. */
export class SentMark {
  readonly #path: string;
  #descriptor: number | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** Null when nothing was sent yet, or nothing readable is there. */
  read(): Sent | null {
    const match = /^(\S+) (\d+) (\d+) *\n/.exec(textOf(this.#path));
    if (match === null) return null;
    return { identity: match[1] ?? "", offset: Number(match[2]), timestampNs: BigInt(match[3] ?? "0") };
  }

  write({ identity, offset, timestampNs }: Sent): void {
    this.#descriptor ??= openSync(this.#path, constants.O_WRONLY | constants.O_CREAT, 0o600);
    writeSync(this.#descriptor, `${`${identity} ${offset} ${timestampNs}`.padEnd(SIZE - 1)}\n`, 0);
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return "";
    throw cause;
  }
}
