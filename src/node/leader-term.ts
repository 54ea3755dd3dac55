import type { Clock } from "../base/clock.js";
import { messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import { Manager } from "../manager/manager.js";
import { CfsslClient } from "../pki/cfssl-client.js";
import type { Membership } from "../manager/control/membership.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import type { Store } from "../store/store.js";

export interface LeaderTermOptions {
  readonly store: Store;
  readonly replica: Membership & { status(): { readonly term: number } };
  readonly identity: LiveIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The loops ended because a write of theirs was lost: this member may lead again, or still. */
  readonly onOver: () => void;
  /** A loop failed, and nobody took leadership over. */
  readonly onFailure: (cause: unknown) => void;
}

/** The leader's loops while this member leads, and nothing while it does not. One term has been given up before another begins; its writes fail by themselves. */
export class LeaderTerm {
  readonly #options: LeaderTermOptions;
  #current: { readonly manager: Manager; readonly stop: AbortController } | null = null;

  constructor(options: LeaderTermOptions) {
    this.#options = options;
  }

  /** What this member offers while it leads. */
  get manager(): Manager | null {
    return this.#current?.manager ?? null;
  }

  /** Does nothing during a term. True when one began. `leaderlessMs` is how long nobody led before. */
  begin(leaderlessMs: number): boolean {
    if (this.#current !== null) return false;
    const { store, replica, identity, clock, random, logger } = this.#options;
    const signer = new CfsslClient({ credentials: () => identity.credentials, clock });
    const manager = new Manager({ store, clock, random, logger, membership: replica, signer, leaderlessMs });
    const stop = new AbortController();
    logger.info({ term: replica.status().term }, "this manager leads the cluster");
    this.#current = { manager, stop };
    void manager.run(stop.signal).then(
      () => this.#restart(stop.signal),
      (cause: unknown) => this.#abandon(stop.signal, cause),
    );
    return true;
  }

  end(): void {
    const term = this.#current;
    this.#current = null;
    term?.stop.abort();
  }

  #restart(ended: AbortSignal): void {
    if (ended.aborted) return;
    this.end();
    this.#options.onOver();
  }

  #abandon(ended: AbortSignal, cause: unknown): void {
    if (ended.aborted) return;
    const { replica, logger, onFailure } = this.#options;
    logger.error({ err: cause }, "a loop of the leader failed; handing leadership over");
    this.end();
    replica.transferLeadership().catch((refusal: unknown) => {
      onFailure(new AggregateError([cause, refusal], `the leader's loops failed (${messageOf(cause)}) and nobody took over`));
    });
  }
}
