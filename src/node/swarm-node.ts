import { rm } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { Worker, type WorkerOptions } from "../agent/worker.js";
import type { InitOptions, JoinOptions, LocalSwarmState, MemberStatus, RestoreOptions, SwarmBackend } from "../api/http/backend.js";
import { LOCKED_TEXT } from "../api/http/swarm-access.js";
import type { Clock } from "../base/clock.js";
import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import { newId } from "../base/ids.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import { withClusterDefaults } from "../model/defaults.js";
import type { NodeDescription } from "../model/objects.js";
import { validateClusterSpec } from "../model/validation/cluster-spec.js";
import type { HealthSource } from "../engine/health/health-checks.js";
import type { HostNetwork, LiveEndpoint } from "../network/host-network.js";
import { identityOf } from "../pki/identity.js";
import { IdentityFiles, type NodeCredentials } from "../pki/identity-files.js";
import { parseUnlockKey } from "../pki/unlock-key.js";
import { joinCluster } from "../rpc/join.js";
import { LiveIdentity } from "../rpc/live-identity.js";
import { unlessAborted } from "../rpc/stream.js";
import type { ContainerRuntime } from "../runtime/container-runtime.js";
import type { ImageStore } from "../runtime/image-store.js";
import type { ImageTransfer } from "../runtime/image-transfer.js";
import type { Store } from "../store/store.js";
import type { StoreView } from "../store/view.js";
import type { ControlReply, ControlRequest } from "../wire/generated/control.js";
import type { LogBatch, SubscribeLogsRequest } from "../wire/generated/dispatcher.js";
import { ActiveNode } from "./active-node.js";
import { formatHostPort, parseHostPort, resolveAdvertiseAddress, resolveListenAddress } from "./addresses.js";
import { decodeBackup, encodeBackup } from "./backup-file.js";
import { firstCredentials, firstObjects } from "./first-objects.js";
import type { ManagerRole } from "./manager-role.js";
import { certificatesIn, recordsOfMember } from "./member-records.js";
import { foundIncarnation, salvageMember } from "./new-incarnation.js";
import { ownAddress } from "./own-address.js";
import { restoredNode } from "./restored-node.js";
import { loadSwarmState, RAFT_FOLDER, type SwarmState, saveSwarmState } from "./swarm-state.js";
import { noLeader } from "./writes.js";

export interface SwarmNodeOptions {
  readonly dataRoot: string;
  readonly runtime: ContainerRuntime;
  readonly images: ImageStore;
  readonly transfer: ImageTransfer;
  readonly network: HostNetwork;
  readonly health: HealthSource;
  /** Endpoints that are no task's, and stay when the swarm is left. */
  readonly liveEndpoints: () => readonly LiveEndpoint[];
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

const LOCKED_LEAVES = "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.";

/** A node of a swarm whose keys cannot be had: it runs nothing, and its containers go on. */
interface Stuck {
  readonly type: "locked" | "error";
  readonly state: SwarmState;
  /** Empty when its certificate cannot be read either. */
  readonly nodeId: string;
  readonly error: string;
}

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
  /** Invariant: null while #running is not. */
  #stuck: Stuck | null = null;
  /** Set while init, join or leave is under way. */
  #isChanging = false;

  constructor(options: SwarmNodeOptions) {
    this.#options = options;
    this.#folder = join(options.dataRoot, "swarm");
  }

  /** Takes up what this host was part of when it stopped. A manager whose keys are locked waits to be unlocked; one without its keys says so. */
  async start(): Promise<void> {
    const state = await loadSwarmState(this.#folder);
    if (state === undefined) return;
    try {
      await this.#resume(state, null);
    } catch (cause) {
      if (!isClusterError(cause, "unauthenticated") && !isClusterError(cause, "failed_precondition")) throw cause;
      const isLocked = await IdentityFiles.isLocked(certificatesIn(this.#folder));
      const type = isLocked && cause.code === "unauthenticated" ? "locked" : "error";
      this.#stuck = { type, state, nodeId: await this.#certifiedId(), error: type === "locked" ? LOCKED_TEXT : messageOf(cause) };
      this.#options.logger.warn({ err: cause }, type === "locked" ? "this manager is locked: it takes part again once it is unlocked" : messageOf(cause));
    }
  }

  /** Throws ClusterError `unauthenticated` when the keys are locked and this is not their key, `failed_precondition` when they are damaged or gone. */
  async #resume(before: SwarmState, unlockKey: Uint8Array | null): Promise<void> {
    const state = { ...before, ...ownAddress(before, networkInterfaces()) };
    const files = await IdentityFiles.open({ folder: certificatesIn(this.#folder), clock: this.#options.clock }, unlockKey);
    if (files === null) {
      throw new ClusterError(
        "failed_precondition",
        `certificate or keys in ${certificatesIn(this.#folder)} are gone: put them back, or leave by force and join again`,
      );
    }
    if (state.advertiseAddress !== before.advertiseAddress) {
      this.#options.logger.warn({ before: before.advertiseAddress, now: state.advertiseAddress }, "this host has another address than when it stopped");
      await saveSwarmState(this.#folder, state);
    }
    const active = this.#activate(files, state);
    if (state.member !== null) await active.node.resumeManager(state.member.incarnation);
    this.#stuck = null;
    this.#run(active);
  }

  unlock(text: string): Promise<void> {
    return this.#change(async () => {
      const stuck = this.#stuck;
      if (stuck?.type !== "locked") throw new ClusterError("conflict", "swarm is not locked");
      await this.#resume(stuck.state, parseUnlockKey(text));
      this.#options.logger.info({ nodeId: stuck.nodeId }, "this manager was unlocked");
    });
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
    if (this.#stuck !== null) {
      const { type, state, nodeId, error } = this.#stuck;
      const nodeAddress = parseHostPort(state.advertiseAddress).host;
      return { state: type, nodeId, nodeAddress, isManager: false, error, remoteManagers: state.managers };
    }
    if (node === undefined) {
      return {
        state: this.#isChanging ? "pending" : "inactive",
        nodeId: "",
        nodeAddress: "",
        isManager: false,
        error: "",
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
      this.#assertOutside();
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
        const active = this.#activate(await this.#persist(first.credentials, state), state);
        try {
          const manager = await active.node.startManager({ type: "bootstrap", incarnation });
          await manager.led();
          await manager.store.update((tx) => firstObjects(tx, { ...first, incarnation, init: { ...options, spec }, nodeAddress: advertise.host }));
          await active.node.keysKept();
        } catch (cause) {
          await active.node.stop();
          throw cause;
        }
        this.#run(active);
        return first.nodeId;
      });
    });
  }

  join(options: JoinOptions): Promise<void> {
    return this.#change(async () => {
      this.#assertOutside();
      const addresses = options.remoteAddresses.map((remote) => formatHostPort(parseHostPort(remote)));
      if (addresses.length === 0) throw new ClusterError("invalid_argument", "at least one remote address is necessary to join a swarm");
      const interfaces = networkInterfaces();
      const listen = resolveListenAddress(options.listenAddress, interfaces);
      const advertise = resolveAdvertiseAddress(options.advertiseAddress, listen, interfaces);
      const signal = AbortSignal.timeout(JOIN_TIMEOUT_MS);
      await this.#orNothing(async () => {
        const { credentials, address } = await this.#certified(addresses, options, signal);
        const state = { listenAddress: formatHostPort(listen), advertiseAddress: formatHostPort(advertise), managers: [{ nodeId: "", address }], member: null };
        const active = this.#activate(await this.#persist(credentials, state), state);
        try {
          if (active.node.identity.identity.role === "manager") {
            await named("this host was let in, but got no place among the managers", signal, () => active.node.becomeMember(signal));
            await named(
              `this host was let in, but heard nothing of the other managers at ${state.advertiseAddress}: is it the address where they reach it`,
              signal,
              () => unlessAborted(signal, active.node.manager?.ready(signal) ?? Promise.resolve()),
            );
            await named("this manager could not lock its keys as the swarm wants it", signal, () => unlessAborted(signal, active.node.keysKept()));
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
    if (node.manager === null) return;
    await node.stop();
    await node.withdrawMember(AbortSignal.timeout(WITHDRAWAL_TIMEOUT_MS)).catch((cause: unknown) => {
      this.#options.logger.warn({ err: cause }, "the managers still count this host as one of them: demote and remove it there");
    });
  }

  leave({ force }: { readonly force: boolean }): Promise<void> {
    return this.#change(async () => {
      if (this.#stuck !== null) return this.#leaveStuck(this.#stuck, force);
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

  /** Nobody is told: who the others are is known, but not by which key they would believe it. */
  async #leaveStuck({ type, nodeId, error }: Stuck, force: boolean): Promise<void> {
    if (!force) throw new ClusterError("unavailable", type === "locked" ? LOCKED_LEAVES : `${RETIRED_LEAVES} ${error}`);
    this.#stuck = null;
    await this.#discard(this.#workerOf({ id: nodeId, hostname: hostname(), platform: { architecture: "", os: "" } }));
  }

  async backup(passphrase: string): Promise<AsyncIterable<Uint8Array>> {
    if (passphrase === "") throw new ClusterError("invalid_argument", "a backup needs a passphrase: it holds the cluster's keys and secrets");
    const { objects, index, term } = await this.#requireManager().snapshot();
    const clusterId = this.#running?.node.identity.identity.clusterId ?? "";
    return encodeBackup({ clusterId, createdAtMs: this.#options.clock.now(), index, term }, objects, passphrase);
  }

  restore(options: RestoreOptions): Promise<string> {
    return this.#change(async () => {
      this.#assertOutside();
      const interfaces = networkInterfaces();
      const listen = resolveListenAddress(options.listenAddress, interfaces);
      const advertise = resolveAdvertiseAddress(options.advertiseAddress, listen, interfaces);
      const { origin } = await decodeBackup(options.chunks, options.passphrase);
      const address = formatHostPort(advertise);
      const { nodeId, credentials, objects } = restoredNode(origin, { nodeAddress: advertise.host, nowMs: this.#options.clock.now() });
      return this.#orNothing(async () => {
        const files = await IdentityFiles.create({ folder: certificatesIn(this.#folder), clock: this.#options.clock }, credentials);
        const codec = await recordsOfMember(files, { isBeginning: true });
        const member = await foundIncarnation({ ...this.#options, folder: this.#folder, codec }, { nodeId, address }, { ...origin, objects });
        const state = { listenAddress: formatHostPort(listen), advertiseAddress: address, managers: [{ nodeId, address }], member };
        await saveSwarmState(this.#folder, state);
        await this.#resume(state, null);
        await this.manager?.led();
        await this.#running?.node.keysKept();
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
    if (this.#stuck !== null) throw new ClusterError("unavailable", this.#stuck.error);
    const running = this.#running;
    const before = running?.node.state.member ?? null;
    if (running === null || before === null) throw new ClusterError("unavailable", this.#running === null ? NOT_A_MANAGER : IS_A_WORKER);
    const { state: old, identity, files } = running.node;
    const { nodeId } = identity;
    const interfaces = networkInterfaces();
    const listen = parseHostPort(old.listenAddress);
    const isMoving = options.advertiseAddress !== "";
    const address = isMoving ? formatHostPort(resolveAdvertiseAddress(options.advertiseAddress, listen, interfaces)) : old.advertiseAddress;
    const codec = await recordsOfMember(files, { isBeginning: false });
    const place = { ...this.#options, folder: this.#folder, codec };
    running.stop.abort();
    await running.ended;
    this.#running = null;
    let state = old;
    try {
      const { origin } = await salvageMember(place, before.raftFolder ?? RAFT_FOLDER);
      const member = await foundIncarnation(place, { nodeId, address }, origin);
      const { advertiseInterface, ...kept } = old;
      // An address that the operator gives now may be of no interface.
      const where = isMoving || advertiseInterface === undefined ? {} : { advertiseInterface };
      state = { ...kept, ...where, advertiseAddress: address, managers: [{ nodeId, address }], member };
      await saveSwarmState(this.#folder, state);
      await rm(join(this.#folder, before.raftFolder ?? RAFT_FOLDER), { recursive: true, force: true });
      this.#options.logger.warn({ incarnation: member.incarnation, before: before.incarnation }, "this manager founded the cluster anew, alone");
    } finally {
      await this.#resume(state, files.keys.unlockKey);
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
    if (this.#stuck !== null) throw new ClusterError("unavailable", this.#stuck.error);
    throw new ClusterError("unavailable", this.#running === null ? NOT_A_MANAGER : IS_A_WORKER);
  }

  #activate(files: IdentityFiles, state: SwarmState): { readonly node: ActiveNode; readonly worker: Worker } {
    const { describe, clock, random, logger } = this.#options;
    const identity = new LiveIdentity(files.credentials);
    const { hostname: name, platform } = describe(identity);
    const worker = this.#workerOf({ id: identity.nodeId, hostname: name, platform: platform ?? { architecture: "", os: "" } });
    return { worker, node: new ActiveNode({ folder: this.#folder, files, identity, state, worker, describe, clock, random, logger }) };
  }

  #workerOf(node: WorkerOptions["node"]): Worker {
    const { runtime, images, transfer, network, health, clock, random, logger, dataRoot } = this.#options;
    return new Worker({ node, folder: join(dataRoot, "agent", "tasks"), runtime, images, transfer, network, health, clock, random, logger });
  }

  /** Of the node that is stuck: its certificate is no secret. */
  async #certifiedId(): Promise<string> {
    const certificate = await IdentityFiles.certificateIn(certificatesIn(this.#folder));
    try {
      return certificate === undefined ? "" : identityOf(certificate).nodeId;
    } catch (cause) {
      this.#options.logger.warn({ err: cause }, "this node's certificate cannot be read");
      return "";
    }
  }

  #assertOutside(): void {
    if (this.#running !== null || this.#stuck !== null) throw alreadyPart();
  }

  #run({ node, worker }: { readonly node: ActiveNode; readonly worker: Worker }): void {
    const stop = new AbortController();
    const ended = node.run(stop.signal).catch((cause: unknown) => {
      if (!stop.signal.aborted) this.#options.onFailure(cause);
    });
    this.#running = { node, worker, stop, ended };
  }

  async #persist(credentials: NodeCredentials, state: SwarmState): Promise<IdentityFiles> {
    const files = await IdentityFiles.create({ folder: certificatesIn(this.#folder), clock: this.#options.clock }, credentials);
    await saveSwarmState(this.#folder, state);
    return files;
  }

  /** What fails leaves nothing behind, but the host's network, which a daemon that is in no swarm has too. */
  async #orNothing<T>(action: () => Promise<T>): Promise<T> {
    try {
      await rm(this.#folder, { recursive: true, force: true }); // A crash in the middle of this may have left something.
      await this.#options.network.start(this.#options.liveEndpoints()); // Leaving removed it.
      return await action();
    } catch (cause) {
      await rm(this.#folder, { recursive: true, force: true });
      throw cause;
    }
  }

  async #discard(worker: Worker): Promise<void> {
    await worker.removeAll();
    const kept = this.#options.liveEndpoints();
    if (kept.length > 0) await this.#options.network.start(kept);
    else await this.#options.network.destroy().then(() => this.#options.network.start([]));
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
