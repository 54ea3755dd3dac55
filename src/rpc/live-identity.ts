import type { experimental } from "@grpc/grpc-js";
import { ClusterError } from "../base/errors.js";
import { authorityDigest } from "../pki/authority.js";
import { type CertificateIdentity, identityOf } from "../pki/identity.js";
import type { NodeCredentials } from "../pki/identity-files.js";
import { readPrivateKey } from "../pki/keys.js";
import { chainIn, requireTrustedIssuer } from "../pki/trust.js";

type CaListener = experimental.CaCertificateUpdateListener;
type IdentityListener = experimental.IdentityCertificateUpdateListener;

/**
 * This node's certificate and key as they are now. Servers and connections read it live: after `replace` new handshakes use the
 * new ones, while those that stand go on with the old.
 */
export class LiveIdentity implements experimental.CertificateProvider {
  #credentials: NodeCredentials;
  #checked: Checked;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  readonly #replaceListeners = new Set<() => void>();

  /** Throws ClusterError `invalid_argument` or `unauthenticated` when key, certificate and root do not belong together. */
  constructor(credentials: NodeCredentials) {
    this.#checked = check(credentials);
    this.#credentials = credentials;
  }

  get credentials(): NodeCredentials {
    return this.#credentials;
  }

  get identity(): CertificateIdentity {
    return this.#checked.identity;
  }

  get nodeId(): string {
    return this.identity.nodeId;
  }

  /** Names the authority that issued the certificate (`authorityDigest`). */
  get issuerKeyDigest(): string {
    return this.#checked.issuerKeyDigest;
  }

  /** DER of the certificate that the node's brings along while the root is rotated. */
  get intermediate(): Buffer | undefined {
    return this.#checked.intermediate;
  }

  /** After a renewal, a change of role or of what is to be trusted. Throws like the constructor, and then changes nothing. */
  replace(credentials: NodeCredentials): void {
    this.#checked = check(credentials);
    this.#credentials = credentials;
    for (const listener of this.#caListeners) listener(this.#ca());
    for (const listener of this.#identityListeners) listener(this.#pair());
    for (const listener of [...this.#replaceListeners]) listener();
  }

  /** Calls after each replacement, until the returned function was called. */
  onReplace(listener: () => void): () => void {
    this.#replaceListeners.add(listener);
    return () => this.#replaceListeners.delete(listener);
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    // Not at once: gRPC registers its own watchers only after it has called us.
    process.nextTick(() => this.#caListeners.has(listener) && listener(this.#ca()));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    process.nextTick(() => this.#identityListeners.has(listener) && listener(this.#pair()));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
  }

  #ca() {
    return { caCertificate: Buffer.from(this.#credentials.rootCertificate) };
  }

  #pair() {
    return { certificate: Buffer.from(this.#credentials.certificate), privateKey: Buffer.from(this.#credentials.key) };
  }
}

interface Checked {
  readonly identity: CertificateIdentity;
  readonly issuerKeyDigest: string;
  readonly intermediate: Buffer | undefined;
}

function check({ rootCertificate, certificate, key }: NodeCredentials): Checked {
  const issuer = requireTrustedIssuer(certificate, rootCertificate);
  const { leaf, intermediates } = chainIn(certificate);
  if (!leaf.checkPrivateKey(readPrivateKey(key))) {
    throw new ClusterError("invalid_argument", "private key does not belong to the node's certificate");
  }
  return { identity: identityOf(leaf), issuerKeyDigest: authorityDigest(issuer), intermediate: intermediates[0]?.raw };
}
