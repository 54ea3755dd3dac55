import { randomBytes } from "node:crypto";
import { type FileHandle, open, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "../base/durable-file.js";
import { messageOf, systemCodeOf } from "../base/errors.js";
import { CommandFailure, EXIT, misuse } from "./failure.js";

/**
 * A file that a command makes of what the daemon sends. Written aside first: what has the name is whole, and on the disk. A link stays, and what it leads to
 * is replaced. Folders, pipes and devices are refused, as docker does: a name that is replaced is no way into them.
 */
export class OutputFile implements AsyncDisposable {
  readonly #path: string;
  readonly #target: string;
  readonly #aside: string;
  readonly #file: FileHandle;

  private constructor(path: string, places: { readonly target: string; readonly aside: string }, file: FileHandle) {
    this.#path = path;
    this.#target = places.target;
    this.#aside = places.aside;
    this.#file = file;
  }

  /** To be called before the daemon is asked: an answer that nobody reads would keep this process waiting. Throws a misuse that names the path. */
  static async open(path: string, mode: number): Promise<OutputFile> {
    try {
      const target = await replaceable(path);
      const aside = `${target}.${randomBytes(4).toString("hex")}.part`;
      return new OutputFile(path, { target, aside }, await open(aside, "wx", mode));
    } catch (cause) {
      throw misuse(`cannot write ${path}: ${messageOf(cause)}`);
    }
  }

  /** Resolves with the number of bytes, when all of them are durable under the name. */
  async fill(content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
    let size = 0;
    try {
      for await (const chunk of content) {
        // Unlike write, it goes on after a short one: that is how a disk begins to be full.
        await this.#writing(this.#file.writeFile(chunk));
        size += chunk.length;
      }
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw cause instanceof CommandFailure ? cause : new CommandFailure(EXIT.unreachable, `the daemon's answer broke off: ${messageOf(cause)}`, { cause });
    }
    await this.#writing(this.#file.sync());
    await this.#writing(rename(this.#aside, this.#target));
    await this.#writing(syncFolder(dirname(this.#target)));
    return size;
  }

  /** What is not whole is removed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    await rm(this.#aside, { force: true });
  }

  async #writing(done: Promise<void>): Promise<void> {
    try {
      await done;
    } catch (cause) {
      throw new CommandFailure(EXIT.refused, `cannot write ${this.#path}: ${messageOf(cause)}`, { cause });
    }
  }
}

/** The file that a path leads to, there or not. Throws for what no file may replace. */
async function replaceable(path: string): Promise<string> {
  try {
    // First: what /dev/stdout leads to may have no path.
    const found = await stat(path);
    if (!found.isFile()) throw new Error(found.isDirectory() ? "it is a folder" : "it is neither a file nor a new name");
    return await realpath(path);
  } catch (cause) {
    if (systemCodeOf(cause) !== "ENOENT") throw cause;
    const link = await readlink(path).catch(() => undefined); // Neither is there, or it is no link: a new name.
    if (link !== undefined) throw new Error(`it is a link to ${link}, which is not there`);
    return path;
  }
}
