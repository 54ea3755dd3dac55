import { Agent } from "../agent/agent.js";
import type { ManagerConnection, ManagerConnector } from "../agent/manager-client.js";
import { ManagerRoster } from "../agent/manager-roster.js";
import type { Worker } from "../agent/worker.js";
import type { Clock } from "../base/clock.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { NodeDescription } from "../model/objects.js";
import { Connection } from "../rpc/connection.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import type { ManagerPeer, SessionMessage } from "../wire/generated/dispatcher.js";
import { localManagerClient, remoteManagerClient } from "./manager-clients.js";
import type { ManagerRole } from "./manager-role.js";

export interface AgentRoleOptions {
  readonly identity: LiveIdentity;
  readonly worker: Worker;
  readonly incarnation: () => string;
  /** host:port of managers to begin with. */
  readonly managers: readonly string[];
  /** This node's own manager role, while it has one. */
  readonly manager: () => ManagerRole | null;
  /** This node's own address by now, without port. */
  readonly address: () => string;
  readonly describe: () => NodeDescription;
  readonly onMessage: (message: SessionMessage) => void;
  readonly onTrouble: (cause: unknown) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What every node of a swarm runs: the agent, and its way to the leader. */
export class AgentRole implements ManagerConnector {
  readonly #options: AgentRoleOptions;
  readonly #roster: ManagerRoster;

  constructor(options: AgentRoleOptions) {
    this.#options = options;
    this.#roster = new ManagerRoster({ dial: (address) => this.#dial(address), random: options.random, addresses: options.managers });
  }

  /** Settles when the signal aborted and all tasks are at rest; their containers go on. */
  run(signal: AbortSignal): Promise<void> {
    const { identity, worker, incarnation, describe, clock, random, logger, onMessage, onTrouble } = this.#options;
    // Managers see by it how far a rotation of the root is.
    const onDescriptionChange = (listener: () => void) => identity.onReplace(listener);
    return new Agent({ connector: this, worker, incarnation, describe, onDescriptionChange, clock, random, logger, onMessage, onTrouble }).run(signal);
  }

  /** A manager knows the leader better than any hint; when this node leads there is nothing to dial. */
  async connect(leader: string, signal: AbortSignal): Promise<ManagerConnection> {
    const manager = this.#options.manager();
    const own = manager?.leading() ?? null;
    if (own !== null) {
      return {
        client: localManagerClient(
          { dispatcher: own.dispatcher, logs: own.logBroker },
          { nodeId: this.#options.identity.nodeId, address: this.#options.address() },
        ),
        close: () => undefined,
      };
    }
    const known = manager?.leaderAddress() ?? "";
    return known === "" ? this.#roster.connect(leader, signal) : this.#dial(known);
  }

  learn(managers: readonly ManagerPeer[]): void {
    this.#roster.learn(managers);
  }

  async #dial(address: string): Promise<ManagerConnection> {
    const { identity, clock } = this.#options;
    const connection = new Connection({ address, clock, security: { type: "mutual", identity } });
    return { client: remoteManagerClient(connection), close: () => connection.close() };
  }
}
