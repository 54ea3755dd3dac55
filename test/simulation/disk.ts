import { dirname, join } from "node:path";
import { integerBetween, type Random } from "../../src/base/random.js";
import type { Disk, DiskFile, FileUse, KeyRange, LogDatabase } from "../../src/replica/disk.js";
import type { LogRecord } from "../../src/replica/tail-body.js";
import { type Ailment, DiskError } from "./ailment.js";
import { Database } from "./database.js";
import { Folders } from "./folders.js";
import { StoredFile } from "./stored-file.js";

/** Where a member has its log. */
export const DATA_FOLDER = "/data";
export const TAIL_PATH = join(DATA_FOLDER, "tail");
export const LOG_PATH = join(DATA_FOLDER, "log");
export const SNAPSHOTS_PATH = join(DATA_FOLDER, "snapshots");

/** What a disk needs of the world. */
export interface DiskWorld {
  readonly random: Random;
  now(): number;
  /** Steps that whatever makes something durable takes: 0 to this many. */
  readonly delayMax: number;
}

interface Operation {
  readonly doneAt: number;
  readonly finish: () => void;
  /** The machine goes off meanwhile. */
  readonly cut: () => void;
}

/** What makes something durable. */
interface Work {
  readonly finish: () => void;
  /** Instead, when the machine goes off meanwhile. */
  readonly cut?: () => void;
  /** Instead, when the disk fails. */
  readonly fail: () => void;
  readonly isOfLog: boolean;
}

/**
 * A member's disk. What was written is seen at once, and durable when a sync that began afterwards has ended, which takes its time; when the machine goes off, of
 * whatever else was written some is there and some is not: see StoredFile, Folders and Database.
 */
export class SimulatedDisk {
  readonly #world: DiskWorld;
  readonly #folders = new Folders(DATA_FOLDER);
  #underWay: Operation[] = [];
  #session = 0;
  /** What was done to it since somebody started from it. */
  damage: string | null = null;
  ailment: Ailment | null = null;
  /** The step in which a write of the log failed that the present process asked for; null when none did. */
  logFailedAt: number | null = null;

  constructor(world: DiskWorld) {
    this.#world = world;
  }

  /** What a process sees of the disk. Once the machine was off, nothing of what that process began ends any more. */
  open(): Disk {
    this.logFailedAt = null;
    return new Session(++this.#session, this);
  }

  get random(): Random {
    return this.#world.random;
  }

  get folders(): Folders {
    return this.#folders;
  }

  isCurrent(session: number): boolean {
    return session === this.#session;
  }

  /** Whether something is under way. */
  get isBusy(): boolean {
    return this.#underWay.length > 0;
  }

  /** Ends what is due. */
  runDue(): void {
    if (this.#underWay.length === 0) return;
    const now = this.#world.now();
    const due = this.#underWay.filter(({ doneAt }) => doneAt <= now);
    this.#underWay = this.#underWay.filter(({ doneAt }) => doneAt > now);
    for (const { finish } of due) finish();
  }

  /** Settles after some steps, when the work is done or has failed; when the process ends meanwhile, it was cut off instead, and this never settles. */
  later(work: Work): Promise<void> {
    const delay = integerBetween(this.#world.random, 0, this.#world.delayMax);
    return new Promise((resolve, reject) => {
      const finish = () => {
        const failure = this.fails({ isOfLog: work.isOfLog, needsRoom: false });
        if (failure === null) {
          work.finish();
          resolve();
        } else {
          work.fail();
          reject(failure);
        }
      };
      if (delay === 0) finish();
      else this.#underWay.push({ doneAt: this.#world.now() + delay, finish, cut: work.cut ?? (() => undefined) });
    });
  }

  /** How what is asked for now fails; null when it does not. */
  fails({ isOfLog, needsRoom }: { readonly isOfLog: boolean; readonly needsRoom: boolean }): DiskError | null {
    const { ailment } = this;
    const now = this.#world.now();
    if (ailment === null || now >= ailment.until) return null;
    if (ailment.kind === "full" ? !needsRoom : this.random.next() >= ailment.rate) return null;
    if (isOfLog) this.logFailedAt ??= now;
    return new DiskError(ailment.kind === "full" ? "ENOSPC" : "EIO");
  }

  /** The process is gone, and the machine goes on: what was written is seen by the next one, and no more durable than it was. */
  abandon(): void {
    this.#session++;
    for (const { cut } of this.#underWay.splice(0)) cut();
  }

  /** The machine is off. */
  crash(): void {
    this.abandon();
    this.#folders.lose(this.#world.random);
  }

  /** Something happens to what is stored, while nobody looks. */
  corrupt(): void {
    const { random } = this.#world;
    const database = this.#folders.get(LOG_PATH);
    const tail = this.#folders.get(TAIL_PATH);
    const snapshot = this.#folders.filesBelow(SNAPSHOTS_PATH).at(-1);
    const kind = integerBetween(random, 0, 8);
    if (kind === 0 && database instanceof Database) this.damage = database.loseLatest(random);
    else if (kind === 2 && database instanceof Database) this.damage = database.loseRecord(random);
    else if (kind <= 4 && database instanceof Database) this.damage = database.flip(random);
    else if (kind === 1) this.damage = this.#lose(TAIL_PATH);
    else if (kind <= 6 && tail instanceof StoredFile) this.damage = `${tail.flip(random)} in the tail file`;
    else if (snapshot !== undefined) this.damage = kind === 7 ? this.#lose(snapshot[0]) : `${snapshot[1].flip(random)} in ${snapshot[0]}`;
    else this.damage = this.#lose(TAIL_PATH);
  }

  #lose(path: string): string {
    this.#folders.forget(path);
    return `${path} is gone`;
  }
}

const NEVER = new Promise<never>(() => undefined);

class Session implements Disk {
  readonly #number: number;
  readonly #disk: SimulatedDisk;

  constructor(number: number, disk: SimulatedDisk) {
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
  readonly #session: Session;
  readonly #file: StoredFile;
  readonly #isWrittenThrough: boolean;

  constructor(session: Session, file: StoredFile, isWrittenThrough: boolean) {
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

class OpenDatabase implements LogDatabase {
  readonly #session: Session;
  readonly #database: Database;

  constructor(session: Session, database: Database) {
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
      const database = this.#database;
      const put = () => database.put(records);
      const finish = () => {
        put();
        database.sync();
      };
      // A batch that a power cut catches may be there: it is then the last one.
      return this.#session.later({ finish, cut: put, fail: () => database.failSync(records), isOfLog: true });
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
