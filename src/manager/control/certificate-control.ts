import type { Clock } from "../../base/clock.js";
import { ClusterError, isClusterError } from "../../base/errors.js";
import { newId } from "../../base/ids.js";
import { DEFAULT_CLUSTER_SPEC, msOf } from "../../model/defaults.js";
import type { Cluster, Node, NodeAvailability, NodeRole, RootCa } from "../../model/objects.js";
import { authorityOf, issueBy, trustBundle } from "../../pki/authority.js";
import type { ExternalSigner } from "../../pki/cfssl-client.js";
import { publicKeyOfCsr } from "../../pki/csr.js";
import { externalCasOf, signExternally } from "../../pki/external-authority.js";
import { identityOf } from "../../pki/identity.js";
import { isSameToken, parseJoinToken } from "../../pki/join-token.js";
import { publicKeyDigest } from "../../pki/keys.js";
import type { Store } from "../../store/store.js";
import type { IssueCertificateReply } from "../../wire/generated/ca.js";
import type { ControlReply, IssueCertificate } from "../../wire/generated/control.js";

/** Gives nodes their identity: a token makes a new node, a valid certificate renews that of its own node. */
export class CertificateControl {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #signer: ExternalSigner;

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly signer: ExternalSigner }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#signer = options.signer;
  }

  /**
   * Throws ClusterError `invalid_argument` for a token that is wrong or of another cluster, or a malformed request; `permission_denied` for a
   * renewal by a node that is not in the cluster any more, or a late one by a certificate that is not the node's last; `failed_precondition` when an external
   * authority is to sign, and does not. Nothing is written then.
   */
  async issue(asked: IssueCertificate): Promise<ControlReply> {
    for (;;) {
      const reply = await this.#tryIssue(asked);
      if (reply !== null) return { type: "issueCertificate", issueCertificate: reply };
    }
  }

  /** Null when the authority or the node's role changed meanwhile: what was signed is of no use then. */
  async #tryIssue({ request, callerNodeId, callerAddress, lateKeyDigest }: IssueCertificate): Promise<IssueCertificateReply | null> {
    if (request === null) throw new ClusterError("invalid_argument", "certificate request must be given");
    const cluster = this.#store.view.cluster;
    if (cluster === undefined || cluster.rootCa === null) throw new ClusterError("unavailable", "the cluster has no certificate authority yet");
    const { rootCa } = cluster;
    const digest = publicKeyDigest(publicKeyOfCsr(request.csr));
    const node = callerNodeId === "" ? this.#joining(rootCa, { ...request, callerAddress, digest }) : this.#renewing(callerNodeId);
    if (lateKeyDigest !== undefined) assertLastKey(node, lateKeyDigest, digest);
    const certificate = await this.#sign(cluster, rootCa, node, request.csr);
    const { expiresAtMs, notBeforeMs } = identityOf(certificate);
    const issued = { publicKeyDigest: digest, certificateExpiresAtMs: expiresAtMs, certificateNotBeforeMs: notBeforeMs };
    let isOfUse = true;
    await this.#store.update((tx) => {
      const now = tx.cluster?.rootCa ?? rootCa;
      const current = tx.nodes.get(node.id);
      isOfUse = trustBundle(now) === trustBundle(rootCa) && (current === undefined || current.role === node.role);
      // An external authority may take its time, and a token that was rotated meanwhile lets nobody in.
      if (isOfUse && callerNodeId === "" && roleOfToken(now, request.token) !== node.role) throw badToken();
      if (!isOfUse) return;
      if (current === undefined && callerNodeId !== "") throw unknownNode(callerNodeId);
      if (current !== undefined && lateKeyDigest !== undefined) assertLastKey(current, lateKeyDigest, digest);
      if (current === undefined) tx.create("node", { ...node, ...issued });
      else tx.update("node", { ...current, ...issued });
    });
    return isOfUse ? { nodeId: node.id, role: node.role, certificate, rootCertificate: trustBundle(rootCa) } : null;
  }

  /** By the external authorities for the root, where there are some; otherwise by the cluster's own key. */
  async #sign(cluster: Cluster, rootCa: RootCa, node: Node, csr: string): Promise<string> {
    const authority = authorityOf(rootCa);
    const request = { csr, nodeId: node.id, role: node.role, clusterId: cluster.id, nowMs: this.#clock.now() };
    const external = externalCasOf(cluster.spec, rootCa, authority.certificate);
    if (external.length > 0) {
      const roots = { root: authority.certificate, trusted: trustBundle(rootCa) };
      return (await signExternally(this.#signer, external, { ...request, ...roots })) + authority.crossSigned;
    }
    if (authority.key === "")
      throw new ClusterError("failed_precondition", "the key of the root certificate is not in the cluster, and no external CA is configured for it");
    return issueBy(authority, { ...request, validityMs: msOf(cluster.spec?.nodeCertExpiryNs ?? DEFAULT_CLUSTER_SPEC.nodeCertExpiryNs) });
  }

  /** A request that is sent again because its answer was lost gets the node that the first one made: the key proves that it is the same. */
  #joining(
    rootCa: RootCa,
    request: { readonly token: string; readonly availability: NodeAvailability; readonly callerAddress: string; readonly digest: string },
  ): Node {
    const role = roleOfToken(rootCa, request.token);
    for (const node of this.#store.view.nodes.all()) {
      if (node.publicKeyDigest === request.digest && node.role === role && node.description === null) return node;
    }
    return {
      id: newId(),
      meta: null,
      spec: { name: "", labels: {}, role, availability: request.availability },
      description: null,
      status: { state: "unknown", message: "the node has not registered yet", address: request.callerAddress },
      role,
      publicKeyDigest: request.digest,
      certificateExpiresAtMs: 0,
    };
  }

  /** The role comes from the store, never from the certificate that is renewed. */
  #renewing(nodeId: string): Node {
    const node = this.#store.view.nodes.get(nodeId);
    if (node === undefined) throw unknownNode(nodeId);
    return node;
  }
}

/**
 * A certificate outside its validity counts only when its key is the last one that was certified for the node: older ones were replaced, maybe because they were
 * stolen. A request that is sent again because its answer was lost asks for the key that is the last one by now.
 */
function assertLastKey(node: Node, lateKeyDigest: string, wantedDigest: string): void {
  if (node.publicKeyDigest === lateKeyDigest || node.publicKeyDigest === wantedDigest) return;
  throw new ClusterError("permission_denied", `late renewal refused: node ${node.id} has had a newer certificate; leave by force, and join again with a token`);
}

function roleOfToken(rootCa: RootCa, token: string): NodeRole {
  const tokens = rootCa.joinTokens;
  if (tokens === null || !isToken(token)) throw badToken();
  if (isSameToken(token, tokens.manager)) return "manager";
  if (isSameToken(token, tokens.worker)) return "worker";
  throw badToken();
}

function isToken(text: string): boolean {
  try {
    parseJoinToken(text);
    return true;
  } catch (cause) {
    if (isClusterError(cause, "invalid_argument")) return false;
    throw cause;
  }
}

function badToken(): ClusterError {
  return new ClusterError("invalid_argument", "a valid join token is necessary to join this cluster");
}

function unknownNode(nodeId: string): ClusterError {
  return new ClusterError("permission_denied", `node ${nodeId} is not part of the cluster: it was removed`);
}
