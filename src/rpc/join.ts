import { unlessAborted } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import type { NodeAvailability } from "../model/objects.js";
import { createCsr } from "../pki/csr.js";
import { identityOf } from "../pki/identity.js";
import type { NodeCredentials } from "../pki/identity-files.js";
import { parseJoinToken, tokenMatchesRoot } from "../pki/join-token.js";
import { signLateRenewal } from "../pki/late-renewal.js";
import { createNodeKey, readPrivateKey } from "../pki/keys.js";
import { encodePem } from "../pki/pem.js";
import { certificatesIn, requireTrustedIssuer } from "../pki/trust.js";
import { readCertificate } from "../pki/x509.js";
import { CaService, type IssueCertificateReply } from "../wire/generated/ca.js";
import { createClient } from "./client.js";
import { Connection } from "./connection.js";
import { checkName, checkProtocol, withClockSkew } from "./join-check.js";
import type { LiveIdentity } from "./live-identity.js";

interface Dial {
  /** host:port of a manager. */
  readonly address: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

export interface FetchedRoot {
  /** PEM of exactly one certificate. */
  readonly rootCertificate: string;
  readonly clusterId: string;
  /** The manager's clock when it answered; undefined when it is of a version that does not say. */
  readonly managerMs: number | undefined;
}

/**
 * The cluster's root certificate, pinned by the digest in the join token. The one call in which the manager is not verified; nothing secret is
 * part of it. Throws ClusterError `invalid_argument` when the token is malformed or belongs to another cluster, `failed_precondition` when the
 * manager is of a version that cannot be joined.
 */
export async function fetchRootCertificate(dial: Dial & { readonly token: string }): Promise<FetchedRoot> {
  parseJoinToken(dial.token); // A malformed one is not worth a connection.
  using connection = new Connection({ address: dial.address, clock: dial.clock, security: { type: "unverified" } });
  const reply = await createClient(connection, CaService).rootCertificate({}, options(dial));
  // Only what the digest covers is trusted, not what may stand beside it in the text.
  const pinned = certificatesIn(reply.certificate).map((root) => encodePem("CERTIFICATE", root.raw));
  const rootCertificate = pinned.find((root) => tokenMatchesRoot(dial.token, root));
  if (rootCertificate === undefined) {
    throw new ClusterError(
      "invalid_argument",
      `join token does not belong to the cluster at ${dial.address}: its certificate authority has another digest; if it was rotated since, take a new token there`,
    );
  }
  checkProtocol(reply);
  return { rootCertificate, clusterId: reply.clusterId, managerMs: reply.nowMs };
}

/**
 * Makes this machine a node: fetches and pins the root, then sends token and request over a connection that the root verifies.
 * The private key stays here. Throws ClusterError `invalid_argument` for a wrong token, `unavailable` when no manager answers, `failed_precondition` when
 * the clocks differ by more than the certificates bear.
 */
export async function joinCluster(dial: Dial & { readonly token: string; readonly availability: NodeAvailability }): Promise<NodeCredentials> {
  parseJoinToken(dial.token);
  await unlessAborted(dial.signal ?? new AbortController().signal, checkName(dial.address, dial.clock));
  const { rootCertificate, managerMs } = await fetchRootCertificate(dial);
  const ownMs = dial.clock.now();
  const key = createNodeKey();
  using connection = new Connection({ address: dial.address, clock: dial.clock, security: { type: "anonymous", rootCertificate } });
  const request = { csr: createCsr(key), token: dial.token.trim(), availability: dial.availability };
  const reply = await createClient(connection, CaService)
    .issueCertificate(request, options(dial))
    .catch((cause: unknown) => {
      throw withClockSkew(cause, { ownMs, managerMs });
    });
  return checked(reply, key, reply.nodeId);
}

/**
 * A new certificate, for a new key (PEM), on the strength of the present one. The role in it is what the manager says it is by now, and so are the roots to trust from
 * now on: the manager is one that the present ones vouch for. Asking again after a lost answer takes the same key.
 */
export async function renewCertificate(dial: Dial & { readonly identity: LiveIdentity; readonly key: string }): Promise<NodeCredentials> {
  const { identity, address, clock, key } = dial;
  using connection = new Connection({ address, clock, security: { type: "mutual", identity } });
  const reply = await createClient(connection, CaService).issueCertificate({ csr: createCsr(key), token: "", availability: "active" }, options(dial));
  return checked(reply, key, identity.nodeId);
}

/**
 * The same for a node that was off so long that its certificate is outside its validity: it is proven by a signature, since TLS would not take it. The manager is
 * verified as ever. `key` (PEM) is the new key: asking again after a lost answer takes the same one.
 */
export async function renewLate(dial: Dial & { readonly identity: LiveIdentity; readonly key: string }): Promise<NodeCredentials> {
  const { identity, address, clock, key } = dial;
  const { rootCertificate, certificate, key: oldKey } = identity.credentials;
  using connection = new Connection({ address, clock, security: { type: "anonymous", rootCertificate } });
  const ca = createClient(connection, CaService);
  const { nonce } = await ca.renewalNonce({}, options(dial));
  const renewal = { csr: createCsr(key), certificate, nonce };
  const reply = await ca.renewLate({ ...renewal, signature: signLateRenewal(renewal, oldKey) }, options(dial));
  return checked(reply, key, identity.nodeId);
}

function checked({ rootCertificate, certificate }: IssueCertificateReply, key: string, nodeId: string): NodeCredentials {
  requireTrustedIssuer(certificate, rootCertificate);
  if (identityOf(certificate).nodeId !== nodeId || !readCertificate(certificate).checkPrivateKey(readPrivateKey(key))) {
    throw new ClusterError("internal", `manager issued a certificate that is not for node ${nodeId} and its key`);
  }
  return { rootCertificate, certificate, key };
}

const options = (dial: Dial) => (dial.signal === undefined ? {} : { signal: dial.signal });
