import { dirname } from "node:path";
import type { Random } from "../../src/base/random.js";
import type { Disk, DiskFile, FileUse, KeyRange, LogDatabase, LogRecord } from "../../src/replica/disk.js";
import { DiskError } from "./ailment.js";
import { Database } from "./database.js";
import type { Folders } from "./folders.js";
import { StoredFile } from "./stored-file.js";

/** What makes something durable. */
export interface Work {
  finish(): void;
  /** Instead, when the machine goes off meanwhile. */
  cut?(): void;
  /** Instead, when the disk fails. */
  fail(): void;
  readonly isOfLog: boolean;
}

/** The disk, as what a process has opened uses it. */
export interface DiskOfSession {
  readonly random: Random;
  readonly folders: Folders;
  isCurrent(session: number): boolean;
  later(work: Work): Promise<void>;
  fails(what: { readonly isOfLog: boolean; readonly needsRoom: boolean }): DiskError | null;
}

const NEVER = new Promise<never>(() => undefined);

/** What one process sees of a disk, until it is gone. */
export class DiskSession implements Disk {
  readonly #number: number;
  readonly #disk: DiskOfSession;

  constructor(number: number, disk: DiskOfSession) {
    this.#number = number;
    this.#disk = disk;
  }

  /** What a process asks for that is gone never happens. */
  run<T>(ask: (folders: Folders) => T | Promise<T>): Promise<T> {
    if (!this.#disk.isCurrent(this.#number)) return NEVER;
    try {
      return Promise.resolve(ask(this.#disk.folders));
    } catch (cause) {
      return Promise.reject(cause);
    }
  }

  later(work: Work): Promise<void> {
    return this.#disk.later(work);
  }

  get random(): Random {
    return this.#disk.random;
  }

  /** Throws when what needs room on the disk, or is written to it, fails. */
  write(isOfLog: boolean): void {
    const failure = this.#disk.fails({ isOfLog, needsRoom: true });
    if (failure !== null) throw failure;
  }

  open(path: string, use: FileUse): Promise<DiskFile> {
    return this.run((folders) => {
      if (use === "replace") this.write(false);
      return new OpenFile(this, fileFor(folders, path, use), use === "write_through");
    });
  }

  openDatabase(path: string, { createIfMissing }: { readonly createIfMissing: boolean }): Promise<LogDatabase> {
    return this.run((folders) => {
      this.write(true);
      const found = folders.get(path);
      if (found instanceof Database) {
        found.open();
        return new OpenDatabase(this, found);
      }
      if (!createIfMissing) throw new Error(`${path}: there is no database`);
      const made = new Database();
      folders.add(path, made);
      return new OpenDatabase(this, made);
    });
  }

  makeFolder(path: string): Promise<boolean> {
    return this.run((folders) => {
      if (folders.get(path) !== undefined) return false;
      folders.add(path, "folder");
      return true;
    });
  }

  namesIn(path: string): Promise<readonly string[]> {
    return this.run((folders) => folders.namesIn(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.run((folders) => {
      if (folders.get(from) === undefined) throw systemError("ENOENT", from);
      folders.rename(from, to);
    });
  }

  remove(path: string): Promise<void> {
    return this.run((folders) => folders.remove(path));
  }

  syncFolder(path: string): Promise<void> {
    return this.run((folders) => this.later({ finish: folders.syncing(path), fail: () => undefined, isOfLog: false }));
  }
}

class OpenFile implements DiskFile {
  readonly #session: DiskSession;
  readonly #file: StoredFile;
  readonly #isWrittenThrough: boolean;

  constructor(session: DiskSession, file: StoredFile, isWrittenThrough: boolean) {
    this.#session = session;
    this.#file = file;
    this.#isWrittenThrough = isWrittenThrough;
  }

  read(length: number, position: number): Promise<Uint8Array> {
    return this.#session.run(() => this.#file.read(length, position));
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#session.run(() => {
      if (!this.#isWrittenThrough) this.#session.write(false);
      this.#file.write(bytes, position);
      if (this.#isWrittenThrough) return this.#sync();
    });
  }

  sync(): Promise<void> {
    return this.#session.run(() => this.#sync());
  }

  #sync(): Promise<void> {
    const file = this.#file;
    return this.#session.later({ finish: file.syncing(), fail: file.failing(this.#session.random), isOfLog: this.#isWrittenThrough });
  }

  size(): Promise<number> {
    return this.#session.run(() => this.#file.size);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session.run(() => undefined);
  }
}

class BatchWork implements Work {
  readonly #database: Database;
  readonly #records: readonly LogRecord[];
  readonly isOfLog = true;

  constructor(database: Database, records: readonly LogRecord[]) {
    this.#database = database;
    this.#records = records;
  }

  finish(): void {
    this.#database.put(this.#records);
    this.#database.sync();
  }

  /** A batch that a power cut catches may be there: it is then the last one. */
  cut(): void {
    this.#database.put(this.#records);
  }

  fail(): void {
    this.#database.failSync(this.#records);
  }
}

class OpenDatabase implements LogDatabase {
  readonly #session: DiskSession;
  readonly #database: Database;

  constructor(session: DiskSession, database: Database) {
    this.#session = session;
    this.#database = database;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#session.run(() => this.#database.get(key));
  }

  async *range(range: KeyRange): AsyncGenerator<readonly [string, Uint8Array], void, undefined> {
    const keys = await this.#session.run(() => this.#database.keysIn(range));
    for (const key of keys) {
      const value = this.#database.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  write(records: readonly LogRecord[]): Promise<void> {
    return this.#session.run(() => {
      this.#write();
      return this.#session.later(new BatchWork(this.#database, records));
    });
  }

  put(key: string, value: Uint8Array): Promise<void> {
    return this.#session.run(() => {
      this.#write();
      this.#database.put([{ key, value }]);
    });
  }

  clear(range: KeyRange): Promise<void> {
    return this.#session.run(() => {
      this.#write();
      this.#database.clear(range);
    });
  }

  /** Appends to the journal, or not. */
  #write(): void {
    if (!this.#database.isSound) throw new DiskError("EIO");
    try {
      this.#session.write(true);
    } catch (cause) {
      this.#database.tear(this.#session.random);
      throw cause;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session.run(() => undefined);
  }
}

function fileFor(folders: Folders, path: string, use: FileUse): StoredFile {
  const found = folders.get(path);
  if (found instanceof StoredFile) {
    if (use === "replace") found.empty();
    return found;
  }
  if (use !== "replace" || folders.get(dirname(path)) !== "folder") throw systemError("ENOENT", path);
  const made = new StoredFile();
  folders.add(path, made);
  return made;
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
