import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import type { Leadership } from "./replica-status.js";

/** A handing over of leadership that takes longer has failed. */
const TRANSFER_MS_MAX = 3_000;

/** Leadership on its way to another member: until that one leads, this one leads for the core only. */
export class HandOver {
  readonly #raftId: number;
  readonly #clock: Clock;
  readonly #listen: (listener: (leadership: Leadership) => void) => () => void;
  #isUnderWay = false;
  /** Ends the wait for a successor. */
  #giveUp: (() => void) | null = null;

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
    return this.#isUnderWay;
  }

  /** Resolves when another member leads, after `begin` asked for it. Rejects with what that threw, or ClusterError `deadline_exceeded`. */
  async run(begin: () => void): Promise<void> {
    this.#isUnderWay = true;
    try {
      begin();
      await this.#taken();
    } finally {
      this.#giveUp = null;
      this.#isUnderWay = false;
    }
  }

  /** The core gave it up: from now on this member could take writes again. */
  giveUp(): void {
    this.#giveUp?.();
  }

  #taken(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const stop = this.#listen(({ leader }) => {
        if (leader === undefined || leader.raftId === this.#raftId) return;
        settle();
        resolve();
      });
      const fail = () => {
        settle();
        reject(new ClusterError("deadline_exceeded", "leadership was not taken over in time"));
      };
      const cancel = this.#clock.after(TRANSFER_MS_MAX, fail);
      const settle = () => {
        stop();
        cancel();
      };
      this.#giveUp = fail;
    });
  }
}
