import { join } from "node:path";
import { integerBetween, type Random } from "../../src/base/random.js";
import type { Disk } from "../../src/replica/disk.js";
import { type Ailment, DiskError } from "./ailment.js";
import { Database } from "./database.js";
import { type DiskOfSession, DiskSession, type Work } from "./disk-session.js";
import { Folders } from "./folders.js";
import { StoredFile } from "./stored-file.js";

/** Where a member has its log. */
export const DATA_FOLDER = "/data";
const TAIL_PATH = join(DATA_FOLDER, "tail");
const LOG_PATH = join(DATA_FOLDER, "log");
export const SNAPSHOTS_PATH = join(DATA_FOLDER, "snapshots");

/** What a disk needs of the world. */
export interface DiskWorld {
  readonly random: Random;
  now(): number;
  /** Steps that whatever makes something durable takes: 0 to this many. */
  readonly delayMax: number;
}

interface Operation {
  readonly work: Work;
  readonly doneAt: number;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

/**
 * A member's disk. What was written is seen at once, and durable when a sync that began afterwards has ended, which takes its time; when the machine goes off, of
 * whatever else was written some is there and some is not: see StoredFile, Folders and Database.
 */
export class SimulatedDisk implements DiskOfSession {
  readonly #world: DiskWorld;
  readonly #folders = new Folders(DATA_FOLDER);
  #underWay: Operation[] = [];
  #session = 0;
  /** What was done to it since somebody started from it. */
  damage: string | null = null;
  ailment: Ailment | null = null;
  /** Nothing that makes something durable ends before this step. */
  hangsUntil = 0;
  /** The step in which a write of the log failed that the present process asked for; null when none did. */
  logFailedAt: number | null = null;

  constructor(world: DiskWorld) {
    this.#world = world;
  }

  /** What a process sees of the disk. Once the machine was off, nothing of what that process began ends any more. */
  open(): Disk {
    this.logFailedAt = null;
    return new DiskSession(++this.#session, this);
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
    if (now < this.hangsUntil) return;
    const due = this.#underWay.filter(({ doneAt }) => doneAt <= now);
    if (due.length === 0) return;
    this.#underWay = this.#underWay.filter(({ doneAt }) => doneAt > now);
    for (const operation of due) this.#finish(operation);
  }

  /** Settles after some steps, when the work is done or has failed; when the process ends meanwhile, it was cut off instead, and this never settles. */
  later(work: Work): Promise<void> {
    const delay = integerBetween(this.#world.random, 0, this.#world.delayMax);
    return new Promise((resolve, reject) => {
      const operation = { work, doneAt: this.#world.now() + delay, resolve, reject };
      if (delay === 0 && this.#world.now() >= this.hangsUntil) this.#finish(operation);
      else this.#underWay.push(operation);
    });
  }

  #finish({ work, resolve, reject }: Operation): void {
    const failure = this.fails({ isOfLog: work.isOfLog, needsRoom: false });
    if (failure === null) {
      work.finish();
      resolve();
    } else {
      work.fail();
      reject(failure);
    }
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
    for (const { work } of this.#underWay.splice(0)) work.cut?.();
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
