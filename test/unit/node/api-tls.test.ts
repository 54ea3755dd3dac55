import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readApiTls } from "../../../src/node/api-tls.js";
import { createNodeKey } from "../../../src/pki/keys.js";
import { createRootCa } from "../../../src/pki/root-ca.js";

const folder = mkdtempSync(join(tmpdir(), "api-tls-"));
const at = (name: string) => join(folder, name);
const put = (name: string, content: string) => writeFileSync(at(name), content);

beforeAll(() => {
  const root = createRootCa({ nowMs: Date.now() });
  put("cert.pem", root.certificate);
  put("crlf.pem", root.certificate.replaceAll("\n", "\r\n"));
  put("key.pem", root.key);
  put("other.pem", createNodeKey());
  put("empty", "");
  put("garbage", "garbage\n");
  put("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  mkdirSync(at("folder"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const paths = (change: Partial<Record<"ca" | "certificate" | "key", string>> = {}) => {
  const { ca, certificate, key } = { ca: "cert.pem", certificate: "cert.pem", key: "key.pem", ...change };
  return { ca: at(ca), certificate: at(certificate), key: at(key) };
};

test.each(["cert.pem", "crlf.pem"])("what TLS can use is read: %s", async (certificate) => {
  expect(await readApiTls(paths({ certificate }))).toMatchObject({ certificate: readFileSync(at(certificate), "utf8") });
});

test("keys of RSA are as good", async () => {
  const rsa = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", at("rsa.key"), "-out", at("rsa.pem"), "-subj", "/CN=x", "-days", "1"];
  execFileSync("openssl", rsa, { stdio: "ignore" });
  expect(await readApiTls(paths({ certificate: "rsa.pem", key: "rsa.key" }))).toMatchObject({ key: readFileSync(at("rsa.key"), "utf8") });
});

test.each([
  [{ ca: "none" }, /^cannot read tlscacert .*\/none: ENOENT/],
  [{ certificate: "folder" }, /^cannot read tlscert .*\/folder: EISDIR/],
  [{ ca: "empty" }, /^tlscacert .*\/empty has no certificate in it$/],
  [{ ca: "key.pem" }, /^tlscacert .*\/key.pem has no certificate in it$/],
  [{ ca: "broken.pem" }, /^tlscacert .*\/broken.pem has a certificate that is none$/],
  [{ certificate: "garbage" }, /^tlscert .*\/garbage has no certificate in it$/],
  [{ key: "empty" }, /^tlskey .*\/empty has no private key in it that can be read without a password$/],
  [{ key: "garbage" }, /^tlskey .*\/garbage has no private key in it that can be read without a password$/],
  [{ key: "other.pem" }, /^tlskey .*\/other.pem does not belong to tlscert .*\/cert.pem$/],
])("what it cannot use is named: %j", async (change, message) => {
  await expect(readApiTls(paths(change))).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(message) });
});
