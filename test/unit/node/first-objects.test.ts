import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { firstCredentials } from "../../../src/node/first-objects.js";
import { createRootCa } from "../../../src/pki/root-ca.js";

const nowMs = Date.now();

test("a swarm that is given a root begins with it, and its first manager's certificate is of it", () => {
  const given = createRootCa({ nowMs });
  const { rootCa, credentials } = firstCredentials(nowMs, given);
  const root = new X509Certificate(given.certificate);
  expect(new X509Certificate(rootCa.certificate).fingerprint256).toBe(root.fingerprint256);
  expect(new X509Certificate(credentials.rootCertificate).fingerprint256).toBe(root.fingerprint256);
  const own = new X509Certificate(credentials.certificate);
  expect(own.checkIssued(root) && own.verify(root.publicKey)).toBe(true);
});

test("a key that belongs to another root is refused", () => {
  const [given, other] = [createRootCa({ nowMs }), createRootCa({ nowMs })];
  expect(() => firstCredentials(nowMs, { certificate: given.certificate, key: other.key })).toThrow(
    "the desired CA key does not belong to the desired CA certificate",
  );
});
