import { createHash, X509Certificate } from "node:crypto";
import type { Certificate, PeerCertificate, TLSSocket } from "node:tls";
import { type CertificateIdentity, identityOf, isValidAt } from "../pki/identity.js";
import { certificatesIn, trustedIssuer } from "../pki/trust.js";

export type CallerRole = "manager" | "worker" | "anonymous";

/** Who is at the other end of a call, proven by its certificate. An anonymous caller has the node id "". */
export interface Caller {
  readonly nodeId: string;
  readonly role: CallerRole;
  /** IP address that the connection came from, without the port. */
  readonly address: string;
}

/** Metadata of a call that carries the intermediate certificate of its caller. */
export const CHAIN_KEY = "swarm-chain-bin";

/** What a caller is held against. */
export interface Trust {
  /** PEM of one root or more. */
  readonly rootCertificate: string;
  readonly clusterId: string;
}

/** What a connection and a call on it bring along to say who calls. */
export interface Credential {
  readonly certificate: PeerCertificate | undefined;
  /** Of the call's metadata (`CHAIN_KEY`): the certificate, DER, by which a root vouches for the issuer; TLS has used it, but does not pass it on. */
  readonly intermediate?: Buffer | undefined;
}

/** Whom TLS has verified; null for a stranger. A session that was begun without a certificate, and is resumed, counts as verified too, by nothing. */
export function verifiedSubject(socket: TLSSocket): Certificate | null {
  const { subject }: Partial<PeerCertificate> = socket.getPeerCertificate();
  return socket.authorized && subject !== undefined ? subject : null;
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

  identify(connection: Credential & { readonly peer: string }, nowMs: number): Caller {
    const address = hostOf(connection.peer);
    const identity = this.certificateOf(connection, nowMs);
    return identity === null ? { nodeId: "", role: "anonymous", address } : { nodeId: identity.nodeId, role: identity.role, address };
  }

  /** What the caller's certificate says; null without one that counts now. */
  certificateOf(credential: Credential, nowMs: number): CertificateIdentity | null {
    const identity = this.issuedTo(credential);
    return identity === null || identity.clusterId !== this.#trust().clusterId || !isValidAt(identity, nowMs) ? null : identity;
  }

  /** What a certificate says, whatever its dates; null when no root vouches for who issued it. */
  issuedTo({ certificate, intermediate = EMPTY }: Credential): CertificateIdentity | null {
    const raw: Buffer | undefined = certificate?.raw;
    if (raw === undefined || intermediate.length > INTERMEDIATE_BYTES_MAX) return null;
    const { rootCertificate } = this.#trust();
    if (this.#cachedRoot !== rootCertificate || this.#cached.size >= CACHED_MAX) this.#cached.clear();
    this.#cachedRoot = rootCertificate;
    const digest = createHash("sha256").update(raw).update(intermediate).digest("base64");
    let identity = this.#cached.get(digest);
    if (identity === undefined) {
      const chain = { leaf: new X509Certificate(raw), intermediates: certificatesOfDer(intermediate) };
      identity = trustedIssuer(chain, certificatesIn(rootCertificate)) === null ? null : identityOf(chain.leaf);
      this.#cached.set(digest, identity);
    }
    return identity;
  }
}

const EMPTY = Buffer.alloc(0);
const INTERMEDIATE_BYTES_MAX = 4_096;

/** Anybody may send anything here: what is no certificate vouches for nobody. */
function certificatesOfDer(der: Buffer): readonly X509Certificate[] {
  if (der.length === 0) return [];
  try {
    return [new X509Certificate(der)];
  } catch {
    return [];
  }
}

/** `10.0.0.1:999`, `::ffff:10.0.0.1:999` and `fe80::1:999` without their port. */
function hostOf(peer: string): string {
  return peer.replace(/:\d+$/, "").replace(/^::ffff:(?=\d+\.)/, "");
}
