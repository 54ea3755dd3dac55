import type { Readable } from "node:stream";
import { deferred } from "../../base/deferred.js";
import { ClusterError } from "../../base/errors.js";
import type { Logger } from "../../base/log.js";
import { parseArchivePath } from "./archive-path.js";
import type { ContainerFiles, FileArchive, FileChange, FileStat, WriteOptions } from "./container-files.js";
import { ContainerGone, type FilesAnswer, FilesProgram } from "./files-program.js";

/** A container as this needs it. */
export interface FilesOf {
  /** Resolves when it is not being started. */
  settled(): Promise<void>;
  /** Resolves when the run that is under way has ended. */
  readonly ended: Promise<unknown>;
  /** What its volumes' options name is mounted until the returned function is called. */
  useVolumes(): Promise<() => Promise<void>>;
  /** How its files are seen now: joined when it runs. */
  view(): Promise<Buffer>;
  readonly user: string;
}

export interface LocalFilesOptions {
  /** Path of `swarm-files`. */
  readonly program: string;
  /** Throws ClusterError `not_found`. */
  readonly container: (id: string) => FilesOf;
  /** Its writable layer, whatever has become of its image; undefined for a container that is not there, or is being removed. */
  readonly upper: (id: string) => string | undefined;
  readonly logger: Logger;
}

/** Something under way with a container's files. */
class Operation {
  readonly isWriting: boolean;
  readonly #closed = deferred<void>();
  #program: FilesProgram | null = null;
  /** Lets go of what it holds beside. */
  release: () => Promise<void> = async () => undefined;
  #isEnded = false;

  constructor(isWriting: boolean) {
    this.isWriting = isWriting;
  }

  /** Resolves when nothing of it is left. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Takes the program over. */
  run(program: FilesProgram): FilesProgram {
    this.#program = program;
    if (this.#isEnded) this.end();
    return program;
  }

  end(): void {
    this.#isEnded = true;
    this.#program?.abort(new ClusterError("conflict", "the container is being removed, or the daemon stops"));
  }

  /** Once the program that was taken over, if any, is gone. */
  async finish(): Promise<void> {
    await this.#program?.closed;
    await this.release().finally(() => this.#closed.resolve());
  }
}

/** As many folders as fit on a command line. */
const SIZES_AT_ONCE = 500;
/** A folder that is not there has no bytes in it. */
const GONE = "";
const NO_VIEW = Buffer.alloc(4);
const KINDS: Readonly<Record<string, FileChange["kind"]>> = { A: "added", C: "changed", D: "deleted" };

/** Files of containers under swarm-files, one process for each request. */
export class LocalFiles implements ContainerFiles {
  readonly #options: LocalFilesOptions;
  /** What is under way, by container. */
  readonly #operations = new Map<string, Set<Operation>>();

  constructor(options: LocalFilesOptions) {
    this.#options = options;
  }

  async stat(id: string, path: string): Promise<FileStat> {
    const { path: absolute, base } = parseArchivePath(path);
    const { answer, program } = await this.#run(id, ["stat", absolute]);
    await program.done;
    return statOf(base, answer);
  }

  async read(id: string, path: string): Promise<FileArchive> {
    const { path: absolute, base } = parseArchivePath(path);
    const { answer, program } = await this.#run(id, ["read", absolute, base === "/" ? "" : base]);
    return { stat: statOf(base, answer), archive: program.output };
  }

  async write(id: string, path: string, tar: Readable, options: WriteOptions): Promise<void> {
    const { user } = this.#options.container(id);
    const words = ["write", parseArchivePath(path).path, options.keepsKinds ? "1" : "0", ...(options.belongsToUser && user !== "" ? [user] : [])];
    const { program } = await this.#run(id, words, true);
    await program.feed(tar);
  }

  async changes(id: string): Promise<readonly FileChange[]> {
    const { program } = await this.#run(id, ["changes"]);
    const records = (await textOf(program)).split("\0").slice(0, -1);
    return records.map((record) => ({ kind: KINDS[record[0] ?? ""] ?? "changed", path: record.slice(1) }));
  }

  async export(id: string): Promise<Readable> {
    return (await this.#run(id, ["export"])).program.output;
  }

  async layer(id: string): Promise<Readable> {
    return (await this.#run(id, ["layer"])).program.output;
  }

  async sizes(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>();
    const present = ids.filter((id) => this.#options.upper(id) !== undefined);
    for (let begin = 0; begin < present.length; begin += SIZES_AT_ONCE) {
      const part = present.slice(begin, begin + SIZES_AT_ONCE);
      const words = ["sizes", ...part.map((id) => this.#options.upper(id) ?? GONE)];
      const program = new FilesProgram(this.#options.program, { words, view: NO_VIEW });
      const lines = (await textOf(program)).split("\n");
      part.forEach((id, index) => {
        sizes.set(id, Number(lines[index]));
      });
    }
    return sizes;
  }

  /** Resolves when nobody is writing to files of the container: what its start must wait for, since nobody else may have its layer mounted then. */
  async written(id: string): Promise<void> {
    for (;;) {
      const writing = [...(this.#operations.get(id) ?? [])].filter(({ isWriting }) => isWriting);
      if (writing.length === 0) return;
      await Promise.all(writing.map(({ closed }) => closed));
    }
  }

  /** Ends what is under way with the container's files, or with all. */
  async end(id?: string): Promise<void> {
    const running = id === undefined ? [...this.#operations.values()].flatMap((each) => [...each]) : [...(this.#operations.get(id) ?? [])];
    for (const operation of running) operation.end();
    await Promise.all(running.map(({ closed }) => closed));
  }

  /** Resolves when content may flow. From the call on, one that writes holds up the container's start. */
  async #run(id: string, words: readonly string[], isWriting = false): Promise<{ readonly answer: FilesAnswer; readonly program: FilesProgram }> {
    const operation = new Operation(isWriting);
    this.#track(id, operation);
    try {
      for (;;) {
        const container = this.#options.container(id);
        await container.settled();
        operation.release = await container.useVolumes();
        const view = await container.view();
        const program = operation.run(new FilesProgram(this.#options.program, { words, view }));
        try {
          return { answer: await program.ready, program };
        } catch (cause) {
          if (!(cause instanceof ContainerGone)) throw cause;
          await operation.release();
          await container.ended;
        }
      }
    } finally {
      operation.finish().catch((cause: unknown) => this.#options.logger.error({ err: cause, container: id }, "volumes of a container could not be let go"));
    }
  }

  #track(id: string, operation: Operation): void {
    const operations = this.#operations.get(id) ?? new Set();
    this.#operations.set(id, operations.add(operation));
    void operation.closed.then(() => {
      operations.delete(operation);
      if (operations.size === 0 && this.#operations.get(id) === operations) this.#operations.delete(id);
    });
  }
}

function statOf(name: string, { mode, sizeBytes, modifiedNs, linkTarget }: FilesAnswer): FileStat {
  return { name, mode: Number(mode), sizeBytes: Number(sizeBytes), modifiedNs: BigInt(String(modifiedNs)), linkTarget: String(linkTarget) };
}

async function textOf({ output, done }: FilesProgram): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of output as AsyncIterable<Buffer>) parts.push(part);
  await done;
  return Buffer.concat(parts).toString("utf8");
}
