import type { NodeTlsInfo, RootCa } from "../model/objects.js";
import { authorityOf } from "./authority.js";
import { encode } from "./der.js";
import type { NodeCredentials } from "./identity-files.js";
import { publicKeyDer } from "./keys.js";
import { requireTrustedIssuer } from "./trust.js";
import { readCertificate, readIssuer } from "./x509.js";

/** What a node says of itself: the roots that it trusts, and who issued its certificate (swarm-surface 2.5). */
export function tlsInfoOf(credentials: NodeCredentials): NodeTlsInfo {
  const issuer = requireTrustedIssuer(credentials.certificate, credentials.rootCertificate);
  return { trustRoot: credentials.rootCertificate, certIssuerSubject: encode(readIssuer(issuer).subject), certIssuerPublicKey: publicKeyDer(issuer.publicKey) };
}

/** What the cluster wants each node to say; clients compare the two to see how far a rotation is. */
export function wantedTlsInfo(rootCa: RootCa): NodeTlsInfo {
  const issuer = readCertificate(authorityOf(rootCa).certificate);
  return { trustRoot: rootCa.certificate, certIssuerSubject: encode(readIssuer(issuer).subject), certIssuerPublicKey: publicKeyDer(issuer.publicKey) };
}
