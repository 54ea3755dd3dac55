import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Worker } from "../agent/worker.js";
import type { InitOptions, JoinOptions, LocalSwarmState, MemberStatus, RestoreOptions, SwarmBackend } from "../api/http/backend.js";
import { LOCKED_TEXT } from "../api/http/swarm-texts.js";
import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import { identityOf } from "../pki/identity.js";
import { IdentityFiles } from "../pki/identity-files.js";
import { parseUnlockKey } from "../pki/unlock-key.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import type { StoreView } from "../store/view.js";
import type { ControlReply, ControlRequest } from "../wire/generated/control.js";
import type { LogBatch, SubscribeLogsRequest } from "../wire/generated/dispatcher.js";
import type { ActiveNode } from "./active-node.js";
import { formatHostPort, movedAddresses, parseHostPort } from "./addresses.js";
import { encodeBackup } from "./backup-file.js";
import { foundAnew, foundSwarm, openBackup, writeRestored } from "./found-swarm.js";
import { joinSwarm } from "./join-swarm.js";
import { ManagerChanges } from "./manager-changes.js";
import type { ManagerRole } from "./manager-role.js";
import { ownAddress } from "./own-address.js";
import { type NodeParts, SwarmPlace, type SwarmPlaceOptions } from "./swarm-place.js";
import { removeSwarmFolder } from "./swarm-folder.js";
import { alreadyPart, lockedLeaves, notAManager, notPart, refusalToLeave, retiredLeaves } from "./swarm-refusals.js";
import { loadSwarmState, raftFolderOf, type SwarmState, saveSwarmState } from "./swarm-state.js";
import { noLeader } from "./writes.js";

export interface SwarmNodeOptions extends Omit<SwarmPlaceOptions, "onManager"> {
  /** A part failed for good: the daemon cannot go on. */
  readonly onFailure: (cause: unknown) => void;
}

/** A node of a swarm whose keys, certificate or state cannot be had: it runs nothing, and its containers go on. */
interface Stuck {
  readonly type: "locked" | "error";
  /** Null when that is what is damaged. */
  readonly state: SwarmState | null;
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
  readonly changes = new ManagerChanges(() => this.manager);
  readonly #place: SwarmPlace;
  readonly #onFailure: (cause: unknown) => void;
  #running: Running | null = null;
  /** Invariant: null while #running is not. */
  #stuck: Stuck | null = null;
  /** Set while init, join or leave is under way. */
  #isChanging = false;

  constructor({ onFailure, ...place }: SwarmNodeOptions) {
    this.#place = new SwarmPlace({ ...place, onManager: () => this.changes.look() });
    this.#onFailure = onFailure;
  }

  /** Takes up what this host was part of when it stopped. A manager whose keys are locked waits to be unlocked; one without its keys says so. */
  async start(): Promise<void> {
    let state: SwarmState | undefined;
    try {
      state = await loadSwarmState(this.#place.folder);
      await this.#place.tidy({ isWhole: state !== undefined, ...(state?.member ? { member: raftFolderOf(state.member) } : {}) });
      if (state !== undefined) await this.#resume(state, null);
    } catch (cause) {
      if (!isClusterError(cause, "unauthenticated") && !isClusterError(cause, "failed_precondition")) throw cause;
      const isLocked = cause.code === "unauthenticated" && (await IdentityFiles.isLocked(this.#place.certificates.folder));
      const type = isLocked ? "locked" : "error";
      this.#stuck = { type, state: state ?? null, nodeId: await this.#certifiedId(), error: type === "locked" ? LOCKED_TEXT : messageOf(cause) };
      this.#place.logger.warn({ err: cause }, type === "locked" ? "this manager is locked: it takes part again once it is unlocked" : messageOf(cause));
    }
  }

  /** Throws ClusterError `unauthenticated` when the keys are locked and this is not their key, `failed_precondition` when they are damaged or gone. */
  async #resume(before: SwarmState, unlockKey: Uint8Array | null): Promise<void> {
    const { folder, certificates, logger } = this.#place;
    const state = { ...before, ...ownAddress(before, networkInterfaces()) };
    const files = await IdentityFiles.open(certificates, unlockKey);
    if (files === null) {
      throw new ClusterError("failed_precondition", `certificate or keys in ${certificates.folder} are gone: put them back, or leave by force and join again`);
    }
    if (state.advertiseAddress !== before.advertiseAddress) {
      logger.warn({ before: before.advertiseAddress, now: state.advertiseAddress }, "this host has another address than when it stopped");
      await saveSwarmState(folder, state);
    }
    const active = this.#place.activate(files, state);
    if (state.member !== null) await active.node.resumeManager(state.member.incarnation);
    this.#stuck = null;
    this.#run(active);
  }

  unlock(text: string): Promise<void> {
    return this.#change(async () => {
      const stuck = this.#stuck;
      if (stuck?.type !== "locked" || stuck.state === null) throw new ClusterError("conflict", "swarm is not locked");
      await this.#resume(stuck.state, parseUnlockKey(text));
      this.#place.logger.info({ nodeId: stuck.nodeId }, "this manager was unlocked");
    });
  }

  /** Stops every part; containers go on. */
  async stop(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
  }

  /** Who this node is in its swarm; null outside of one. */
  get identity(): LiveIdentity | null {
    return this.#running?.node.identity ?? null;
  }

  get manager(): ManagerRole | null {
    return this.#running?.node.manager ?? null;
  }

  local(): LocalSwarmState {
    const node = this.#running?.node;
    if (this.#stuck !== null) {
      const { type, state, nodeId, error } = this.#stuck;
      const nodeAddress = state === null ? "" : parseHostPort(state.advertiseAddress).host;
      return { state: type, nodeId, nodeAddress, isManager: false, error, remoteManagers: state?.managers ?? [] };
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
      error: node.error || node.refusal || (node.manager?.leaderAddress() === "" ? noLeader(node.manager.whyNoLeader()).message : "") || node.sessionError,
      remoteManagers: members.length > 0 ? members.map(({ nodeId, address }) => ({ nodeId, address })) : node.state.managers,
    };
  }

  init(options: InitOptions): Promise<string> {
    return this.#change(async () => {
      if (options.forceNewCluster) return this.#foundAnew(options);
      this.#assertOutside();
      const parts = await foundSwarm(this.#place, options);
      this.#run(parts);
      return parts.node.identity.nodeId;
    });
  }

  join(options: JoinOptions): Promise<void> {
    return this.#change(async () => {
      this.#assertOutside();
      this.#run(await joinSwarm(this.#place, options));
    });
  }

  rejoin(remoteAddress: string): Promise<void> {
    return this.#change(async () => {
      if (this.#stuck !== null) throw new ClusterError("unavailable", this.#stuck.error);
      if (this.#running === null) throw notPart();
      await this.#running.node.rejoin(formatHostPort(parseHostPort(remoteAddress)));
    });
  }

  leave({ force }: { readonly force: boolean }): Promise<void> {
    return this.#change(async () => {
      if (this.#stuck !== null) return this.#leaveStuck(this.#stuck, force);
      const running = this.#running;
      if (running === null) throw notPart();
      const refusal = force ? null : refusalToLeave(running.node);
      if (refusal !== null) throw refusal;
      await this.#stopRunning();
      await this.#place.vacate(running.worker);
    });
  }

  /** Nobody is told: who the others are is known, but not by which key they would believe it. */
  async #leaveStuck({ type, nodeId, error }: Stuck, force: boolean): Promise<void> {
    if (!force) throw type === "locked" ? lockedLeaves() : retiredLeaves(error);
    this.#stuck = null;
    await this.#place.vacate(this.#place.workerOf({ id: nodeId, hostname: hostname(), platform: { architecture: "", os: "" } }));
  }

  async backup(passphrase: string): Promise<AsyncIterable<Uint8Array>> {
    if (passphrase === "") throw new ClusterError("invalid_argument", "a backup needs a passphrase: it holds the cluster's keys and secrets");
    const { objects, index, term } = await this.#requireManager().snapshot();
    const clusterId = this.#running?.node.identity.identity.clusterId ?? "";
    return encodeBackup({ clusterId, createdAtMs: this.#place.clock.now(), index, term }, objects, passphrase);
  }

  restore(options: RestoreOptions): Promise<string> {
    return this.#change(async () => {
      this.#assertOutside();
      const backup = await openBackup(this.#place, options);
      return this.#place.orNothing(async () => {
        try {
          await this.#resume(await writeRestored(this.#place, backup), null);
          await this.#lead();
          await this.#running?.node.keysKept();
        } catch (cause) {
          await this.#stopRunning();
          throw cause;
        }
        return backup.nodeId;
      });
    });
  }

  localView(): StoreView | undefined {
    return this.manager?.store.view;
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
  async #foundAnew(asked: Pick<InitOptions, "listenAddress" | "advertiseAddress">): Promise<string> {
    if (this.#stuck !== null) throw new ClusterError("unavailable", this.#stuck.error);
    const node = this.#running?.node;
    const before = node?.state.member ?? null;
    if (node === undefined || before === null) throw notAManager(this.#running !== null);
    const movedTo = movedAddresses(node.state, asked, networkInterfaces());
    await this.#stopRunning();
    let { state } = node;
    try {
      state = await foundAnew(this.#place, node, { before, movedTo });
      await removeSwarmFolder(join(this.#place.folder, raftFolderOf(before)));
      this.#place.logger.warn({ ...state.member, before: before.incarnation }, "this manager founded the cluster anew, alone");
    } finally {
      await this.#resume(state, node.files.keys.unlockKey);
    }
    await this.#lead();
    return node.identity.nodeId;
  }

  /** Resolves once this node, which is alone in its group, leads. Throws what keeps it from being a manager. */
  async #lead(): Promise<void> {
    const node = this.#running?.node;
    if (node?.isRetired === true) throw new ClusterError("failed_precondition", node.error);
    await node?.manager?.led();
  }

  #requireManager(): ManagerRole {
    const { manager } = this;
    const node = this.#running?.node;
    if (manager !== null && node?.refusal) throw new ClusterError("unavailable", `This node is not a swarm manager: ${node.refusal}`);
    if (manager !== null) return manager;
    if (node?.isRetired) throw new ClusterError("unavailable", `This node is not a swarm manager: ${node.error}`);
    if (this.#stuck !== null) throw new ClusterError("unavailable", this.#stuck.error);
    throw notAManager(this.#running !== null);
  }

  /** Of the node that is stuck: its certificate is no secret. */
  async #certifiedId(): Promise<string> {
    try {
      const certificate = await IdentityFiles.certificateIn(this.#place.certificates.folder);
      return certificate === undefined ? "" : identityOf(certificate).nodeId;
    } catch (cause) {
      this.#place.logger.warn({ err: cause }, "this node's certificate cannot be read");
      return "";
    }
  }

  #assertOutside(): void {
    if (this.#running !== null || this.#stuck !== null) throw alreadyPart();
  }

  #run({ node, worker }: NodeParts): void {
    const stop = new AbortController();
    const ended = node.run(stop.signal).catch((cause: unknown) => {
      if (!stop.signal.aborted) this.#onFailure(cause);
    });
    this.#running = { node, worker, stop, ended };
    this.changes.look();
  }

  async #stopRunning(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.#running = null;
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
