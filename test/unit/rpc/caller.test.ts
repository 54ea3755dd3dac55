import { X509Certificate } from "node:crypto";
import type { PeerCertificate } from "node:tls";
import { expect, test } from "vitest";
import { crossSign } from "../../../src/pki/cross-sign.js";
import { CallerIdentifier } from "../../../src/rpc/caller.js";
import { changedCertificate } from "../../support/changed-certificate.js";
import { TestCa } from "../../support/rpc-cluster.js";

const ca = new TestCa();
const certificateOf = (nodeId: string, from = ca) => new X509Certificate(from.credentials(nodeId).certificate).toLegacyObject() as PeerCertificate;

test.each([
  ["10.0.0.1:4711", "10.0.0.1"],
  ["::ffff:10.0.0.1:4711", "10.0.0.1"],
  ["fd00::1:4711", "fd00::1"],
  ["unknown", "unknown"],
])("%s is at %s", (peer, address) => {
  const identifier = new CallerIdentifier(() => ({ rootCertificate: ca.root.certificate, clusterId: ca.clusterId }));
  expect(identifier.identify({ certificate: undefined, peer }, Date.now())).toEqual({ nodeId: "", role: "anonymous", address });
});

test("a signature that was checked once counts only for its root", () => {
  const trust = { rootCertificate: ca.root.certificate, clusterId: ca.clusterId };
  const identifier = new CallerIdentifier(() => trust);
  const certificate = certificateOf("n1");
  const roleNow = () => identifier.identify({ certificate, peer: "h:1" }, Date.now()).role;
  expect([roleNow(), roleNow()]).toEqual(["manager", "manager"]);
  trust.rootCertificate = new TestCa().root.certificate;
  expect([roleNow(), roleNow()]).toEqual(["anonymous", "anonymous"]);
  trust.rootCertificate = ca.root.certificate;
  expect(roleNow()).toBe("manager");
  trust.clusterId = "cluster2";
  expect(roleNow()).toBe("anonymous");
});

test.each([
  ["of an authority of the same name", new TestCa().credentials("node-one").certificate],
  ["that its owner changed", changedCertificate(ca.credentials("node-two").certificate, "node-two", "node-one")],
])("a certificate %s is nobody's, however often it comes", (_what, forged) => {
  const identifier = new CallerIdentifier(() => ({ rootCertificate: ca.root.certificate, clusterId: ca.clusterId }));
  const certificate = new X509Certificate(forged).toLegacyObject() as PeerCertificate;
  for (let attempt = 0; attempt < 3; attempt++) expect(identifier.identify({ certificate, peer: "h:1" }, Date.now()).role).toBe("anonymous");
});

test("a certificate counts in its time alone, the first moment and not the last", () => {
  const identifier = new CallerIdentifier(() => ({ rootCertificate: ca.root.certificate, clusterId: ca.clusterId }));
  const certificate = certificateOf("n1");
  const [from, to] = [Date.parse(certificate.valid_from), Date.parse(certificate.valid_to)];
  const roles = [from - 1, from, to - 1, to].map((nowMs) => identifier.identify({ certificate, peer: "h:1" }, nowMs).role);
  expect(roles).toEqual(["anonymous", "manager", "manager", "anonymous"]);
});

test("an issuer that the root vouches for counts, when the call brings the proof along", () => {
  const next = new TestCa("cluster1");
  const [certificate, foreign] = [certificateOf("n1", next), certificateOf("n1", new TestCa("cluster1"))];
  const identifier = new CallerIdentifier(() => ({ rootCertificate: ca.root.certificate, clusterId: ca.clusterId }));
  const proof = new X509Certificate(crossSign(next.root.certificate, { by: ca.root, nowMs: Date.now() })).raw;
  const roleOf = (shown: PeerCertificate, intermediate?: Buffer) => identifier.identify({ certificate: shown, intermediate, peer: "h:1" }, Date.now()).role;
  expect(roleOf(certificate)).toBe("anonymous");
  expect(roleOf(certificate, proof)).toBe("manager");
  expect(roleOf(foreign, proof)).toBe("anonymous");
  for (const wrong of [Buffer.from("nonsense"), new X509Certificate(next.root.certificate).raw, Buffer.alloc(5_000)])
    expect(roleOf(certificate, wrong)).toBe("anonymous");
});
