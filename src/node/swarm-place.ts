import { join } from "node:path";
import { Worker, type WorkerOptions } from "../agent/worker.js";
import type { Clock } from "../base/clock.js";
import { messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { HealthSource } from "../engine/health/health-checks.js";
import type { NodeDescription } from "../model/objects.js";
import type { HostNetwork, LiveEndpoint } from "../network/host-network.js";
import { IdentityFiles, type NodeCredentials } from "../pki/identity-files.js";
import { LiveIdentity } from "../rpc/live-identity.js";
import type { ContainerRuntime } from "../runtime/container-runtime.js";
import type { ImageStore } from "../runtime/image-store.js";
import type { ImageTransfer } from "../runtime/image-transfer.js";
import { ActiveNode } from "./active-node.js";
import { certificatesIn } from "./member-records.js";
import { beginSwarmFolder, removeSwarmFolder, sweepSwarmFolder } from "./swarm-folder.js";
import { type SwarmState, saveSwarmState } from "./swarm-state.js";

export interface SwarmPlaceOptions {
  readonly dataRoot: string;
  readonly runtime: ContainerRuntime;
  readonly images: ImageStore;
  readonly transfer: ImageTransfer;
  readonly network: HostNetwork;
  readonly health: HealthSource;
  /** Endpoints that are no task's, and stay when the swarm is left. */
  readonly liveEndpoints: () => readonly LiveEndpoint[];
  readonly describe: (identity: LiveIdentity) => NodeDescription;
  /** The node has a manager now, another one than before. */
  readonly onManager: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A node that has not been run yet, and what runs its tasks. */
export interface NodeParts {
  readonly node: ActiveNode;
  readonly worker: Worker;
}

/** What a host gives to the one swarm that it is part of: a folder, its containers, its network. */
export class SwarmPlace {
  /** Holds all that the node keeps: DATA_ROOT/swarm. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly #options: SwarmPlaceOptions;

  constructor(options: SwarmPlaceOptions) {
    this.#options = options;
    this.folder = join(options.dataRoot, "swarm");
    this.clock = options.clock;
    this.random = options.random;
    this.logger = options.logger;
  }

  /** Where certificate and keys are. */
  get certificates() {
    return { folder: certificatesIn(this.folder), clock: this.clock };
  }

  /** What fails leaves nothing behind, but the host's network, which a daemon that is in no swarm has too. */
  async orNothing<T>(action: () => Promise<T>): Promise<T> {
    try {
      await beginSwarmFolder(this.folder); // A crash in the middle of this may have left something.
      await this.#options.network.start(this.#options.liveEndpoints()); // Leaving removed it.
      const made = await action();
      await this.tidy({ isWhole: true });
      return made;
    } catch (cause) {
      await removeSwarmFolder(this.folder);
      throw cause;
    }
  }

  /** Removes what a node that is gone left, and, of one that is whole, that it was being made. What cannot be removed does no harm. */
  async tidy(what: Parameters<typeof sweepSwarmFolder>[1]): Promise<void> {
    try {
      await sweepSwarmFolder(this.folder, what);
    } catch (cause) {
      this.logger.warn({ err: cause }, `what was left beside this node's files could not be removed: ${messageOf(cause)}`);
    }
  }

  /** Makes a node that was not there before; what it is made of is on the disk then. */
  async settle(credentials: NodeCredentials, state: SwarmState): Promise<NodeParts> {
    const files = await IdentityFiles.create(this.certificates, credentials);
    await saveSwarmState(this.folder, state);
    return this.activate(files, state);
  }

  activate(files: IdentityFiles, state: SwarmState): NodeParts {
    const { describe, onManager, clock, random, logger } = this.#options;
    const identity = new LiveIdentity(files.credentials);
    const { hostname, platform } = describe(identity);
    const worker = this.workerOf({ id: identity.nodeId, hostname, platform: platform ?? { architecture: "", os: "" } });
    return { worker, node: new ActiveNode({ folder: this.folder, files, identity, state, worker, describe, onManager, clock, random, logger }) };
  }

  workerOf(node: WorkerOptions["node"]): Worker {
    const { runtime, images, transfer, network, health, clock, random, logger, dataRoot } = this.#options;
    return new Worker({ node, folder: join(dataRoot, "agent", "tasks"), runtime, images, transfer, network, health, clock, random, logger });
  }

  /** Removes the node with its tasks. What is on the host beside the swarm stays. */
  async vacate(worker: Worker): Promise<void> {
    await worker.removeAll();
    const { network, liveEndpoints } = this.#options;
    const kept = liveEndpoints();
    if (kept.length > 0) await network.start(kept);
    else await network.destroy().then(() => network.start([]));
    await removeSwarmFolder(this.folder);
  }
}
