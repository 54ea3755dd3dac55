import type { Clock } from "../base/clock.js";
import { deferred } from "../base/deferred.js";
import { ClusterError } from "../base/errors.js";
import type { Leadership } from "./replica-status.js";

/** A handing over of leadership that takes longer has failed. */
const TRANSFER_MS_MAX = 3_000;

/** Leadership on its way to another member: until that one leads, this one leads for the core only. */
export class HandOver {
  readonly #raftId: number;
  readonly #clock: Clock;
  readonly #listen: (listener: (leadership: Leadership) => void) => () => void;
  /** End the waits for a successor: several may wait for the same one. */
  readonly #waits = new Set<() => void>();

  /** `listen` tells who leads, as Announcer does, and gives what ends that. */
  constructor(options: {
    /** This member. */
    readonly raftId: number;
    readonly clock: Clock;
    readonly listen: (listener: (leadership: Leadership) => void) => () => void;
  }) {
    this.#raftId = options.raftId;
    this.#clock = options.clock;
    this.#listen = options.listen;
  }

  get isUnderWay(): boolean {
    return this.#waits.size > 0;
  }

  /** Resolves when another member leads, after `begin` asked for it. Rejects with what that threw, or ClusterError `deadline_exceeded`. */
  async run(begin: () => void): Promise<void> {
    const taken = deferred<void>();
    const fail = () => taken.reject(new ClusterError("deadline_exceeded", "leadership was not taken over in time"));
    const stop = this.#listen(({ leader }) => {
      if (leader !== undefined && leader.raftId !== this.#raftId) taken.resolve();
    });
    const cancel = this.#clock.after(TRANSFER_MS_MAX, fail);
    this.#waits.add(fail);
    try {
      begin();
      await taken.promise;
    } finally {
      stop();
      cancel();
      this.#waits.delete(fail);
    }
  }

  /** The core gave it up: from now on this member could take writes again. */
  giveUp(): void {
    for (const fail of this.#waits) fail();
  }
}
