import type { Clock } from "../base/clock.js";
import type { Logger } from "../base/log.js";
import type { Entry, SnapshotMeta } from "../raft/message.js";
import type { Store } from "../store/store.js";
import { ChangeBatchCodec } from "../wire/generated/objects.js";
import type { Membership } from "./membership.js";
import type { Proposals } from "./proposals.js";
import type { SnapshotFolder } from "./snapshot-folder.js";

/** What committed entries do: change the store and the membership. Also writes and reads its own snapshots. */
export class StateMachine {
  readonly #store: Store;
  readonly #membership: Membership;
  readonly #folder: SnapshotFolder;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #index = 0;
  #term = 0;

  constructor(options: {
    readonly store: Store;
    readonly membership: Membership;
    readonly folder: SnapshotFolder;
    readonly logger: Logger;
    readonly clock: Clock;
  }) {
    this.#store = options.store;
    this.#membership = options.membership;
    this.#folder = options.folder;
    this.#logger = options.logger;
    this.#clock = options.clock;
  }

  /** Index of the last entry that was applied. */
  get index(): number {
    return this.#index;
  }

  /** Its term. */
  get term(): number {
    return this.#term;
  }

  /** Applies the transactions of an entry within one turn of the event loop; on the member that proposed them, without decoding. */
  applyNormal(entry: Entry, proposals: Proposals): void {
    const own = proposals.take(entry.data);
    if (own !== undefined) {
      for (const { transaction } of own) this.#store.apply(entry.index, transaction);
    } else if (entry.data.length > 0) {
      for (const transaction of ChangeBatchCodec.decode(entry.data).transactions) this.#store.apply(entry.index, transaction);
    }
    this.reached(entry);
    for (const { done } of own ?? []) done.resolve();
  }

  reached(entry: Entry): void {
    this.#index = entry.index;
    this.#term = entry.term;
  }

  /** Writes a snapshot of the state as of this call. Resolves with its place when it is durable. */
  async snapshot(signal: AbortSignal): Promise<SnapshotMeta> {
    const meta: SnapshotMeta = { index: this.#index, term: this.#term, config: this.#membership.config };
    const { members } = this.#membership;
    const objects = this.#store.objects();
    await this.#folder.write({ meta, members }, objects, { clock: this.#clock, signal });
    this.#logger.info({ index: meta.index, term: meta.term }, "snapshot written");
    return meta;
  }

  /** Replaces the state by that of a snapshot. Nothing is visible before all of it was read and found whole. */
  async restore(place: { readonly index: number; readonly term: number }): Promise<SnapshotMeta> {
    const restoration = this.#store.startRestore();
    const { meta, members } = await this.#folder.read(place, (object) => restoration.add(object));
    restoration.finish(meta.index);
    this.#membership.reset(members, meta.config);
    this.#index = meta.index;
    this.#term = meta.term;
    this.#logger.info({ index: meta.index, term: meta.term }, "snapshot restored");
    return meta;
  }
}
