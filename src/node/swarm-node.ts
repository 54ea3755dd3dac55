import { rm } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { Worker } from "../agent/worker.js";
import type { InitOptions, JoinOptions, LocalSwarmState, MemberStatus, RestoreOptions, SwarmBackend } from "../api/http/backend.js";
import type { Clock } from "../base/clock.js";
import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import { newId } from "../base/ids.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import { withClusterDefaults } from "../model/defaults.js";
import type { NodeDescription } from "../model/objects.js";
import { validateClusterSpec } from "../model/validation/cluster-spec.js";
import type { HostNetwork } from "../network/host-network.js";
import { loadCredentials, type NodeCredentials, saveCredentials } from "../pki/identity-files.js";
import { joinCluster } from "../rpc/join.js";
import { LiveIdentity } from "../rpc/live-identity.js";
import { unlessAborted } from "../rpc/stream.js";
import type { ContainerRuntime } from "../runtime/container-runtime.js";
import type { ImageStore } from "../runtime/image-store.js";
import type { Store } from "../store/store.js";
import type { StoreView } from "../store/view.js";
import type { ControlReply, ControlRequest } from "../wire/generated/control.js";
import type { LogBatch, SubscribeLogsRequest } from "../wire/generated/dispatcher.js";
import { ActiveNode } from "./active-node.js";
import { formatHostPort, parseHostPort, resolveAdvertiseAddress, resolveListenAddress } from "./addresses.js";
import { decodeBackup, encodeBackup } from "./backup-file.js";
import { firstCredentials, firstObjects } from "./first-objects.js";
import type { ManagerRole } from "./manager-role.js";
import { recordsOfMember } from "./member-records.js";
import { foundIncarnation, salvageMember } from "./new-incarnation.js";
import { restoredNode } from "./restored-node.js";
import { loadSwarmState, RAFT_FOLDER, type SwarmState, saveSwarmState } from "./swarm-state.js";
import { noLeader } from "./writes.js";

export interface SwarmNodeOptions {
  readonly dataRoot: string;
  readonly runtime: ContainerRuntime;
  readonly images: ImageStore;
  readonly network: HostNetwork;
  readonly describe: (identity: LiveIdentity) => NodeDescription;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A part failed for good: the daemon cannot go on. */
  readonly onFailure: (cause: unknown) => void;
}

/** `swarm join` ends within 15 s, whatever does not answer: this long to get in, and this long to take it back. */
const JOIN_TIMEOUT_MS = 13_000;
const WITHDRAWAL_TIMEOUT_MS = 2_000;

const NOT_A_MANAGER = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
const IS_A_WORKER =
  "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";

const RETIRED_LEAVES =
  "This node is a manager that cannot take part; leaving removes its copy of the cluster's state. Use `--force` to ignore this message. What keeps it:";

interface Running {
  readonly node: ActiveNode;
  readonly worker: Worker;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** This host's part in a swarm: none, or an active node of one. Init, join and leave follow each other, never overlap. */
export class SwarmNode implements SwarmBackend {
  readonly #options: SwarmNodeOptions;
  readonly #folder: string;
  #running: Running | null = null;
  /** Set while init, join or leave is under way. */
  #isChanging = false;
  #error = "";

  constructor(options: SwarmNodeOptions) {
    this.#options = options;
    this.#folder = join(options.dataRoot, "swarm");
  }

  /** Takes up what this host was part of when it stopped. Throws when what is on disk cannot be trusted. */
  async start(): Promise<void> {
    const state = await loadSwarmState(this.#folder);
    const credentials = await loadCredentials(join(this.#folder, "certificates"));
    if (state === undefined || credentials === null) return;
    const active = this.#activate(credentials, state);
    if (state.member !== null) await active.node.resumeManager(state.member.incarnation);
    this.#run(active);
  }

  /** Stops every part; containers go on. */
  async stop(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
  }

  get manager(): ManagerRole | null {
    return this.#running?.node.manager ?? null;
  }

  local(): LocalSwarmState {
    const node = this.#running?.node;
    if (node === undefined) {
      return {
        state: this.#isChanging ? "pending" : this.#error === "" ? "inactive" : "error",
        nodeId: "",
        nodeAddress: "",
        isManager: false,
        error: this.#error,
        remoteManagers: [],
      };
    }
    const members = this.members();
    return {
      state: "active",
      nodeId: node.identity.nodeId,
      nodeAddress: parseHostPort(node.state.advertiseAddress).host,
      isManager: node.manager !== null,
      error: node.error === "" && node.manager !== null && node.manager.leaderAddress() === "" ? noLeader().message : node.error,
      remoteManagers: members.length > 0 ? members.map(({ nodeId, address }) => ({ nodeId, address })) : node.state.managers,
    };
  }

  init(options: InitOptions): Promise<string> {
    return this.#change(async () => {
      if (options.forceNewCluster) return this.#foundAnew(options);
      if (this.#running !== null) throw alreadyPart();
      const spec = withClusterDefaults(options.spec);
      validateClusterSpec(spec);
      const interfaces = networkInterfaces();
      const listen = resolveListenAddress(options.listenAddress, interfaces);
      const advertise = resolveAdvertiseAddress(options.advertiseAddress, listen, interfaces);
      const { clock } = this.#options;
      const incarnation = newId();
      const first = firstCredentials(clock.now());
      const address = formatHostPort(advertise);
      const state = { listenAddress: formatHostPort(listen), advertiseAddress: address, managers: [{ nodeId: first.nodeId, address }], member: null };
      return this.#orNothing(async () => {
        await this.#persist(first.credentials, state);
        const active = this.#activate(first.credentials, state);
        try {
          const manager = await active.node.startManager({ type: "bootstrap", incarnation });
          await manager.led();
          await manager.store.update((tx) => firstObjects(tx, { ...first, incarnation, init: { ...options, spec }, nodeAddress: advertise.host }));
        } catch (cause) {
          await active.node.manager?.[Symbol.asyncDispose]();
          throw cause;
        }
        this.#run(active);
        return first.nodeId;
      });
    });
  }

  join(options: JoinOptions): Promise<void> {
    return this.#change(async () => {
      if (this.#running !== null) throw alreadyPart();
      const addresses = options.remoteAddresses.map((remote) => formatHostPort(parseHostPort(remote)));
      if (addresses.length === 0) throw new ClusterError("invalid_argument", "at least one remote address is necessary to join a swarm");
      const interfaces = networkInterfaces();
      const listen = resolveListenAddress(options.listenAddress, interfaces);
      const advertise = resolveAdvertiseAddress(options.advertiseAddress, listen, interfaces);
      const signal = AbortSignal.timeout(JOIN_TIMEOUT_MS);
      await this.#orNothing(async () => {
        const { credentials, address } = await this.#certified(addresses, options, signal);
        const state = { listenAddress: formatHostPort(listen), advertiseAddress: formatHostPort(advertise), managers: [{ nodeId: "", address }], member: null };
        await this.#persist(credentials, state);
        const active = this.#activate(credentials, state);
        try {
          if (active.node.identity.identity.role === "manager") {
            await named("this host was let in, but got no place among the managers", signal, () => active.node.becomeMember(signal));
            await named(
              `this host was let in, but heard nothing of the other managers at ${state.advertiseAddress}: is it the address where they reach it`,
              signal,
              () => unlessAborted(signal, active.node.manager?.ready(signal) ?? Promise.resolve()),
            );
          }
        } catch (cause) {
          await this.#withdraw(active.node);
          throw cause;
        }
        this.#run(active);
      });
    });
  }

  /** A manager's join that failed: what the others know of it is taken back as far as they can be reached. */
  async #withdraw(node: ActiveNode): Promise<void> {
    const { manager } = node;
    if (manager === null) return;
    await manager[Symbol.asyncDispose]();
    await node.withdrawMember(AbortSignal.timeout(WITHDRAWAL_TIMEOUT_MS)).catch((cause: unknown) => {
      this.#options.logger.warn({ err: cause }, "the managers still count this host as one of them: demote and remove it there");
    });
  }

  leave({ force }: { readonly force: boolean }): Promise<void> {
    return this.#change(async () => {
      const running = this.#running;
      if (running === null) throw new ClusterError("unavailable", "This node is not part of a swarm");
      const { manager } = running.node;
      if (manager !== null && !force) throw new ClusterError("unavailable", leaveRefusal(manager));
      if (running.node.isRetired && !force) throw new ClusterError("unavailable", `${RETIRED_LEAVES} ${running.node.error}`);
      running.stop.abort();
      await running.ended;
      this.#running = null;
      await this.#discard(running.worker);
    });
  }

  async backup(passphrase: string): Promise<AsyncIterable<Uint8Array>> {
    if (passphrase === "") throw new ClusterError("invalid_argument", "a backup needs a passphrase: it holds the cluster's keys and secrets");
    const { objects, index, term } = await this.#requireManager().snapshot();
    const clusterId = this.#running?.node.identity.identity.clusterId ?? "";
    return encodeBackup({ clusterId, createdAtMs: this.#options.clock.now(), index, term }, objects, passphrase);
  }

  restore(options: RestoreOptions): Promise<string> {
    return this.#change(async () => {
      if (this.#running !== null) throw alreadyPart();
      const interfaces = networkInterfaces();
      const listen = resolveListenAddress(options.listenAddress, interfaces);
      const advertise = resolveAdvertiseAddress(options.advertiseAddress, listen, interfaces);
      const { origin } = await decodeBackup(options.chunks, options.passphrase);
      const address = formatHostPort(advertise);
      const { nodeId, credentials, objects } = restoredNode(origin, { nodeAddress: advertise.host, nowMs: this.#options.clock.now() });
      return this.#orNothing(async () => {
        const codec = await recordsOfMember(this.#folder, new LiveIdentity(credentials), { isBeginning: true });
        const member = await foundIncarnation({ ...this.#options, folder: this.#folder, codec }, { nodeId, address }, { ...origin, objects });
        await this.#persist(credentials, { listenAddress: formatHostPort(listen), advertiseAddress: address, managers: [{ nodeId, address }], member });
        await this.start();
        await this.manager?.led();
        return nodeId;
      });
    });
  }

  localView(): StoreView | undefined {
    return this.manager?.store.view;
  }

  changes(): Pick<Store, "past" | "follow"> | undefined {
    return this.manager?.changes;
  }

  async read(): Promise<StoreView> {
    return this.#requireManager().read();
  }

  async write(request: ControlRequest): Promise<ControlReply> {
    return this.#requireManager().write(request);
  }

  members(): readonly MemberStatus[] {
    return this.manager?.members() ?? [];
  }

  subscribeLogs(request: SubscribeLogsRequest, signal: AbortSignal): AsyncIterable<LogBatch> {
    return this.#requireManager().subscribeLogs(request, signal);
  }

  /**
   * Makes this manager the only one, with everything that it holds, when the others are gone for good. Members of the old group are refused from then on;
   * workers come back by themselves, and no task is disturbed. When it fails, this node goes on as it was.
   */
  async #foundAnew(options: InitOptions): Promise<string> {
    const running = this.#running;
    const before = running?.node.state.member ?? null;
    if (running === null || before === null) throw new ClusterError("unavailable", this.#running === null ? NOT_A_MANAGER : IS_A_WORKER);
    const { state: old, identity } = running.node;
    const { nodeId } = identity;
    const interfaces = networkInterfaces();
    const listen = parseHostPort(old.listenAddress);
    const isMoving = options.advertiseAddress !== "";
    const address = isMoving ? formatHostPort(resolveAdvertiseAddress(options.advertiseAddress, listen, interfaces)) : old.advertiseAddress;
    const codec = await recordsOfMember(this.#folder, identity, { isBeginning: false });
    const place = { ...this.#options, folder: this.#folder, codec };
    running.stop.abort();
    await running.ended;
    this.#running = null;
    try {
      const { origin } = await salvageMember(place, before.raftFolder ?? RAFT_FOLDER);
      const member = await foundIncarnation(place, { nodeId, address }, origin);
      await saveSwarmState(this.#folder, { ...old, advertiseAddress: address, managers: [{ nodeId, address }], member });
      await rm(join(this.#folder, before.raftFolder ?? RAFT_FOLDER), { recursive: true, force: true });
      this.#options.logger.warn({ incarnation: member.incarnation, before: before.incarnation }, "this manager founded the cluster anew, alone");
    } finally {
      await this.start();
    }
    await this.manager?.led();
    return nodeId;
  }

  /** Asks one manager after the other for a certificate. One that answers has the last word. */
  async #certified(addresses: readonly string[], { joinToken, availability }: JoinOptions, signal: AbortSignal) {
    const { clock } = this.#options;
    const failures: ClusterError[] = [];
    for (const address of addresses) {
      try {
        const join = () => joinCluster({ address, clock, signal, token: joinToken, availability });
        return { address, credentials: await named(`cannot join through ${address}`, signal, join) };
      } catch (cause) {
        if (!isClusterError(cause, "unavailable")) throw cause;
        failures.push(cause);
      }
    }
    throw new ClusterError("unavailable", failures.map(messageOf).join("; "), { cause: failures.at(-1) });
  }

  #requireManager(): ManagerRole {
    const { manager } = this;
    if (manager !== null) return manager;
    const node = this.#running?.node;
    if (node?.isRetired) throw new ClusterError("unavailable", `This node is not a swarm manager: ${node.error}`);
    throw new ClusterError("unavailable", this.#running === null ? NOT_A_MANAGER : IS_A_WORKER);
  }

  #activate(credentials: NodeCredentials, state: SwarmState): { readonly node: ActiveNode; readonly worker: Worker } {
    const { runtime, images, network, describe, clock, random, logger, dataRoot } = this.#options;
    const identity = new LiveIdentity(credentials);
    const { hostname, platform } = describe(identity);
    const worker = new Worker({
      node: { id: identity.nodeId, hostname, platform: platform ?? { architecture: "", os: "" } },
      folder: join(dataRoot, "agent", "tasks"),
      runtime,
      images,
      network,
      clock,
      random,
      logger,
    });
    return { worker, node: new ActiveNode({ folder: this.#folder, identity, state, worker, describe, clock, random, logger }) };
  }

  #run({ node, worker }: { readonly node: ActiveNode; readonly worker: Worker }): void {
    const stop = new AbortController();
    const ended = node.run(stop.signal).catch((cause: unknown) => {
      if (!stop.signal.aborted) this.#options.onFailure(cause);
    });
    this.#running = { node, worker, stop, ended };
    this.#error = "";
  }

  async #persist(credentials: NodeCredentials, state: SwarmState): Promise<void> {
    await saveCredentials(join(this.#folder, "certificates"), credentials);
    await saveSwarmState(this.#folder, state);
  }

  /** What fails leaves nothing behind, but the host's network, which a daemon that is in no swarm has too. */
  async #orNothing<T>(action: () => Promise<T>): Promise<T> {
    try {
      await this.#options.network.start([]); // Leaving removed it.
      return await action();
    } catch (cause) {
      await rm(this.#folder, { recursive: true, force: true });
      throw cause;
    }
  }

  async #discard(worker: Worker): Promise<void> {
    await worker.removeAll();
    await this.#options.network.destroy();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #change<T>(action: () => Promise<T>): Promise<T> {
    if (this.#isChanging) throw new ClusterError("unavailable", "This node is joining or leaving a swarm already");
    this.#isChanging = true;
    try {
      return await action();
    } finally {
      this.#isChanging = false;
    }
  }
}

function alreadyPart(): ClusterError {
  return new ClusterError("unavailable", 'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.');
}

/** Says which step failed, and that time ran out where the signal says so. */
async function named<T>(step: string, signal: AbortSignal, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (signal.aborted) throw new ClusterError("deadline_exceeded", `${step}: no answer within ${JOIN_TIMEOUT_MS / 1000} s`, { cause });
    const { code, details } = ClusterError.from(cause);
    throw new ClusterError(code, `${step}: ${messageOf(cause)}`, { cause, details });
  }
}

function leaveRefusal(manager: ManagerRole): string {
  const begin = "You are attempting to leave the swarm on a node that is participating as a manager. ";
  const others = manager.members().length - 1;
  if (others === 0) return `${begin}Removing the last manager erases all current state of the swarm. Use \`--force\` to ignore this message.`;
  return `${begin}The only way to restore a swarm that has lost consensus is to reinitialize it with \`--force-new-cluster\`. Demote the node first, or use \`--force\` to suppress this message.`;
}
