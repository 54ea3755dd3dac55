/** One key and value of a batch, as the database gets it. */
export interface LogRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * All that this folder asks of a machine's disk: files, the names of files, and one database. What resolved is on the disk only where it is said so: whatever
 * else was written may be there after a power cut, in part or not at all. `node-disk.ts` is the real one; test/simulation has one that loses
 * everything that it may lose. test/conformance/disk.ts runs on both.
 */
export interface Disk {
  /** Rejects with the `code` ENOENT when there is no such file, and is none to be made. */
  open(path: string, use: FileUse): Promise<DiskFile>;
  /** Opens a database, or makes it. Rejects with a `cause` that says why. */
  openDatabase(path: string, options: { readonly createIfMissing: boolean }): Promise<LogDatabase>;
  /** Makes a folder that only its owner may enter. False when it was there. */
  makeFolder(path: string): Promise<boolean>;
  /** Names in a folder, in no order. */
  namesIn(path: string): Promise<readonly string[]>;
  /** Takes the place of what had the new name. */
  rename(from: string, to: string): Promise<void>;
  /** What is not there is removed already. */
  remove(path: string): Promise<void>;
  /** When it resolves, names that were added to the folder, changed or removed are durable. */
  syncFolder(path: string): Promise<void>;
}

/**
 * `read`: only that. `replace`: written from the beginning, made when it is not there, emptied when it is. `extend`: written
 * further. `write_through`: each write is durable when it resolves, as long as the file does not grow (O_DSYNC).
 */
export type FileUse = "read" | "replace" | "extend" | "write_through";

export interface DiskFile {
  /** Up to `length` bytes at the position: fewer only at the end of the file. */
  read(length: number, position: number): Promise<Uint8Array>;
  /** Writes all bytes at the position. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** When it resolves, the content is durable; its name need not be. */
  sync(): Promise<void>;
  size(): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface KeyRange {
  readonly gte: string;
  readonly lte: string;
}

/** Keys in their order with values. Writes are kept in the order of their calls: after a crash there are all up to one of them, and none after it. */
export interface LogDatabase extends AsyncDisposable {
  get(key: string): Promise<Uint8Array | undefined>;
  range(range: KeyRange): AsyncIterable<readonly [string, Uint8Array]>;
  /** Writes all or nothing. When it resolves it is durable, with everything that resolved before. */
  write(records: readonly LogRecord[]): Promise<void>;
  /** Durable with the next `write`. */
  put(key: string, value: Uint8Array): Promise<void>;
  /** Durable with the next `write`; a crash may leave some of the range. */
  clear(range: KeyRange): Promise<void>;
}
