import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eraseCredentials, findCredentials, HUB, registryKey, storeCredentials } from "../../../src/cli/credentials.js";
import { registryHeaders } from "../../../src/cli/registry-auth.js";

let folder: string;
const before = { config: process.env.DOCKER_CONFIG, path: process.env.PATH };
const config = () => JSON.parse(readFileSync(join(folder, "client/config.json"), "utf8")) as Record<string, unknown>;
const configure = (value: unknown) => {
  mkdirSync(join(folder, "client"), { recursive: true });
  writeFileSync(join(folder, "client/config.json"), typeof value === "string" ? value : JSON.stringify(value));
};
/** A helper that keeps one thing in a file. */
const installHelper = (name: string, body: string) => {
  writeFileSync(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, `docker-credential-${name}`), 0o755);
};
const ANN = { username: "ann", password: "right", identityToken: "" };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "credentials-"));
  process.env.DOCKER_CONFIG = join(folder, "client");
  process.env.PATH = `${folder}:${before.path}`;
});

afterEach(() => {
  if (before.config === undefined) delete process.env.DOCKER_CONFIG;
  else process.env.DOCKER_CONFIG = before.config;
  process.env.PATH = before.path;
  rmSync(folder, { recursive: true });
});

test.each([
  ["", HUB],
  ["docker.io", HUB],
  ["https://index.docker.io/v1/", HUB],
  ["https://registry.example:5000/v2/", "registry.example:5000"],
  ["registry.example", "registry.example"],
])("%s is kept as %s", (address, key) => {
  expect(registryKey(address)).toBe(key);
});

test("without a helper they are in a file of their owner's, beside what else is in it", async () => {
  expect(await findCredentials("registry")).toBeUndefined();
  expect(await registryHeaders("registry:5000/bb")).toEqual({});
  expect(await storeCredentials("registry:5000", ANN)).toBe(join(folder, "client/config.json"));
  expect(statSync(join(folder, "client/config.json")).mode & 0o777).toBe(0o600);
  configure({ ...config(), detachKeys: "ctrl-a" });
  await storeCredentials(HUB, { ...ANN, identityToken: "token" });
  const auth = Buffer.from("ann:right").toString("base64");
  expect(config()).toEqual({
    detachKeys: "ctrl-a",
    auths: { "registry:5000": { auth }, [HUB]: { auth: Buffer.from("ann:").toString("base64"), identitytoken: "token" } },
  });
  const { "x-registry-auth": header = "" } = await registryHeaders("registry:5000/bb:v1");
  expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({ auth, serveraddress: "registry:5000" });
  expect(await eraseCredentials("registry:5000")).toBe(true);
  expect(await eraseCredentials("registry:5000")).toBe(false);
  expect(config()).toMatchObject({ auths: { [HUB]: { identitytoken: "token" } } });
});

test("what another client stored with a scheme is found and erased", async () => {
  configure({ auths: { "https://registry:5000": { auth: "eA==" } } });
  expect(await findCredentials("registry:5000")).toEqual({ auth: "eA==" });
  expect(await eraseCredentials("registry:5000")).toBe(true);
  expect(config()).toEqual({ auths: {} });
});

test("a helper of one registry goes before that of all, and gets them on its standard input", async () => {
  configure({ credsStore: "all", credHelpers: { "registry:5000": "one" } });
  installHelper("all", `echo "credentials not found in native keychain"; exit 1`);
  installHelper("one", `case $1 in store) cat >${folder}/kept ;; get) cat ${folder}/kept ;; erase) cat >${folder}/erased ;; esac`);
  expect(await findCredentials("elsewhere")).toBeUndefined();
  expect(await storeCredentials("registry:5000", ANN)).toBeNull();
  expect(JSON.parse(readFileSync(join(folder, "kept"), "utf8"))).toEqual({ ServerURL: "registry:5000", Username: "ann", Secret: "right" });
  expect(await findCredentials("registry:5000")).toEqual({ username: "ann", password: "right" });
  await storeCredentials("registry:5000", { ...ANN, identityToken: "lasting" });
  expect(await findCredentials("registry:5000")).toEqual({ identitytoken: "lasting" });
  expect(await eraseCredentials("registry:5000")).toBe(true);
  expect(readFileSync(join(folder, "erased"), "utf8")).toBe("registry:5000");
});

test("a helper that fails, one that is not there, and a file that is none are named", async () => {
  configure({ credsStore: "failing" });
  installHelper("failing", "echo the keychain is locked; exit 2");
  await expect(findCredentials("registry")).rejects.toThrow("docker-credential-failing get failed: the keychain is locked");
  configure({ credsStore: "absent" });
  await expect(findCredentials("registry")).rejects.toThrow("cannot run docker-credential-absent: ");
  for (const text of ["not json", "[]"]) {
    configure(text);
    await expect(findCredentials("registry")).rejects.toThrow(`cannot read ${join(folder, "client/config.json")}: `);
  }
});
