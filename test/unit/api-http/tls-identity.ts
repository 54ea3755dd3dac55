import { createCsr } from "../../../src/pki/csr.js";
import { createNodeKey } from "../../../src/pki/keys.js";
import { issueNodeCertificate } from "../../../src/pki/node-certificate.js";
import type { RootCa } from "../../../src/pki/root-ca.js";

/** A key and a certificate of the authority for TLS servers and clients. */
export function certificateOf(rootCa: RootCa, name: string): { readonly certificate: string; readonly key: string } {
  const key = createNodeKey();
  const request = { rootCa, csr: createCsr(key), nodeId: name, role: "worker", clusterId: "lab", validityMs: 86_400_000, nowMs: Date.now() } as const;
  return { certificate: issueNodeCertificate(request), key };
}
