import { createHash, X509Certificate } from "node:crypto";
import type { PeerCertificate } from "node:tls";
import { type CertificateIdentity, identityOf, isIssuedBy, isValidAt } from "../pki/identity.js";
import { readCertificate } from "../pki/x509.js";

export type CallerRole = "manager" | "worker" | "anonymous";

/** Who is at the other end of a call, proven by its certificate. An anonymous caller has the node id "". */
export interface Caller {
  readonly nodeId: string;
  readonly role: CallerRole;
  /** IP address that the connection came from, without the port. */
  readonly address: string;
}

/** What a caller is held against. */
export interface Trust {
  /** PEM. */
  readonly rootCertificate: string;
  readonly clusterId: string;
}

/** Certificates whose signature need not be checked again; more than the nodes of a large cluster. */
const CACHED_MAX = 4_096;

/**
 * Says who is behind a connection. gRPC offers a certificate only when TLS verified it at the handshake; that is not enough, since a connection
 * outlives certificates, so issuer, cluster and dates are checked here for each call. Whoever fails any of it is anonymous.
 * The costly part, the signature, is checked once for each certificate and root.
 */
export class CallerIdentifier {
  readonly #trust: () => Trust;
  #cachedRoot = "";
  readonly #cached = new Map<string, CertificateIdentity | null>();

  /** `trust` is asked at each call: it may change with a renewal. */
  constructor(trust: () => Trust) {
    this.#trust = trust;
  }

  identify(connection: { readonly certificate: PeerCertificate | undefined; readonly peer: string }, nowMs: number): Caller {
    const address = hostOf(connection.peer);
    const identity = this.certificateOf(connection, nowMs);
    return identity === null ? { nodeId: "", role: "anonymous", address } : { nodeId: identity.nodeId, role: identity.role, address };
  }

  /** What the caller's certificate says; null without one that counts now. */
  certificateOf({ certificate }: { readonly certificate: PeerCertificate | undefined }, nowMs: number): CertificateIdentity | null {
    const trust = this.#trust();
    const raw: Buffer | undefined = certificate?.raw;
    const identity = raw === undefined ? null : this.#issuedIdentity(raw, trust.rootCertificate);
    return identity === null || identity.clusterId !== trust.clusterId || !isValidAt(identity, nowMs) ? null : identity;
  }

  /** What a certificate says, null when the root did not issue it. */
  #issuedIdentity(raw: Buffer, rootCertificate: string): CertificateIdentity | null {
    if (this.#cachedRoot !== rootCertificate || this.#cached.size >= CACHED_MAX) this.#cached.clear();
    this.#cachedRoot = rootCertificate;
    const digest = createHash("sha256").update(raw).digest("base64");
    let identity = this.#cached.get(digest);
    if (identity === undefined) {
      const certificate = new X509Certificate(raw);
      identity = isIssuedBy(certificate, readCertificate(rootCertificate)) ? identityOf(certificate) : null;
      this.#cached.set(digest, identity);
    }
    return identity;
  }
}

/** `10.0.0.1:999`, `::ffff:10.0.0.1:999` and `fe80::1:999` without their port. */
function hostOf(peer: string): string {
  return peer.replace(/:\d+$/, "").replace(/^::ffff:(?=\d+\.)/, "");
}
