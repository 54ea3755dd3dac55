import type { Random } from "../../../src/base/random.js";
import type { ConfigState, Entry, HardState, SnapshotMeta } from "../../../src/raft/message.js";
import type { LogStorage, Ready } from "../../../src/raft/ready.js";
import type { MachineState } from "../../simulation/machine.js";

export interface StoredSnapshot {
  readonly meta: SnapshotMeta & { readonly config: ConfigState };
  readonly state: MachineState;
}

/**
 * A member's disk as its core sees it, for conversations and tests of the core alone. A write is a whole Ready: it is there when `complete` was called; one that is under
 * way at a crash is there entirely or not at all, and a hard state that was written without sync may fall back to the last synced one.
 */
export class MemoryDisk implements LogStorage {
  #synced: HardState;
  #hardState: HardState;
  #snapshot: StoredSnapshot | null;
  /** Position before the first entry that is kept. */
  #base: { readonly index: number; readonly term: number };
  #entries: Entry[] = [];
  #underWay: { readonly ready: Ready; readonly snapshot: StoredSnapshot | null } | null = null;

  constructor(hardState: HardState, snapshot: StoredSnapshot | null) {
    this.#synced = hardState;
    this.#hardState = hardState;
    this.#snapshot = snapshot;
    this.#base = snapshot === null ? { index: 0, term: 0 } : { index: snapshot.meta.index, term: snapshot.meta.term };
  }

  get storedSnapshot(): StoredSnapshot | null {
    return this.#snapshot;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  begin(ready: Ready, snapshot: StoredSnapshot | null): void {
    this.#underWay = { ready, snapshot };
  }

  complete(): void {
    const write = this.#underWay!;
    this.#underWay = null;
    this.#write(write.ready, write.snapshot);
    if (write.ready.mustSync) this.#synced = this.#hardState;
  }

  /** The machine is off and on again. */
  crash(random: Random): void {
    if (this.#underWay !== null && random.next() < 0.5) this.complete();
    this.#underWay = null;
    if (random.next() < 0.5) this.#hardState = this.#synced;
    else this.#synced = this.#hardState;
  }

  /** Takes a snapshot and drops entries, except the last `tail` before it. */
  compact(snapshot: StoredSnapshot, tail: number): void {
    this.#snapshot = snapshot;
    const baseIndex = snapshot.meta.index - tail;
    if (baseIndex <= this.#base.index) return;
    const term = this.term(baseIndex)!;
    this.#entries = this.#entries.slice(baseIndex - this.#base.index);
    this.#base = { index: baseIndex, term };
  }

  initialState(): { readonly hardState: HardState; readonly config: ConfigState } {
    const none: ConfigState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
    return { hardState: this.#hardState, config: this.#snapshot?.meta.config ?? none };
  }

  firstIndex(): number {
    return this.#base.index + 1;
  }

  lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  term(index: number): number | undefined {
    return index === this.#base.index ? this.#base.term : this.#entries[index - this.firstIndex()]?.term;
  }

  entries(low: number, high: number, bytesMax: number): readonly Entry[] | undefined {
    if (low < this.firstIndex()) return undefined;
    let bytes = 0;
    const all = this.#entries.slice(low - this.firstIndex(), high - this.firstIndex());
    const end = all.findIndex((entry, position) => {
      bytes += entry.data.length;
      return bytes > bytesMax && position > 0;
    });
    return end === -1 ? all : all.slice(0, end);
  }

  snapshot(): SnapshotMeta | null {
    return this.#snapshot?.meta ?? null;
  }

  #write(ready: Ready, snapshot: StoredSnapshot | null): void {
    if (snapshot !== null) {
      this.#snapshot = snapshot;
      this.#base = { index: snapshot.meta.index, term: snapshot.meta.term };
      this.#entries = [];
    }
    const first = ready.entries[0];
    if (first !== undefined) {
      if (first.index > this.lastIndex() + 1 || first.index <= this.#base.index) throw new Error(`entry ${first.index} does not follow ${this.lastIndex()}`);
      this.#entries.length = first.index - this.firstIndex();
      for (const entry of ready.entries) this.#entries.push(entry);
    }
    if (ready.hardState !== null) this.#hardState = ready.hardState;
  }
}
