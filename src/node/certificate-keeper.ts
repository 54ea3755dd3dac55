import { type Clock, pause } from "../base/clock.js";
import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import { Turns } from "../base/turns.js";
import { flawOfDates, identityOf, isValidAt } from "../pki/identity.js";
import type { IdentityFiles, NodeCredentials } from "../pki/identity-files.js";
import { planRenewal } from "../pki/renewal.js";
import { certificatesIn, chainIn, trustedIssuer } from "../pki/trust.js";
import { renewCertificate, renewLate } from "../rpc/join.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import type { ManagerRole } from "./manager-role.js";
import { reissueOwn } from "./own-reissue.js";

export interface CertificateKeeperOptions {
  readonly files: IdentityFiles;
  readonly identity: LiveIdentity;
  /** This node's own manager role, while it has one. */
  readonly manager: () => Pick<ManagerRole, "store" | "hasRecalled"> | null;
  /** host:port of managers, in the order in which they are to be asked. */
  readonly managers: () => readonly string[];
  /** The roots to trust, as a manager said last; empty while none did. */
  readonly toldRoots: () => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** After a renewal that failed, which has days left. */
const RETRY_MS = 60_000;
/** The same for a certificate that is outside its validity: until one succeeds, this node is nobody. */
const LATE_RETRY_MS = 2_000;
/** Between two looks whether the own copy of the state is what it was before the stop. */
const RECALL_LOOK_MS = 50;
/** Between two looks at the clock while a renewal is not due. */
const LOOK_MS = 60_000;

/** Keeps a node's certificate valid, and replaces it with the roots that it trusts when it is told to: on the disk first, then in use. */
export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;
  /** One change at a time: an answer that was overtaken would bring back what was replaced. */
  readonly #turns = new Turns();
  /** What the last renewal met at its time; "" when it came about. */
  #failure = "";
  #plan: { readonly certificate: string; readonly dueMs: number } | null = null;

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
  }

  /** Why this node is nobody to the managers: its certificate is outside its validity, and cannot be renewed. Empty otherwise. */
  get error(): string {
    const flaw = flawOfDates(this.#options.identity.identity, this.#options.clock.now());
    return flaw === "" || this.#failure === "" ? "" : `this node's certificate ${flaw}, and cannot be renewed: ${this.#failure}`;
  }

  /** Renews it at its time, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { identity, clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#untilRenewal(signal);
        if (signal.aborted) return;
        await this.renew(signal);
        this.#failure = "";
        if (!this.#isCertified()) {
          logger.warn({ notBeforeMs: identity.identity.notBeforeMs }, "the new certificate does not seem valid either: this host's clock is wrong");
        }
        // Never at once again, however little of its life the new one has left.
        await pause(clock, RETRY_MS, signal);
      } catch (cause) {
        if (signal.aborted) return;
        this.#failure = messageOf(cause);
        logger.warn({ err: cause, expiresAtMs: identity.identity.expiresAtMs }, "the certificate could not be renewed; trying again");
        await pause(clock, this.#isCertified() ? RETRY_MS : LATE_RETRY_MS, signal);
      }
    }
  }

  /** Asks a manager for a certificate: the present role, of the present authority, by what the store says now. Throws what the managers answered. */
  renew(signal: AbortSignal): Promise<void> {
    return this.#turns.take(() => this.#renewNow(signal));
  }

  /** Trusts the roots that a manager named last. A certificate that none of them issued is replaced first: without it, this node would be nobody. Throws as `renew`. */
  adoptRoots(signal: AbortSignal): Promise<void> {
    return this.#turns.take(async () => {
      const { credentials } = this.#options.identity;
      const rootCertificate = this.#options.toldRoots() || credentials.rootCertificate;
      if (rootCertificate === credentials.rootCertificate) return;
      if (trustedIssuer(chainIn(credentials.certificate), certificatesIn(rootCertificate)) === null) return this.#renewNow(signal);
      await this.#certify({ ...credentials, rootCertificate });
      this.#options.logger.info({ roots: certificatesIn(rootCertificate).length }, "the roots to trust were replaced");
    });
  }

  async #renewNow(signal: AbortSignal): Promise<void> {
    if (await this.#reissue(signal)) return;
    const { identity, logger } = this.#options;
    let failure: unknown = new ClusterError("unavailable", "no manager is known");
    for (const address of this.#options.managers()) {
      try {
        await this.#certify(await this.#askedOf(address, signal));
        logger.info({ role: identity.identity.role, manager: address }, "certificate renewed");
        return;
      } catch (cause) {
        // That this node is refused says more than that another manager cannot be reached.
        if (!isClusterError(failure, "permission_denied")) failure = cause;
      }
    }
    throw failure;
  }

  /**
   * A manager past its certificate makes itself a new one; false when this node cannot or need not. By what it knew last: an older copy may name a root that was replaced
   * since, and managers with certificates of different roots never agree on a leader.
   */
  async #reissue(signal: AbortSignal): Promise<boolean> {
    const { identity, clock, logger } = this.#options;
    if (this.#isCertified()) return false;
    while (this.#options.manager()?.hasRecalled === false) await clock.sleep(RECALL_LOOK_MS, signal);
    const manager = this.#options.manager();
    if (manager === null) return false;
    const reissued = reissueOwn(manager.store.view, identity.credentials, clock.now());
    if (reissued === null) return false;
    await this.#certify(reissued);
    logger.warn({ expiresAtMs: identity.identity.expiresAtMs }, "this manager's certificate was outside its validity; it issued itself a new one");
    return true;
  }

  async #askedOf(address: string, signal: AbortSignal): Promise<NodeCredentials> {
    const { files, identity, clock } = this.#options;
    // On the disk before anybody is asked: should the answer be lost, only who asks for the same key again is believed.
    const asked = { address, clock, identity, signal, key: await files.pendingKey() };
    return this.#isCertified() ? renewCertificate(asked) : renewLate(asked);
  }

  async #certify(credentials: NodeCredentials): Promise<void> {
    const isWorker = identityOf(credentials.certificate).role === "worker";
    await this.#options.files.replace(credentials, { isWorker });
    this.#options.identity.replace(credentials);
  }

  /** False for a node that was off too long, or whose clock is wrong. */
  #isCertified(): boolean {
    return isValidAt(this.#options.identity.identity, this.#options.clock.now());
  }

  /**
   * Waits until the clock says that it is time, or that the certificate is outside its validity. The clock is looked at again and again: it may be set meanwhile, timers
   * stand still while a machine sleeps, and none lasts for the weeks until then.
   */
  async #untilRenewal(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted && this.#isCertified() && clock.now() < this.#dueMs()) await pause(clock, Math.min(this.#dueMs() - clock.now(), LOOK_MS), signal);
  }

  /** Drawn once for each certificate, whatever it was replaced for: a renewal that failed stays due. */
  #dueMs(): number {
    const { identity, random } = this.#options;
    const { certificate } = identity.credentials;
    if (this.#plan?.certificate !== certificate) this.#plan = { certificate, dueMs: planRenewal(identity.identity, random) };
    return this.#plan.dueMs;
  }
}
