import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadCredentials, saveCredentials } from "../../../src/pki/identity-files.js";
import { TestCa } from "../../support/rpc-cluster.js";

const ca = new TestCa();
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "identity-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("what is saved is loaded, and the key is for its owner only", async () => {
  const credentials = ca.credentials("n1");
  await saveCredentials(join(folder, "certificates"), credentials);
  expect(await loadCredentials(join(folder, "certificates"))).toEqual(credentials);
  expect((await readdir(join(folder, "certificates"))).sort()).toEqual(["swarm-node.crt", "swarm-node.key", "swarm-root-ca.crt"]);
  expect((await stat(join(folder, "certificates", "swarm-node.key"))).mode & 0o777).toBe(0o600);
  expect(await readFile(join(folder, "certificates", "swarm-node.key"), "utf8")).toBe(credentials.key);
});

test("a folder without an identity has none", async () => {
  expect(await loadCredentials(folder)).toBeNull();
  expect(await loadCredentials(join(folder, "missing"))).toBeNull();
});

test("a renewal that stopped half-way leaves the old identity or the new one, never a mixture", async () => {
  const old = ca.credentials("n1");
  const renewed = ca.credentials("n1");
  await saveCredentials(folder, old);
  await writeFile(join(folder, "swarm-node.key"), renewed.key + old.key); // After the first step.
  expect(await loadCredentials(folder)).toEqual(old);
  await writeFile(join(folder, "swarm-node.crt"), renewed.certificate); // Before the last step.
  expect(await loadCredentials(folder)).toEqual(renewed);
  await saveCredentials(folder, renewed);
  expect(await readFile(join(folder, "swarm-node.key"), "utf8")).toBe(renewed.key);
});

test("a key that belongs to another certificate is refused with its place", async () => {
  await saveCredentials(folder, ca.credentials("n1"));
  await writeFile(join(folder, "swarm-node.key"), ca.credentials("n2").key);
  await expect(loadCredentials(folder)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining(join(folder, "swarm-node.key")),
  });
});
