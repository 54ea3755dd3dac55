import { decodePem, encodePem } from "../../src/pki/pem.js";

/** A certificate (PEM) in which each `from` reads `to`, of the same length: whoever did that still has its key, but not the signature of the authority that it names. */
export function changedCertificate(certificate: string, from: string, to: string): string {
  const changed = decodePem("CERTIFICATE", certificate).toString("latin1").replaceAll(from, to);
  return encodePem("CERTIFICATE", Buffer.from(changed, "latin1"));
}
