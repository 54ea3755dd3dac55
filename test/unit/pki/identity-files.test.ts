import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createDataKey } from "../../../src/pki/data-key.js";
import { IdentityFiles, type KeptKeys, type NodeCredentials } from "../../../src/pki/identity-files.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import { createUnlockKey, isSameUnlockKey } from "../../../src/pki/unlock-key.js";
import { TestCa } from "../../support/rpc-cluster.js";

/** The machine stops at the n-th write: before it, or right after. */
const crash = vi.hoisted(() => ({ at: Number.POSITIVE_INFINITY, isAfter: false, writes: 0 }));
vi.mock("../../../src/base/durable-file.js", async (original) => {
  const real = await original<typeof import("../../../src/base/durable-file.js")>();
  const writeFileDurably: typeof real.writeFileDurably = async (...args) => {
    const isLast = crash.writes++ === crash.at;
    if (isLast && !crash.isAfter) throw new Error("the machine stops");
    await real.writeFileDurably(...args);
    if (isLast) throw new Error("the machine stops");
  };
  return { ...real, writeFileDurably };
});

const ca = new TestCa();
const clock = { now: () => Date.UTC(2026, 10, 21, 12) };
let folder: string;
const keyFile = () => join(folder, "swarm-node.key");
const open = (unlockKey: Uint8Array | null = null) => IdentityFiles.open({ folder, clock }, unlockKey);
const created = () => IdentityFiles.create({ folder, clock }, ca.credentials("n1"));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "identity-"));
  Object.assign(crash, { at: Number.POSITIVE_INFINITY, writes: 0 });
});
afterEach(() => rm(folder, { recursive: true }));

test("what is saved is loaded, and the keys are for their owner only", async () => {
  const { credentials } = await created();
  expect((await open())?.credentials).toEqual(credentials);
  expect((await readdir(folder)).sort()).toEqual(["swarm-node.crt", "swarm-node.key", "swarm-root-ca.crt"]);
  expect((await stat(keyFile())).mode & 0o777).toBe(0o600);
});

test("a folder without an identity has none", async () => {
  expect(await open()).toBeNull();
  expect(await IdentityFiles.open({ folder: join(folder, "missing"), clock })).toBeNull();
});

test("one file that is gone is missed by its name", async () => {
  await created();
  await rm(keyFile());
  const rest = "gone: put what was there back, or leave by force and join again";
  await expect(open()).rejects.toMatchObject({ code: "failed_precondition", message: `${keyFile()} is ${rest}` });
  await rm(join(folder, "swarm-root-ca.crt"));
  await expect(open()).rejects.toMatchObject({ message: `${folder}/swarm-root-ca.crt and ${keyFile()} are ${rest}` });
});

test("a key that belongs to another certificate is refused with its place", async () => {
  await created();
  await writeFile(keyFile(), ca.credentials("n2").key);
  await expect(open()).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining(keyFile()) });
});

test.each(["swarm-node.crt", "swarm-root-ca.crt", "swarm-node.key"])("a damaged %s is refused with its place, and nothing else is looked at", async (name) => {
  await created();
  const path = join(folder, name);
  for (const text of ["", "XX", (await readFile(path, "utf8")).replace("M", "!")]) {
    await writeFile(path, text);
    await expect(open()).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining(path) });
  }
  await rm(path);
  await mkdir(path); // Cannot be read, as on a disk that fails.
  await expect(open()).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining(`${path} cannot be used: EISDIR`) });
});

test("a certificate that brings a damaged one along, or one that the root beside it did not issue, is refused with its place", async () => {
  const { credentials } = await created();
  const path = join(folder, "swarm-node.crt");
  const damaged = ca.root.certificate.replace(/\n(.{64})\n/, (_, line: string) => `\n${line.toLowerCase()}\n`);
  for (const text of [
    credentials.certificate + damaged,
    new TestCa("cluster1", createRootCa({ nowMs: Date.now() })).certified(credentials.key, "n1").certificate,
  ]) {
    await writeFile(path, text);
    await expect(open()).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining(path) });
  }
});

test.each(["swarm-node.crt", "swarm-root-ca.crt"])("any flipped bit of %s is refused with its place, and one without a checksum is taken", async (name) => {
  const files = await created();
  const path = join(folder, name);
  const whole = await readFile(path);
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    await writeFile(path, changed);
    await expect(open(), `byte ${at}`).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining(path) });
  }
  await writeFile(path, whole.toString().replace(/^# sha256 .*\n/m, ""));
  expect((await open())?.credentials).toEqual(files.credentials);
});

test("a renewal asks for the same key until it has a certificate for it, also after a crash, and then for another one", async () => {
  const files = await created();
  const first = await files.pendingKey();
  expect(first).not.toBe(files.credentials.key);
  expect(await files.pendingKey()).toBe(first);
  const again = await open();
  expect(again?.credentials).toEqual(files.credentials);
  expect(await again?.pendingKey()).toBe(first);
  await again?.replace(ca.certified(first, "n1"), { isWorker: false });
  expect(again?.keys.nodeKeys).toEqual([first]);
  expect(await again?.pendingKey()).not.toBe(first);
});

test("a new certificate for the same key leaves what a renewal asks for", async () => {
  const files = await created();
  const pending = await files.pendingKey();
  await files.replace(ca.certified(files.credentials.key, "n1"), { isWorker: false });
  expect(await (await open())?.pendingKey()).toBe(pending);
});

test.each([
  ["another key", () => ca.credentials("n1")],
  ["the key that it has", ({ key }: NodeCredentials) => ca.certified(key, "n1")],
])("who becomes a worker, with a certificate for %s, keeps nothing of the manager that it was, and is not locked", async (_which, certified) => {
  const files = await created();
  await files.ensureDataKeys();
  await files.change((keys) => ({ ...keys, unlockKey: createUnlockKey() }));
  expect(await IdentityFiles.isLocked(folder)).toBe(true);
  await files.replace(certified(files.credentials), { isWorker: true });
  expect((await open())?.keys).toMatchObject({ dataKeys: [], unlockKey: null });
});

describe("locked keys", () => {
  const unlockKey = createUnlockKey();
  let files: IdentityFiles;
  beforeEach(async () => {
    files = await created();
    await files.ensureDataKeys();
    await files.change((keys) => ({ ...keys, unlockKey }));
  });

  test("stay locked, and with them what the log is sealed with, when a manager renews its certificate", async () => {
    const { dataKeys } = files.keys;
    const renewed = ca.credentials("n1");
    await files.replace(renewed, { isWorker: false });
    expect(await IdentityFiles.isLocked(folder)).toBe(true);
    const again = await IdentityFiles.open({ folder, clock }, unlockKey);
    expect(again?.keys).toEqual({ nodeKeys: [renewed.key], dataKeys, unlockKey });
  });

  test("the file says how and when, and nothing else", async () => {
    const text = await readFile(keyFile(), "utf8");
    expect(text).toMatch(
      /^-----BEGIN SWARM LOCKED KEYS-----\nFormat: 1\nCipher: AES-256-GCM\nLocked-At: 2026-11-21T12:00:00.000Z\nUnlock-Key-Id: [0-9a-f]{16}\nSalt: [0-9a-f]{64}\n\n/,
    );
    expect(text).not.toMatch(/PRIVATE|DATA KEY/);
  });

  test("are opened by their key alone; another one changes nothing", async () => {
    expect((await open(unlockKey))?.keys).toEqual(files.keys);
    const before = await readFile(keyFile(), "utf8");
    for (const wrong of [createUnlockKey(), null]) await expect(open(wrong)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await readFile(keyFile(), "utf8")).toBe(before);
  });

  test.each([true, false])("any flipped bit is refused or does no harm (locked: %s)", async (isLocked) => {
    if (!isLocked) await files.change((keys) => ({ ...keys, unlockKey: null }));
    const whole = await readFile(keyFile());
    const outcomes = new Set<string>();
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      await writeFile(keyFile(), changed);
      outcomes.add(
        await open(isLocked ? unlockKey : null).then(
          (opened) => (JSON.stringify(opened?.keys) === JSON.stringify(files.keys) ? "the same" : "something else"),
          (cause: { code: string }) => cause.code,
        ),
      );
    }
    expect([...outcomes].filter((outcome) => !["the same", "failed_precondition", "unauthenticated"].includes(outcome))).toEqual([]);
  });
});

/** Each change, cut short at each of its writes: what is there then is all of the old or all of the new. */
describe("a crash at any moment", () => {
  const [first, second] = [createUnlockKey(), createUnlockKey()];
  const renewed = ca.credentials("n1");
  const changes: [string, (files: IdentityFiles) => Promise<unknown>][] = [
    ["a renewal", (files) => files.replace(renewed, { isWorker: false })],
    ["a demotion", (files) => files.replace(renewed, { isWorker: true })],
    ["a request for another key", (files) => files.pendingKey()],
    ["another unlock key", (files) => files.change((keys) => ({ ...keys, unlockKey: second, dataKeys: [createDataKey(2), ...keys.dataKeys] }))],
    ["no unlock key any more", (files) => files.change((keys) => ({ ...keys, unlockKey: null }))],
  ];

  const withKey = async (folderOfTrial: string) => {
    for (const key of [first, second]) {
      try {
        return await IdentityFiles.open({ folder: folderOfTrial, clock }, key);
      } catch (cause) {
        if ((cause as { code?: string }).code !== "unauthenticated") throw cause;
      }
    }
    throw new Error("neither key opens it");
  };
  const shapeOf = ({ dataKeys, unlockKey }: KeptKeys) => [
    dataKeys.length,
    unlockKey === null ? "open" : isSameUnlockKey(unlockKey, first) ? "first" : "second",
  ];

  test.each(changes)("%s", async (_title, change) => {
    const files = await created();
    await files.ensureDataKeys();
    await files.change((keys) => ({ ...keys, unlockKey: first }));
    const [before, shapeBefore] = [files.credentials, shapeOf(files.keys)];
    crash.writes = 0;
    const whole = `${folder}-whole`;
    await cp(folder, whole, { recursive: true });
    const complete = await IdentityFiles.open({ folder: whole, clock }, first);
    await change(complete as IdentityFiles);
    const writes = crash.writes;
    const shapeAfter = shapeOf((complete as IdentityFiles).keys);
    expect(writes).toBeGreaterThan(0);
    for (let at = 0; at < writes; at++) {
      for (const isAfter of [false, true]) {
        const trial = `${folder}-trial`;
        await cp(folder, trial, { recursive: true });
        const cut = (await IdentityFiles.open({ folder: trial, clock }, first)) as IdentityFiles;
        Object.assign(crash, { at, isAfter, writes: 0 });
        await expect(change(cut)).rejects.toThrow("the machine stops");
        crash.at = Number.POSITIVE_INFINITY;
        const found = (await withKey(trial)) as IdentityFiles;
        expect([before.key, renewed.key]).toContain(found.credentials.key);
        expect([shapeBefore, shapeAfter]).toContainEqual(shapeOf(found.keys));
        await rm(trial, { recursive: true });
      }
    }
    await rm(whole, { recursive: true });
  });
});
