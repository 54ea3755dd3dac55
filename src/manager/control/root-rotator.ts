import { Backoff } from "../../base/backoff.js";
import type { Clock } from "../../base/clock.js";
import { isClusterError } from "../../base/errors.js";
import type { Logger } from "../../base/log.js";
import type { Random } from "../../base/random.js";
import type { Node, RootCa } from "../../model/objects.js";
import { authorityDigest, authorityOf } from "../../pki/authority.js";
import { finishedRotation } from "../../pki/root-rotation.js";
import { wantedTlsInfo } from "../../pki/tls-info.js";
import type { Store } from "../../store/store.js";
import type { StoreEvent } from "../../store/view.js";
import { isLeadershipLost } from "../leadership.js";
import { PassLoop } from "../pass-loop.js";

/** Who shall renew now, told through the nodes' sessions. */
export interface RenewalBell {
  askToRenew(nodeIds: ReadonlySet<string>, issuerKeyDigest: string): void;
}

/** So many nodes renew at a time (swarmkit: ca/reconciler.go). */
const AT_A_TIME = 30;
/** A node that has not managed after this long does not keep others waiting. */
const PATIENCE_MS = 10_000;

/** Nodes, by id, whose certificate is not of the authority that it is to be of, as far as they said. Pure. */
export function unconverged(nodes: Iterable<Node>, rootCa: RootCa): readonly Node[] {
  const wanted = wantedTlsInfo(rootCa);
  const isOfAuthority = ({ description }: Node) =>
    description?.tlsInfo != null && Buffer.from(wanted.certIssuerPublicKey).equals(description.tlsInfo.certIssuerPublicKey);
  return [...nodes].filter((node) => !isOfAuthority(node)).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Which of them to ask now, beside those that were asked (id to time). Pure. */
export function planRenewals(nodes: readonly Node[], asked: ReadonlyMap<string, number>, nowMs: number): readonly string[] {
  const underWay = nodes.filter(({ id }) => nowMs - (asked.get(id) ?? Number.NEGATIVE_INFINITY) < PATIENCE_MS).length;
  const waiting = nodes.filter((node) => !asked.has(node.id) && node.status?.state === "ready" && node.description?.tlsInfo != null);
  return waiting.slice(0, Math.max(AT_A_TIME - underWay, 0)).map((node) => node.id);
}

/**
 * Brings every node to a certificate of the cluster's present authority, and drops the old root when the last one has it. A node that is down keeps the rotation
 * waiting: without it, it could not come back. Everything but who was asked already is in the store, so that another leader goes on.
 */
export class RootRotator {
  readonly #options: { readonly store: Store; readonly clock: Clock; readonly logger: Logger; readonly bell: RenewalBell };
  readonly #backoff: Backoff;
  readonly #asked = new Map<string, number>();
  #authority = "";

  constructor(options: {
    readonly store: Store;
    readonly clock: Clock;
    readonly random: Random;
    readonly logger: Logger;
    readonly bell: RenewalBell;
  }) {
    this.#options = options;
    this.#backoff = new Backoff({ firstMs: 250, maxMs: 8_000, random: options.random });
  }

  /** Runs until the signal aborts or leadership is lost. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, clock, logger } = this.#options;
    const loop = new PassLoop();
    let cancelNext: () => void = () => undefined;
    const stop = store.watch((events) => {
      if (events.some(isOfInterest)) loop.ask();
    });
    try {
      await loop.run(async () => {
        cancelNext();
        const nextMs = await this.#pass();
        if (nextMs !== null) cancelNext = clock.after(nextMs, () => loop.ask());
      }, signal);
    } catch (cause) {
      if (!isLeadershipLost(cause)) throw cause;
      logger.info({ err: cause }, "root rotator ends: leadership was lost");
    } finally {
      cancelNext();
      stop();
    }
  }

  /** When to look again whatever happens; null when there is nothing to wait for. */
  async #pass(): Promise<number | null> {
    const { store, bell, clock } = this.#options;
    const rootCa = store.view.cluster?.rootCa ?? null;
    if (rootCa === null) return null;
    const authority = authorityDigest(authorityOf(rootCa).certificate);
    if (authority !== this.#authority) this.#asked.clear();
    this.#authority = authority;
    const left = unconverged(store.view.nodes.all(), rootCa);
    for (const id of this.#asked.keys()) if (!left.some((node) => node.id === id)) this.#asked.delete(id);
    for (const id of planRenewals(left, this.#asked, clock.monotonic())) this.#asked.set(id, clock.monotonic());
    bell.askToRenew(new Set(this.#asked.keys()), authority);
    if (rootCa.rotation !== null && left.length === 0) return await this.#finish(rootCa);
    return left.some((node) => node.status?.state === "ready" && !this.#asked.has(node.id)) ? PATIENCE_MS : null;
  }

  async #finish(seen: RootCa): Promise<number | null> {
    const { store, logger } = this.#options;
    let isFinished = false;
    try {
      await store.update((tx) => {
        const { cluster } = tx;
        isFinished = cluster?.rootCa?.rotation?.certificate === seen.rotation?.certificate;
        if (cluster === undefined || cluster.rootCa === null || !isFinished || unconverged(tx.nodes.all(), cluster.rootCa).length > 0) {
          isFinished = false;
          return;
        }
        tx.update("cluster", { ...cluster, rootCa: finishedRotation(cluster.rootCa) });
      });
    } catch (cause) {
      if (!isClusterError(cause) || isLeadershipLost(cause)) throw cause;
      logger.warn({ err: cause }, "the old root could not be dropped; trying again");
      return this.#backoff.nextMs();
    }
    this.#backoff.reset();
    if (isFinished)
      logger.info({ root: this.#authority }, "the root certificate was rotated: every node has a certificate of the new root, and the old one is dropped");
    return null;
  }
}

function isOfInterest(event: StoreEvent): boolean {
  if (event.kind === "cluster") return event.action !== "update" || event.object.rootCa !== event.previous.rootCa;
  if (event.kind !== "node") return false;
  if (event.action !== "update") return true;
  return event.object.description !== event.previous.description || event.object.status?.state !== event.previous.status?.state;
}
