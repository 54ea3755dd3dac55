import { rm } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Worker } from "../agent/worker.js";
import type { Clock } from "../base/clock.js";
import { deferred } from "../base/deferred.js";
import { isClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import { DirtySet } from "../base/queue.js";
import type { Random } from "../base/random.js";
import type { NodeDescription } from "../model/objects.js";
import { identityOf, isValidAt } from "../pki/identity.js";
import type { IdentityFiles, NodeCredentials } from "../pki/identity-files.js";
import { certificatesIn, chainIn, trustedIssuer } from "../pki/trust.js";
import { planRenewal } from "../pki/renewal.js";
import { renewCertificate, renewLate } from "../rpc/join.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import type { SessionMessage } from "../wire/generated/dispatcher.js";
import { parseHostPort } from "./addresses.js";
import { AgentRole } from "./agent-role.js";
import { joinAsMember, leaveAsMember } from "./join-member.js";
import { KeyKeeper } from "./key-keeper.js";
import { ManagerRole, type ManagerStart } from "./manager-role.js";
import { recordsOfMember } from "./member-records.js";
import { reissueOwn } from "./own-reissue.js";
import { ownAddress } from "./own-address.js";
import { RAFT_FOLDER, type SwarmState, saveSwarmState } from "./swarm-state.js";

export interface ActiveNodeOptions {
  /** Holds `certificates/`, `raft/` and the state file; removed as a whole when the node leaves. */
  readonly folder: string;
  readonly files: IdentityFiles;
  readonly identity: LiveIdentity;
  readonly state: SwarmState;
  readonly worker: Worker;
  readonly describe: (identity: LiveIdentity) => NodeDescription;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How often this host's addresses are looked at. */
const ADDRESS_PERIOD_MS = 2_000;
/** Changes of role that failed are tried again after this long. */
const RETRY_MS = 1_000;
/** Renewals, which have days left. */
const RENEWAL_RETRY_MS = 60_000;
/** Renewals of a certificate that is outside its validity: until one succeeds, this node is nobody. */
const LATE_RETRY_MS = 2_000;

/**
 * This host as a node of a swarm: its identity, and the roles that follow from it. A manager's certificate makes it a member of the raft group and starts
 * the manager's parts; a worker's ends them. The agent runs in both.
 */
export class ActiveNode {
  readonly identity: LiveIdentity;
  readonly #options: ActiveNodeOptions;
  readonly #look = new DirtySet<"role" | "key">();
  #state: SwarmState;
  #manager: ManagerRole | null = null;
  /** Of the manager. */
  #keeper: KeyKeeper | null = null;
  /** What the manager last said of this node. */
  #told: SessionMessage | null = null;
  #error = "";
  /** Why this node's part as a manager is over until the daemon is started again; empty when it is not. */
  #retired = "";
  readonly #failed = deferred<never>();
  #identityChange: Promise<void> = Promise.resolve();

  constructor(options: ActiveNodeOptions) {
    this.#options = options;
    this.#state = options.state;
    this.identity = options.identity;
  }

  get manager(): ManagerRole | null {
    return this.#manager;
  }

  get state(): SwarmState {
    return this.#state;
  }

  get files(): IdentityFiles {
    return this.#options.files;
  }

  /** Why this node is not what it should be; empty when all is well. */
  get error(): string {
    return this.#retired || this.#error;
  }

  /** True for a manager whose member of the raft group cannot take part: this node goes on as a worker, and `error` says why. */
  get isRetired(): boolean {
    return this.#retired !== "";
  }

  get #raftFolder(): string {
    return join(this.#options.folder, this.#state.member?.raftFolder ?? RAFT_FOLDER);
  }

  /** Opens log and server of a manager. To be awaited before `run`; throws what keeps them from opening. */
  async startManager(start: ManagerStart): Promise<ManagerRole> {
    const { files, clock, random, logger } = this.#options;
    const codec = await recordsOfMember(files, { isBeginning: start.type !== "resume" });
    const options = { identity: this.identity, dataDir: this.#raftFolder, codec, listenAddress: this.#state.listenAddress, clock, random, logger };
    const manager = await ManagerRole.open({ ...options, advertiseAddress: this.#state.advertiseAddress, start });
    this.#manager = manager;
    manager.onChange(() => this.#look.add("role"));
    manager.failure.catch((cause: unknown) => {
      if (isClusterError(cause)) this.#retire(cause);
      else this.#failed.reject(cause);
    });
    const { member } = this.#state;
    if (member?.raftId !== manager.raftId || member.incarnation !== manager.incarnation) {
      await this.#save({ ...this.#state, member: { ...member, raftId: manager.raftId, incarnation: manager.incarnation } });
    }
    this.#keeper = new KeyKeeper({ files, codec, manager, clock, logger, onLocked: () => this.#look.add("key") });
    this.#keeper.start();
    return manager;
  }

  /** Resolves when this manager's keys are on the disk as the cluster wants them: locked, or not. */
  async keysKept(): Promise<void> {
    await this.#keeper?.keep();
  }

  /** Starts the manager that this node was when it stopped. One whose disk is full, failing or damaged is retired. */
  async resumeManager(incarnation: string): Promise<void> {
    try {
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
    const { worker, clock, random, logger } = this.#options;
    const agent = new AgentRole({
      identity: this.identity,
      worker,
      incarnation: () => this.#state.member?.incarnation ?? this.#state.incarnation ?? "",
      managers: this.#state.managers.map((manager) => manager.address),
      manager: () => this.#manager,
      address: () => parseHostPort(this.#state.advertiseAddress).host,
      describe: () => this.#options.describe(this.identity),
      onMessage: (message) => this.#hear(message),
      clock,
      random,
      logger,
    });
    const stop = () => this.#look.close();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await Promise.all([agent.run(signal), this.#keepRole(signal), this.#keepCertificate(signal), this.#keepAddress(signal), this.#untilFailure(signal)]);
    } finally {
      signal.removeEventListener("abort", stop);
      await this.#stopManager();
    }
  }

  /** Ends what `startManager` began, when `run` is not to follow. */
  async stop(): Promise<void> {
    await this.#stopManager();
  }

  /** One change of the identity at a time: an answer that was overtaken would bring back what was replaced. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#identityChange.then(change);
    this.#identityChange = turn.catch(() => undefined); // Whoever asked for it hears of it.
    return turn;
  }

  /** Asks a manager for a certificate: the present role, of the present authority, by what the store says now. */
  #renew(signal: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#renewNow(signal));
  }

  async #renewNow(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    const reissued = this.#isCertified() || this.#manager === null ? null : reissueOwn(this.#manager.store.view, this.identity.credentials, clock.now());
    if (reissued !== null) {
      await this.#certify(reissued);
      logger.warn({ expiresAtMs: this.identity.identity.expiresAtMs }, "this manager's certificate was outside its validity; it issued itself a new one");
      return;
    }
    const own = this.#manager === null || this.#manager.isRemoved ? [] : [this.#state.advertiseAddress];
    let failure: unknown;
    for (const address of [...own, ...this.#state.managers.map((manager) => manager.address).filter((address) => !own.includes(address))]) {
      try {
        const dial = { address, clock, identity: this.identity, signal };
        // On the disk before anybody is asked: should the answer be lost, only who asks for the same key again is believed.
        const asked = { ...dial, key: await this.#options.files.pendingKey() };
        const credentials = await (this.#isCertified() ? renewCertificate(asked) : renewLate(asked));
        await this.#certify(credentials);
        logger.info({ role: this.identity.identity.role, manager: address }, "certificate renewed");
        return;
      } catch (cause) {
        // That this node is refused says more than that another manager cannot be reached.
        if (!isClusterError(failure, "permission_denied")) failure = cause;
      }
    }
    throw failure;
  }

  /** Trusts the roots that the manager named last. A certificate that none of them issued is replaced first: without it, this node would be nobody. */
  #adoptRoots(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const rootCertificate = this.#told?.rootCertificate || this.identity.credentials.rootCertificate;
      const { credentials } = this.identity;
      if (rootCertificate === credentials.rootCertificate) return;
      if (trustedIssuer(chainIn(credentials.certificate), certificatesIn(rootCertificate)) === null) return this.#renewNow(signal);
      await this.#certify({ ...credentials, rootCertificate });
      this.#options.logger.info({ roots: certificatesIn(rootCertificate).length }, "the roots to trust were replaced");
    });
  }

  async #certify(credentials: NodeCredentials): Promise<void> {
    const isWorker = identityOf(credentials.certificate).role === "worker";
    await this.#options.files.replace(credentials, { isWorker });
    this.identity.replace(credentials);
  }

  /** False for a node that was off too long, or whose clock is wrong. */
  #isCertified(): boolean {
    return isValidAt(this.identity.identity, this.#options.clock.now());
  }

  #hear(message: SessionMessage): void {
    this.#told = message;
    const managers = message.managers.map(({ nodeId, address }) => ({ nodeId, address }));
    const heard = { ...this.#state, ...(managers.length === 0 ? {} : { managers }), ...(message.incarnation ? { incarnation: message.incarnation } : {}) };
    if (JSON.stringify(heard) !== JSON.stringify(this.#state)) {
      this.#save(heard).catch((cause: unknown) => this.#options.logger.error({ err: cause }, "what a manager said could not be saved"));
    }
    this.#look.add("role");
  }

  /**
   * Level-triggered: whatever was heard, the certificate is made to say the role that the cluster gave, of the authority that it has, and the parts follow the
   * certificate. A manager
   * that was removed from the group need not be told: it asks what it is now.
   */
  async #keepRole(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    this.#look.add("role");
    for await (const reason of this.#look) {
      try {
        if (reason === "key" || this.#manager?.isRemoved === true || !this.#isAsTold()) await this.#renew(signal);
        await this.#adoptRoots(signal);
        await this.#followCertificate(signal);
        this.#error = "";
      } catch (cause) {
        if (signal.aborted) return;
        this.#error = messageOf(cause);
        logger.warn({ err: cause, role: this.identity.identity.role }, "the change of role or certificate failed; trying again");
        clock.after(RETRY_MS, () => this.#look.add(reason));
      }
    }
  }

  /** False when the certificate is for another role than the manager said, or of another authority. */
  #isAsTold(): boolean {
    const { node, issuerKeyDigest } = this.#told ?? {};
    const { identity } = this;
    return (node?.role ?? identity.identity.role) === identity.identity.role && (issuerKeyDigest ?? identity.issuerKeyDigest) === identity.issuerKeyDigest;
  }

  /** Takes a place in the raft group. Asking again is safe. */
  async becomeMember(signal: AbortSignal): Promise<ManagerRole> {
    const addresses = this.#state.managers.map((manager) => manager.address);
    const start = await joinAsMember({
      addresses,
      identity: this.identity,
      advertiseAddress: this.#state.advertiseAddress,
      clock: this.#options.clock,
      signal,
    });
    return this.startManager(start);
  }

  /** Gives the place back when it came to nothing: a member that never answers would count when others are removed. */
  async withdrawMember(signal: AbortSignal): Promise<void> {
    const addresses = this.#state.managers.map((manager) => manager.address);
    await leaveAsMember({ addresses, identity: this.identity, advertiseAddress: this.#state.advertiseAddress, clock: this.#options.clock, signal });
  }

  /** Level-triggered: when this host has another address, whoever leads is told, by this node itself, until the members of the group have it. */
  async #keepAddress(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    let lastReason = "";
    while (!signal.aborted) {
      try {
        const now = ownAddress(this.#state, networkInterfaces());
        if (now.advertiseAddress !== this.#state.advertiseAddress || now.advertiseInterface !== this.#state.advertiseInterface) {
          logger.info({ before: this.#state.advertiseAddress, ...now }, "this host's own address");
          await this.#save({ ...this.#state, ...now });
        }
        await this.#reportAddress(signal);
        lastReason = "";
      } catch (cause) {
        if (signal.aborted) return;
        if (messageOf(cause) !== lastReason) logger.warn({ err: cause }, "the other managers could not be told this manager's new address yet");
        lastReason = messageOf(cause);
      }
      await untilAborted(clock.sleep(ADDRESS_PERIOD_MS, signal));
    }
  }

  async #reportAddress(signal: AbortSignal): Promise<void> {
    const manager = this.#manager;
    const { nodeId } = this.identity;
    const { advertiseAddress } = this.#state;
    const members = manager?.members() ?? [];
    const known = members.find((member) => member.nodeId === nodeId);
    if (manager === null || manager.isRemoved || known === undefined || known.address === advertiseAddress) return;
    this.#options.logger.info({ before: known.address, advertiseAddress }, "telling the other managers this manager's new address");
    const leading = manager.leading();
    if (leading !== null) {
      await leading.control.execute({ type: "joinMember", joinMember: { nodeId, address: advertiseAddress } });
      return;
    }
    const others = [...members, ...this.#state.managers].filter((member) => member.nodeId !== nodeId).map(({ address }) => address);
    await joinAsMember({ addresses: [...new Set(others)], identity: this.identity, advertiseAddress, clock: this.#options.clock, signal });
  }

  async #followCertificate(signal: AbortSignal): Promise<void> {
    const { role } = this.identity.identity;
    if (this.isRetired) await this.#stopManager();
    const isOver = role === "worker" ? this.#manager !== null || this.isRetired : this.#manager?.isRemoved === true;
    if (isOver) {
      await this.#stopManager();
      await rm(this.#raftFolder, { recursive: true, force: true });
      await this.#options.files.change((keys) => ({ ...keys, dataKeys: [], unlockKey: role === "worker" ? null : keys.unlockKey }));
      this.#retired = "";
      await this.#save({ ...this.#state, member: null });
    }
    if (role === "manager" && this.#manager === null && !this.isRetired) await this.becomeMember(signal);
  }

  async #keepCertificate(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    while (!signal.aborted) {
      const isLate = !this.#isCertified();
      const dueMs = isLate ? 0 : planRenewal(this.identity.identity, random) - clock.now();
      try {
        await this.#untilRenewal(dueMs, signal);
        if (signal.aborted) return;
        await this.#renew(signal);
        if (this.#isCertified()) continue;
        logger.warn({ notBeforeMs: this.identity.identity.notBeforeMs }, "the new certificate does not seem valid either: this host's clock is wrong");
      } catch (cause) {
        if (signal.aborted) return;
        logger.warn({ err: cause, expiresAtMs: this.identity.identity.expiresAtMs }, "the certificate could not be renewed; trying again");
        if (isLate) {
          await untilAborted(clock.sleep(LATE_RETRY_MS, signal));
          continue;
        }
      }
      await untilAborted(clock.sleep(RENEWAL_RETRY_MS, signal));
    }
  }

  /** Waits for the time, or for a certificate that was replaced for another reason and has a time of its own. */
  async #untilRenewal(dueMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const replaced = new AbortController();
    const stop = this.identity.onReplace(() => replaced.abort());
    try {
      await untilAborted(clock.sleep(dueMs, AbortSignal.any([signal, replaced.signal])));
      if (replaced.signal.aborted) await this.#untilRenewal(planRenewal(this.identity.identity, this.#options.random) - clock.now(), signal);
    } finally {
      stop();
    }
  }

  /** What no part handles: the daemon has to be started again. */
  async #untilFailure(signal: AbortSignal): Promise<void> {
    const over = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    if (!signal.aborted) await Promise.race([over, this.#failed.promise]);
  }

  async #stopManager(): Promise<void> {
    const [manager, keeper] = [this.#manager, this.#keeper];
    this.#manager = null;
    this.#keeper = null;
    const kept = keeper?.stop(); // It may be waiting for the manager, which is waited for here.
    await manager?.[Symbol.asyncDispose]();
    await kept;
  }

  async #save(state: SwarmState): Promise<void> {
    this.#state = state;
    await saveSwarmState(this.#options.folder, state);
  }
}

/** A sleep that was cut short is no failure. */
async function untilAborted(sleep: Promise<void>): Promise<void> {
  try {
    await sleep;
  } catch (cause) {
    if (isClusterError(cause)) throw cause;
  }
}
