import { join } from "node:path";
import type { Worker } from "../agent/worker.js";
import { aborted } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { deferred } from "../base/deferred.js";
import { ClusterError, isClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import { DirtySet } from "../base/dirty-set.js";
import type { Random } from "../base/random.js";
import type { NodeDescription } from "../model/objects.js";
import type { IdentityFiles } from "../pki/identity-files.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import { managerAt } from "../rpc/manager-at.js";
import type { SessionMessage } from "../wire/generated/dispatcher.js";
import { AddressKeeper } from "./address-keeper.js";
import { parseHostPort } from "./addresses.js";
import { AgentRole } from "./agent-role.js";
import { CertificateKeeper } from "./certificate-keeper.js";
import { joinAsMember, joinUnderNextLeader, leaveAsMember } from "./join-member.js";
import { KeyKeeper } from "./key-keeper.js";
import { ManagerRole, type ManagerStart } from "./manager-role.js";
import { recordsOfMember } from "./member-records.js";
import { PlaceKeeper } from "./place-keeper.js";
import { isSetAside, removeAside, setAside } from "./swarm-folder.js";
import { KeptSwarmState, raftFolderOf, type SwarmState } from "./swarm-state.js";

export interface ActiveNodeOptions {
  /** Holds `certificates/`, `raft/` and the state file; removed as a whole when the node leaves. */
  readonly folder: string;
  readonly files: IdentityFiles;
  readonly identity: LiveIdentity;
  readonly state: SwarmState;
  readonly worker: Worker;
  readonly describe: (identity: LiveIdentity) => NodeDescription;
  /** There is a manager now, another one than before. */
  readonly onManager: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Changes of role that failed are tried again after this long. */
const RETRY_MS = 1_000;

/**
 * This host as a node of a swarm: its identity, and the roles that follow from it. A manager's certificate makes it a member of the raft group and starts
 * the manager's parts; a worker's ends them. The agent runs in both.
 */
export class ActiveNode {
  readonly identity: LiveIdentity;
  readonly #options: ActiveNodeOptions;
  readonly #look = new DirtySet<"role" | "key">();
  readonly #state: KeptSwarmState;
  readonly #certificate: CertificateKeeper;
  readonly #agent: AgentRole;
  #manager: ManagerRole | null = null;
  /** Of the manager. */
  #keeper: KeyKeeper | null = null;
  /** What the manager last said of this node. */
  #told: SessionMessage | null = null;
  #error = "";
  /** Why there is no session with a manager. */
  #sessionError = "";
  /** Set while the last thing that was heard is a refusal: then `sessionError` is its text. */
  #isRefused = false;
  /** Why this node's part as a manager is over until the daemon is started again; empty when it is not. */
  #retired = "";
  readonly #failed = deferred<never>();

  constructor(options: ActiveNodeOptions) {
    const { folder, state, files, identity, clock, random, logger } = options;
    this.#options = options;
    this.#state = new KeptSwarmState(folder, state);
    this.identity = identity;
    this.#certificate = new CertificateKeeper({
      files,
      identity,
      manager: () => this.#manager,
      managers: () => this.#managersToAsk(),
      toldRoots: () => this.#told?.rootCertificate ?? "",
      clock,
      random,
      logger,
    });
    this.#agent = new AgentRole({
      identity: this.identity,
      worker: options.worker,
      incarnation: () => this.state.member?.incarnation ?? this.state.incarnation ?? "",
      managers: state.managers.map((manager) => manager.address),
      manager: () => this.#manager,
      address: () => parseHostPort(this.state.advertiseAddress).host,
      describe: () => this.#options.describe(this.identity),
      onMessage: (message) => this.#hear(message),
      onTrouble: (cause) => {
        const isRefused = isClusterError(cause, "permission_denied");
        if (this.#isRefused && !isRefused) return; // Who has no say any more asks on, and also hears of less.
        this.#isRefused = isRefused;
        this.#sessionError = messageOf(cause);
      },
      clock,
      random,
      logger,
    });
  }

  get manager(): ManagerRole | null {
    return this.#manager;
  }

  get state(): SwarmState {
    return this.#state.now;
  }

  get files(): IdentityFiles {
    return this.#options.files;
  }

  /** Why this node is not what it should be; empty when all is well. */
  get error(): string {
    // The cluster has no wishes for the keys of one that it removed.
    const keysError = this.#manager?.isRemoved === true ? "" : (this.#keeper?.error ?? "");
    return [this.#retired, this.#certificate.error, this.#error, keysError].filter((text) => text !== "").join("; ");
  }

  /** Why this node hears nothing of its managers, once that is no matter of an election any more; empty when it does. */
  get sessionError(): string {
    return this.#sessionError;
  }

  /** What a manager said when it refused this node, which is not part of the cluster any more: then this one's own manager has no say. Empty otherwise. */
  get refusal(): string {
    const hasSay = this.#manager !== null && !this.#manager.isRemoved && this.#manager.leaderAddress() !== "";
    return this.#isRefused && !hasSay ? this.#sessionError : "";
  }

  /** True for a manager whose member of the raft group cannot take part: this node goes on as a worker, and `error` says why. */
  get isRetired(): boolean {
    return this.#retired !== "";
  }

  get #raftFolder(): string {
    return join(this.#options.folder, raftFolderOf(this.state.member));
  }

  /** Opens log and server of a manager. To be awaited before `run`; throws what keeps them from opening. */
  async startManager(start: ManagerStart): Promise<ManagerRole> {
    const { files, clock, random, logger } = this.#options;
    const codec = await recordsOfMember(files, { isBeginning: start.type !== "resume" });
    const { listenAddress, advertiseAddress } = this.state;
    const currentAddress = () => this.state.advertiseAddress;
    const options = { identity: this.identity, dataDir: this.#raftFolder, codec, listenAddress, advertiseAddress, currentAddress, clock, random, logger };
    const manager = await ManagerRole.open({ ...options, start });
    this.#manager = manager;
    manager.onChange(() => this.#look.add("role"));
    manager.failure.catch((cause: unknown) => {
      if (isClusterError(cause)) this.#retire(cause);
      else this.#failed.reject(cause);
    });
    const { member } = this.state;
    if (member?.raftId !== manager.raftId || member.incarnation !== manager.incarnation) {
      await this.#state.replace({ ...this.state, member: { ...member, raftId: manager.raftId, incarnation: manager.incarnation } });
    }
    this.#keeper = new KeyKeeper({ files, codec, manager, clock, logger, onLocked: () => this.#look.add("key") });
    this.#keeper.start();
    this.#options.onManager();
    return manager;
  }

  /** Resolves when this manager's keys are on the disk as the cluster wants them: locked, or not. */
  async keysKept(): Promise<void> {
    await this.#keeper?.keep();
  }

  /** Starts the manager that this node was when it stopped, unless its place was about to be forgotten then. One whose disk is full, failing or damaged is retired. */
  async resumeManager(incarnation: string): Promise<void> {
    try {
      if (await isSetAside(this.#raftFolder)) return await this.#forgetPlace();
      await removeAside(this.#raftFolder);
      await this.startManager({ type: "resume", incarnation });
    } catch (cause) {
      if (!isClusterError(cause) && systemCodeOf(cause) === undefined) throw cause;
      this.#retire(cause);
    }
  }

  /** A member that cannot be sure of its disk vouches for nothing. The daemon stays up, so that somebody can ask it why; containers go on. */
  #retire(cause: unknown): void {
    this.#retired = messageOf(cause);
    this.#options.logger.error({ err: cause }, `this node is no manager until the daemon is started again: ${this.#retired}`);
    this.#look.add("role");
  }

  /** Settles when the signal aborted and everything stopped; rejects when a part failed for good. Containers go on. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    const own = { identity: this.identity, state: this.#state, manager: () => this.#manager, clock, logger };
    const [address, place] = [new AddressKeeper(own), new PlaceKeeper(own)];
    const stop = () => this.#look.close();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await Promise.all([
        this.#agent.run(signal),
        this.#keepRole(signal),
        this.#certificate.run(signal),
        address.run(signal),
        place.run(signal),
        this.#untilFailure(signal),
      ]);
    } finally {
      signal.removeEventListener("abort", stop);
      await this.#stopManager();
    }
  }

  /** Ends what `startManager` began, when `run` is not to follow. */
  async stop(): Promise<void> {
    await this.#stopManager();
  }

  #hear(message: SessionMessage): void {
    this.#told = message;
    this.#sessionError = "";
    this.#isRefused = false;
    const managers = message.managers.map(({ nodeId, address }) => ({ nodeId, address }));
    const before = this.state;
    const heard = { ...before, ...(managers.length === 0 ? {} : { managers }), ...(message.incarnation ? { incarnation: message.incarnation } : {}) };
    if (JSON.stringify(heard) !== JSON.stringify(before)) {
      this.#state.replace(heard).catch((cause: unknown) => this.#options.logger.error({ err: cause }, "what a manager said could not be saved"));
    }
    this.#look.add("role");
  }

  /**
   * Level-triggered: whatever was heard, the certificate is made to say the role that the cluster gave, of the authority that it has, and the parts follow the
   * certificate. A manager that was removed from the group need not be told: it asks what it is now.
   */
  async #keepRole(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    this.#look.add("role");
    for await (const reason of this.#look) {
      try {
        // Before anything that may fail: on a full disk a certificate can as little be saved as the log be written.
        if (this.isRetired) await this.#stopManager();
        if (reason === "key" || this.#manager?.isRemoved === true || !this.#isAsTold()) await this.#certificate.renew(signal);
        await this.#certificate.adoptRoots(signal);
        await this.#followCertificate(signal);
        this.#error = "";
      } catch (cause) {
        if (signal.aborted) return;
        this.#error = messageOf(cause);
        logger.warn({ err: cause, role: this.identity.identity.role }, "the change of role or certificate failed; trying again");
        this.#look.addLater(reason, clock, RETRY_MS);
      }
    }
  }

  /** False when the certificate is for another role than the manager said, or of another authority. */
  #isAsTold(): boolean {
    const { node, issuerKeyDigest } = this.#told ?? {};
    const { identity } = this;
    return (node?.role ?? identity.identity.role) === identity.identity.role && (issuerKeyDigest ?? identity.issuerKeyDigest) === identity.issuerKeyDigest;
  }

  /** host:port: this node's own manager first, while it has a say. */
  #managersToAsk(): readonly string[] {
    const { advertiseAddress, managers } = this.state;
    const own = this.#manager === null || this.#manager.isRemoved ? [] : [advertiseAddress];
    return [...own, ...managers.map(({ address }) => address).filter((address) => !own.includes(address))];
  }

  /**
   * Goes on with the manager at an address (host:port), where nothing that this node knows leads to one any more. Throws `unavailable` when no manager of this swarm
   * answers there, `invalid_argument` when it is this node; of a manager that knows nothing of the one there, what its leader answers.
   */
  async rejoin(address: string): Promise<void> {
    const { identity } = this;
    const nodeId = await managerAt(address, { identity, clock: this.#options.clock });
    if (nodeId === identity.nodeId) throw new ClusterError("invalid_argument", `${address} is this node itself: name another manager`);
    const manager = this.#manager;
    if (manager !== null && !manager.meet({ nodeId, address })) await this.#reportTo(address, manager);
    const { managers } = this.state;
    await this.#state.replace({ ...this.state, managers: [{ nodeId, address }, ...managers.filter((manager) => manager.nodeId !== nodeId)] });
    this.#agent.learn(this.state.managers);
  }

  /** The group went on while this member was off, with others than it knows: their leader hears where this one is, and says whether it still has its place. */
  async #reportTo(address: string, manager: ManagerRole): Promise<void> {
    const { incarnation, raftId } = manager;
    const place = await joinAsMember({ ...this.#membership(new AbortController().signal), addresses: [address], incarnation });
    if (place.type === "join" && place.raftId !== raftId) manager.losePlace();
  }

  /** Takes a place in the raft group. Asking again is safe. */
  async becomeMember(signal: AbortSignal): Promise<ManagerRole> {
    return this.startManager(await joinUnderNextLeader(this.#membership(signal)));
  }

  /** Gives the place back when it came to nothing: a member that never answers would count when others are removed. */
  async withdrawMember(signal: AbortSignal): Promise<void> {
    await leaveAsMember(this.#membership(signal));
  }

  #membership(signal: AbortSignal) {
    const { managers, advertiseAddress } = this.state;
    return { addresses: managers.map(({ address }) => address), identity: this.identity, advertiseAddress, clock: this.#options.clock, signal };
  }

  async #followCertificate(signal: AbortSignal): Promise<void> {
    const { role } = this.identity.identity;
    const isOver = role === "worker" ? this.#manager !== null || this.isRetired : this.#manager?.isRemoved === true;
    if (isOver) {
      await this.#stopManager();
      await this.#forgetPlace();
    }
    if (role === "manager" && this.#manager === null && !this.isRetired) await this.becomeMember(signal);
  }

  /** The log first, as a whole: by what is left of it, the next start goes on where a crash came in between. A part of a log would be a damaged one, and one that is missing, lost. */
  async #forgetPlace(): Promise<void> {
    const log = this.#raftFolder;
    const isWorker = this.identity.identity.role === "worker";
    await setAside(log);
    await this.#options.files.change((keys) => ({ ...keys, dataKeys: [], unlockKey: isWorker ? null : keys.unlockKey }));
    this.#retired = "";
    await this.#state.replace({ ...this.state, member: null });
    await removeAside(log);
  }

  /** What no part handles: the daemon has to be started again. */
  async #untilFailure(signal: AbortSignal): Promise<void> {
    await Promise.race([aborted(signal), this.#failed.promise]);
  }

  async #stopManager(): Promise<void> {
    const [manager, keeper] = [this.#manager, this.#keeper];
    this.#manager = null;
    this.#keeper = null;
    const kept = keeper?.stop(); // It may be waiting for the manager, which is waited for here.
    await manager?.[Symbol.asyncDispose]();
    await kept;
  }
}
