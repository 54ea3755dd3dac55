import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { createCsr, publicKeyOfCsr } from "../../../src/pki/csr.js";
import { requireTrustedIssuer } from "../../../src/pki/trust.js";
import { identityOf, isIssuedBy, isValidAt } from "../../../src/pki/identity.js";
import { createNodeKey, publicKeyDigest, readPrivateKey } from "../../../src/pki/keys.js";
import { issueNodeCertificate, NODE_VALIDITY_MS } from "../../../src/pki/node-certificate.js";
import { decodePem, encodePem } from "../../../src/pki/pem.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import { type NamePart, name, signCertificate } from "../../../src/pki/x509.js";
import { changedCertificate } from "../../support/changed-certificate.js";

const HOUR_MS = 3_600_000;
const now = Date.parse("2026-11-21T08:00:00Z");
const rootCa = createRootCa({ nowMs: now });
const root = new X509Certificate(rootCa.certificate);
const request = { rootCa, nodeId: "n0de1", role: "manager", clusterId: "c1uster", validityMs: NODE_VALIDITY_MS, nowMs: now } as const;

const PARTS: readonly NamePart[] = [
  { attribute: "organization", value: "c1uster" },
  { attribute: "organizationalUnit", value: "swarm-manager" },
  { attribute: "commonName", value: "n0de1" },
];

test("the root is a self-signed authority for 20 years that began an hour ago", () => {
  expect(root.subject).toBe("CN=swarm-ca");
  expect(root.issuer).toBe("CN=swarm-ca");
  expect(root.ca).toBe(true);
  expect(root.verify(root.publicKey)).toBe(true);
  expect(Date.parse(root.validFrom)).toBe(now - HOUR_MS);
  expect(Date.parse(root.validTo)).toBe(now + 20 * 365 * 24 * HOUR_MS);
  expect(root.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
});

test("a root that ends after 2049 says so in GeneralizedTime", () => {
  const later = new X509Certificate(createRootCa({ nowMs: Date.parse("2035-01-01T00:00:00Z") }).certificate);
  expect(new Date(later.validTo).getUTCFullYear()).toBe(2054);
});

test.each([
  ["manager", "DNS:swarm-manager, DNS:n0de1, DNS:swarm-ca"],
  ["worker", "DNS:swarm-worker, DNS:n0de1"],
] as const)("a %s's certificate names node, role and cluster", (role, alternativeNames) => {
  const key = createNodeKey();
  const pem = issueNodeCertificate({ ...request, role, csr: createCsr(key) });
  const certificate = new X509Certificate(pem);
  expect(certificate.subject).toBe(`O=c1uster\nOU=swarm-${role}\nCN=n0de1`);
  expect(certificate.subjectAltName).toBe(alternativeNames);
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  expect(certificate.ca).toBe(false);
  expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(isIssuedBy(certificate, root)).toBe(true);
  expect(identityOf(pem)).toEqual({
    nodeId: "n0de1",
    role,
    clusterId: "c1uster",
    notBeforeMs: now - HOUR_MS,
    expiresAtMs: now + NODE_VALIDITY_MS,
    publicKeyDigest: publicKeyDigest(createPrivateKey(key)),
  });
});

test("a certificate does not outlive its root", () => {
  const nowMs = Date.parse(root.validTo) - 2 * HOUR_MS;
  const pem = issueNodeCertificate({ ...request, nowMs, csr: createCsr(createNodeKey()) });
  expect(identityOf(pem).expiresAtMs).toBe(Date.parse(root.validTo));
});

test("a certificate is valid from its first to before its last moment", () => {
  const identity = { notBeforeMs: 10, expiresAtMs: 20 };
  expect([9, 10, 19, 20].map((at) => isValidAt(identity, at))).toEqual([false, true, true, false]);
});

test("less than an hour is refused", () => {
  expect(() => issueNodeCertificate({ ...request, validityMs: HOUR_MS - 1, csr: createCsr(createNodeKey()) })).toThrow("below an hour");
});

test("another root of the same name did not issue it", () => {
  const stranger = createRootCa({ nowMs: now });
  const pem = issueNodeCertificate({ ...request, csr: createCsr(createNodeKey()) });
  expect(isIssuedBy(new X509Certificate(pem), new X509Certificate(stranger.certificate))).toBe(false);
  expect(() => requireTrustedIssuer(pem, stranger.certificate)).toThrow("not issued by this cluster");
  expect(() => requireTrustedIssuer(pem, stranger.certificate + rootCa.certificate)).not.toThrow();
});

test("a certificate that was changed after the root signed it, was not issued by it", () => {
  const pem = changedCertificate(issueNodeCertificate({ ...request, csr: createCsr(createNodeKey()) }), "n0de1", "n0de2");
  expect(identityOf(pem).nodeId).toBe("n0de2");
  expect(new X509Certificate(pem).checkIssued(root)).toBe(true);
  expect(isIssuedBy(new X509Certificate(pem), root)).toBe(false);
  expect(() => requireTrustedIssuer(pem, rootCa.certificate)).toThrow("not issued by this cluster");
});

test("a node's certificate is no authority, and a root is no node", () => {
  const leafKey = createNodeKey();
  const leaf = issueNodeCertificate({ ...request, csr: createCsr(leafKey) });
  const forged = () => issueNodeCertificate({ ...request, rootCa: { certificate: leaf, key: leafKey }, csr: createCsr(createNodeKey()) });
  expect(forged).toThrow("invariant broken");
  expect(isIssuedBy(root, root)).toBe(false);
  expect(() => identityOf(rootCa.certificate)).toThrow('certificate of "CN=swarm-ca" is not a node\'s');
});

test.each<[string, readonly NamePart[]]>([
  ["two node ids", [...PARTS, { attribute: "commonName", value: "n0de2" }]],
  ["two clusters", [...PARTS, { attribute: "organization", value: "an0ther" }]],
  ["two roles", [...PARTS, { attribute: "organizationalUnit", value: "swarm-worker" }]],
  ["no node id", PARTS.filter(({ attribute }) => attribute !== "commonName")],
  ["no cluster", PARTS.filter(({ attribute }) => attribute !== "organization")],
  ["no role", PARTS.filter(({ attribute }) => attribute !== "organizationalUnit")],
])("a certificate with %s is no node's, whoever signed it", (_what, parts) => {
  const content = {
    issuer: name([{ attribute: "commonName", value: "swarm-ca" }]),
    subject: name(parts),
    publicKey: readPrivateKey(rootCa.key),
    extensions: [],
  };
  const pem = signCertificate({ ...content, notBeforeMs: now, notAfterMs: now + HOUR_MS }, readPrivateKey(rootCa.key));
  expect(() => identityOf(pem)).toThrow(/is not a node's$/);
});

test("a request proves that its sender has the key", () => {
  const key = createNodeKey();
  expect(publicKeyDigest(publicKeyOfCsr(createCsr(key)))).toBe(publicKeyDigest(createPrivateKey(key)));
});

const der = decodePem("CERTIFICATE REQUEST", createCsr(createNodeKey()));
const changed = (at: number) =>
  encodePem(
    "CERTIFICATE REQUEST",
    der.map((byte, index) => (index === at ? byte ^ 1 : byte)),
  );
test.each([
  ["nothing", "", "expected one PEM block"],
  ["text", "hello", "expected one PEM block"],
  ["two requests", createCsr(createNodeKey()) + createCsr(createNodeKey()), "expected one PEM block"],
  ["no DER", encodePem("CERTIFICATE REQUEST", Buffer.from("hello")), "not valid DER"],
  ["bytes after its end", encodePem("CERTIFICATE REQUEST", Buffer.concat([der, Buffer.of(0)])), "not valid DER"],
  ["an integer", encodePem("CERTIFICATE REQUEST", Buffer.of(2, 1, 5)), "unexpected structure"],
  ["a key that is not on the curve", changed(45), /no readable public key|not signed by the key/],
  ["a wrong signature", changed(der.length - 1), "not signed by the key that it asks for"],
  ["a megabyte", "x".repeat(1_000_000), "too long"],
])("a request that is %s is refused", (_what, csr, message) => {
  expect(() => publicKeyOfCsr(csr)).toThrow(expect.objectContaining({ code: "invalid_argument", message: expect.stringMatching(message) }));
});

test.each([["ed25519"], ["rsa"]] as const)("a private key of type %s is refused", (type) => {
  const { privateKey } = type === "rsa" ? generateKeyPairSync("rsa", { modulusLength: 2048 }) : generateKeyPairSync("ed25519");
  expect(() => createCsr(privateKey.export({ type: "pkcs8", format: "pem" }).toString())).toThrow(`key of type ${type}`);
});
