import { Backoff } from "../base/backoff.js";
import type { Clock } from "../base/clock.js";
import { isClusterError } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { NodeDescription } from "../model/objects.js";
import type { SessionMessage } from "../wire/generated/dispatcher.js";
import type { ManagerConnector } from "./manager-client.js";
import { runTogether } from "./run-together.js";
import { Session } from "./session.js";
import type { Worker } from "./worker.js";

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 8_000;
/** Hints to a leader that are followed at once; more in a row means that managers point at each other. */
const REDIRECTS_MAX = 3;
/** For so long after a session was lost an election is likely under way: delays stay short, so that a new leader is found soon. */
const ELECTION_MS = 10_000;
const ELECTION_RETRY_MAX_MS = 500;

export interface AgentOptions {
  readonly connector: ManagerConnector;
  readonly worker: Worker;
  readonly incarnation: () => string;
  /** Called at each registration and every 20 s; a change goes to the manager. */
  readonly describe: () => NodeDescription;
  /** Calls when the description has changed at once, until the returned function was called. */
  readonly onDescriptionChange?: (listener: () => void) => () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What the manager says of this node, of the managers and of the root certificate; called for each message. */
  readonly onMessage?: (message: SessionMessage) => void;
  /** Why there is no session: called for each attempt that failed, unless that is likely to pass with an election. */
  readonly onTrouble?: (cause: unknown) => void;
}

/**
 * Keeps a session with the leader's dispatcher and lets the worker carry out what it assigns. Without a manager the worker goes on with
 * what it has.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #backoff: Backoff;
  readonly #electionBackoff: Backoff;
  #leader = "";
  #redirects = 0;
  #hasSession = false;
  #lostAtMs: number;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#lostAtMs = options.clock.monotonic();
    this.#electionBackoff = new Backoff({ firstMs: RETRY_FIRST_MS, maxMs: ELECTION_RETRY_MAX_MS, random: options.random });
    this.#backoff = new Backoff({ firstMs: RETRY_FIRST_MS, maxMs: RETRY_MAX_MS, random: options.random });
  }

  /** Settles when the signal aborted and every task came to rest; no container is touched by that. */
  async run(signal: AbortSignal): Promise<void> {
    const { worker } = this.#options;
    await worker.start(signal);
    await runTogether(signal, [(inner) => this.#keepSession(inner)]);
    await worker.stopped();
  }

  async #keepSession(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#runSession(signal);
      } catch (cause) {
        if (signal.aborted) return;
        const delayMs = this.#delayAfter(cause);
        logger.info({ err: cause, leader: this.#leader, delayMs: Math.round(delayMs) }, "no session with a manager; trying again");
        await clock.sleep(delayMs, signal);
      }
    }
  }

  async #runSession(signal: AbortSignal): Promise<void> {
    const connection = await this.#options.connector.connect(this.#leader, signal);
    const { clock } = this.#options;
    try {
      const onMessage = (message: SessionMessage) => this.#onMessage(message);
      await new Session({ ...this.#options, incarnation: this.#options.incarnation(), client: connection.client, onMessage }).run(signal);
    } finally {
      if (this.#hasSession) this.#lostAtMs = clock.monotonic();
      this.#hasSession = false;
      connection.close();
    }
  }

  #onMessage(message: SessionMessage): void {
    this.#leader = "";
    this.#redirects = 0;
    this.#hasSession = true;
    this.#backoff.reset();
    this.#electionBackoff.reset();
    this.#options.connector.learn(message.managers);
    this.#options.onMessage?.(message);
  }

  /** At once to a leader that was named, soon while an election is likely, otherwise with growing delays. */
  #delayAfter(cause: unknown): number {
    this.#leader = isClusterError(cause) ? (cause.details.leader ?? "") : "";
    if (this.#leader !== "" && this.#redirects < REDIRECTS_MAX) {
      this.#redirects++;
      return 0;
    }
    this.#redirects = 0;
    const isElection = this.#options.clock.monotonic() - this.#lostAtMs < ELECTION_MS;
    if (!isElection || isClusterError(cause, "permission_denied")) this.#options.onTrouble?.(cause);
    return (isElection ? this.#electionBackoff : this.#backoff).nextMs();
  }
}
