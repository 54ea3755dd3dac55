import type { NodeTlsInfo } from "../model/objects.js";
import { encode } from "./der.js";
import { publicKeyDer } from "./keys.js";
import { readCertificate, readIssuer } from "./x509.js";

/** What clients compare to see whether a node trusts the root that the cluster has now (swarm-surface 2.5). */
export function tlsInfoOf(rootCertificate: string): NodeTlsInfo {
  const root = readCertificate(rootCertificate);
  return { trustRoot: rootCertificate, certIssuerSubject: encode(readIssuer(root).subject), certIssuerPublicKey: publicKeyDer(root.publicKey) };
}
