import { ClusterError, messageOf } from "../base/errors.js";
import type { ClusterSpec, ExternalCa, RootCa } from "../model/objects.js";
import type { ExternalSigner, SigningRequest } from "./cfssl-client.js";
import { flawOfCrossSigned } from "./cross-sign.js";
import { createCsr, publicKeyOfCsr } from "./csr.js";
import { identityOf, isIssuedBy, isValidAt, ROLE_UNITS } from "./identity.js";
import { publicKeyDigest } from "./keys.js";
import type { NodeCertificateRequest } from "./node-certificate.js";
import { encodePem } from "./pem.js";
import { certificatesIn } from "./trust.js";
import { isForTls, namesIssuerKey, readCertificate } from "./x509.js";

/** The configuration of a CFSSL server by which it certifies other authorities, as Swarm names it (swarmkit: ca/external.go). */
const CROSS_SIGNING_PROFILE = "CA";

/** The external authorities of the spec that issue for this root (PEM). One that names no root issues for the cluster's present one. */
export function externalCasOf(spec: ClusterSpec | null, rootCa: RootCa, root: string): readonly ExternalCa[] {
  const named = readCertificate(root);
  return (spec?.externalCas ?? []).filter(({ rootCertificate }) => readCertificate(rootCertificate || rootCa.certificate).raw.equals(named.raw));
}

/**
 * The external authorities of a spec, each with its root, once the present one is being replaced: one that names none issues for the root that is present now, also when
 * the rotation is over. It would be asked for certificates of the new one otherwise, which it cannot give, and nobody could join or renew.
 */
export function withNamedRoots(externalCas: readonly ExternalCa[], rootCa: RootCa): readonly ExternalCa[] {
  if (rootCa.rotation === null) return externalCas;
  return externalCas.map((external) => ({ ...external, rootCertificate: external.rootCertificate || rootCa.certificate }));
}

/** Throws ClusterError `invalid_argument` for one whose root is not a certificate. */
export function validateExternalRoots(externalCas: readonly ExternalCa[]): void {
  for (const { url, rootCertificate } of externalCas) {
    if (rootCertificate === "") continue;
    try {
      readCertificate(rootCertificate);
    } catch (cause) {
      throw new ClusterError("invalid_argument", `the CA certificate of the external CA at ${url} is not a certificate in PEM form`, { cause });
    }
  }
}

/** PEM: the root that is to have issued a node's certificate, and all roots that nodes trust now, that one among them. */
interface SigningRoots {
  readonly root: string;
  readonly trusted: string;
}

/**
 * A node's certificate (PEM, without anything beside it) by the first of the external authorities that gives one of this root (PEM). How long it is valid, they
 * decide. Throws ClusterError `failed_precondition` that says of each why it did not.
 */
export function signExternally(
  signer: ExternalSigner,
  authorities: readonly ExternalCa[],
  { root, trusted, ...node }: SigningRoots & Omit<NodeCertificateRequest, "rootCa" | "validityMs">,
): Promise<string> {
  const unit = ROLE_UNITS[node.role];
  const request: SigningRequest = {
    certificate_request: node.csr,
    hosts: [unit, node.nodeId, ...(node.role === "manager" ? ["swarm-ca"] : [])],
    subject: { CN: node.nodeId, names: [{ O: node.clusterId, OU: unit }] },
  };
  return firstOf(authorities, (authority) => checkedOf(signer, authority, request, (certificate) => flawOf(certificate, { root, trusted }, node)));
}

/**
 * The new root certified by the old one, whose key only the external authorities have. The new root's key signs the request, so the cluster must have it. Throws
 * ClusterError `failed_precondition` that says of each why it did not.
 */
export function crossSignExternally(
  signer: ExternalSigner,
  authorities: readonly ExternalCa[],
  { newKey, ...roots }: { readonly newRoot: string; readonly newKey: string; readonly oldRoot: string; readonly nowMs: number },
): Promise<string> {
  const request = { certificate_request: createCsr(newKey), hosts: [], subject: subjectOf(roots.newRoot), profile: CROSS_SIGNING_PROFILE };
  return firstOf(authorities, (authority) => checkedOf(signer, authority, request, (crossSigned) => flawOfCrossSigned(crossSigned, roots)));
}

/** A root's name as CFSSL is told it: attributes that may come several times are told in several groups. */
function subjectOf(root: string): SigningRequest["subject"] {
  const { CN = "", ...rest } = readCertificate(root).toLegacyObject().subject;
  const names = Object.entries(rest).flatMap(([attribute, values = []]) => [values].flat().map((value) => ({ [attribute]: value })));
  return { CN: String(CN), ...(names.length === 0 ? {} : { names }) };
}

/** Asks one; what it gives must be without a flaw. PEM, without anything beside the certificate. */
async function checkedOf(signer: ExternalSigner, authority: ExternalCa, request: SigningRequest, flawOf: (certificate: string) => string): Promise<string> {
  const certificate = await signer.sign(authority, request);
  const flaw = orUnusable(() => flawOf(certificate));
  if (flaw !== "") throw new ClusterError("unavailable", `the external CA at ${authority.url} gave a certificate that ${flaw}`);
  return encodePem("CERTIFICATE", readCertificate(certificate).raw);
}

function orUnusable(flaw: () => string): string {
  try {
    return flaw();
  } catch (cause) {
    return `cannot be used: ${messageOf(cause)}`;
  }
}

/** Throws ClusterError `failed_precondition` unless one of the authorities answers. `what` names the root that they are for. */
export async function requireReachable(signer: ExternalSigner, authorities: readonly ExternalCa[], what: string): Promise<void> {
  const begin = `there must be at least one valid, reachable external CA corresponding to the ${what} CA certificate`;
  if (authorities.length === 0) throw new ClusterError("failed_precondition", `${begin}, and none is configured`);
  try {
    await firstOf(authorities, (authority) => signer.reach(authority));
  } catch (cause) {
    throw new ClusterError("failed_precondition", `${begin}: ${messageOf(cause)}`, { cause });
  }
}

/**
 * Asks the first and, when it fails, all others at once: however many hang, that takes no longer than two of them, and who joins hears of it in time. Not `unavailable`:
 * that would say that this manager does not lead, and whoever asked would look for one that does, and end with the wrong reason.
 */
async function firstOf<T>(authorities: readonly ExternalCa[], ask: (authority: ExternalCa) => Promise<T>): Promise<T> {
  const failures: unknown[] = [];
  for (const group of [authorities.slice(0, 1), authorities.slice(1)]) {
    try {
      return await Promise.any(group.map(ask));
    } catch (cause) {
      if (!(cause instanceof AggregateError)) throw cause;
      failures.push(...cause.errors);
    }
  }
  throw new ClusterError("failed_precondition", failures.map(messageOf).join("; "), { cause: failures.at(-1) });
}

/** What is wrong with a node's certificate that an external authority gave; "" when nothing is. Nodes would refuse each other for any of it. */
function flawOf(certificate: string, { root, trusted }: SigningRoots, node: Omit<NodeCertificateRequest, "rootCa" | "validityMs">): string {
  const leaf = readCertificate(certificate);
  const issuer = readCertificate(root);
  if (!isIssuedBy(leaf, issuer)) return "was not issued by the root that it is configured for";
  const identity = identityOf(leaf);
  if (identity.nodeId !== node.nodeId || identity.role !== node.role || identity.clusterId !== node.clusterId) return "names another node, role or cluster";
  if (identity.publicKeyDigest !== publicKeyDigest(publicKeyOfCsr(node.csr))) return "is for another key";
  if (leaf.checkHost(ROLE_UNITS[node.role]) === undefined || leaf.checkHost(node.nodeId) === undefined)
    return "lacks the alternative names that were asked for";
  if (!isForTls(leaf)) return "may not be used for both ends of TLS: signing, server auth and client auth are the usages that nodes need";
  // OpenSSL looks for an issuer by name and key identifier: without the latter it takes the wrong one of two roots.
  if (!namesIssuerKey(leaf) && certificatesIn(trusted).some((other) => other.subject === issuer.subject && !other.raw.equals(issuer.raw)))
    return "lacks the identifier of its issuer's key, by which the new root is told from the other one of the same name";
  return isValidAt(identity, node.nowMs) ? "" : `is not valid now, but from ${leaf.validFrom} to ${leaf.validTo}`;
}
