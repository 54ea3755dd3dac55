import type { X509Certificate } from "node:crypto";
import type { RootCa } from "../model/objects.js";
import { publicKeyDigest } from "./keys.js";
import { issueNodeCertificate, type NodeCertificateRequest } from "./node-certificate.js";
import { readCertificate } from "./x509.js";

/** Who issues certificates for the cluster now: the root, or the one that it is being rotated to. */
export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** PKCS#8 PEM; "" when an external authority has it. */
  readonly key: string;
  /** While the root is rotated: the new root certified by the old one (PEM), which every certificate brings along. "" otherwise. */
  readonly crossSigned: string;
}

/** The one that signs now: while the root is rotated, the new one. */
export function authorityOf(rootCa: RootCa): Authority {
  const { rotation } = rootCa;
  return rotation ?? { certificate: rootCa.certificate, key: rootCa.key, crossSigned: "" };
}

/** What every node is to trust (PEM): the root, and while it is rotated the new one too. The present root, which join tokens name, comes first. */
export function trustBundle(rootCa: RootCa): string {
  return rootCa.rotation === null ? rootCa.certificate : rootCa.certificate + rootCa.rotation.certificate;
}

/** Names an authority by its key, whatever certificate it has of it. */
export function authorityDigest(certificate: string | X509Certificate): string {
  return publicKeyDigest((typeof certificate === "string" ? readCertificate(certificate) : certificate).publicKey);
}

/** A node's certificate with what it brings along (PEM, leaf first). Throws like issueNodeCertificate. */
export function issueBy(authority: Authority, request: Omit<NodeCertificateRequest, "rootCa" | "crossSigned">): string {
  return issueNodeCertificate({ ...request, rootCa: authority, crossSigned: authority.crossSigned }) + authority.crossSigned;
}
