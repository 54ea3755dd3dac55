import type { Leadership } from "./replica-status.js";

/** Tells who leads, and only when that changed. A leader of one term is never taken for that of the next. */
export class Announcer {
  readonly #listeners = new Set<(leadership: Leadership) => void>();
  readonly #gained: () => void;
  readonly #lost: () => void;
  #leadership: Leadership = { isLeader: false, leader: undefined, term: 0, isRemoved: false };

  /** `gained` is called before listeners hear of it, `lost` too. */
  constructor(options: { readonly gained: () => void; readonly lost: () => void }) {
    this.#gained = options.gained;
    this.#lost = options.lost;
  }

  get leadership(): Leadership {
    return this.#leadership;
  }

  listen(listener: (leadership: Leadership) => void): () => void {
    const own = (leadership: Leadership) => listener(leadership);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  announce(next: Leadership): void {
    const now = this.#leadership;
    if (now.isLeader && next.isLeader && now.term !== next.term) this.#tell({ ...next, isLeader: false, leader: undefined });
    const { isLeader, leader, term, isRemoved } = this.#leadership;
    // The core makes no new term while its leader stays, so the term alone is no news.
    const isNews =
      isLeader !== next.isLeader || isRemoved !== next.isRemoved || leader?.raftId !== next.leader?.raftId || leader?.address !== next.leader?.address;
    if (isNews) this.#tell(next);
    else if (term !== next.term) this.#leadership = next;
  }

  #tell(next: Leadership): void {
    const wasLeader = this.#leadership.isLeader;
    this.#leadership = next;
    if (wasLeader && !next.isLeader) this.#lost();
    if (!wasLeader && next.isLeader) this.#gained();
    for (const listener of [...this.#listeners]) listener(next);
  }
}
