import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureDataKey, loadDataKey, removeDataKey } from "../../../src/pki/data-key.js";

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pki-data-key-"));
  folder = join(root, "certificates");
});
afterEach(() => rm(root, { recursive: true, force: true }));

const path = () => join(folder, "swarm-data.key");

test("is made once, for its owner alone, and found again", async () => {
  const key = await ensureDataKey(folder);
  expect(key.length).toBe(32);
  expect(await ensureDataKey(folder)).toEqual(key);
  expect(await loadDataKey(folder)).toEqual(key);
  expect((await stat(path())).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(["swarm-data.key"]);
});

test("each member has its own", async () => {
  expect(await ensureDataKey(folder)).not.toEqual(await ensureDataKey(join(root, "other")));
});

test("one that is gone is named, and not made anew for a log that it cannot open", async () => {
  await ensureDataKey(folder);
  await removeDataKey(folder);
  await expect(loadDataKey(folder)).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining(`${path()} is gone`) });
});

test.each(["", "nonsense", "-----BEGIN SWARM DATA KEY-----\nAAAA\n-----END SWARM DATA KEY-----\n"])("a damaged file %j is named, and kept", async (text) => {
  await ensureDataKey(folder);
  await writeFile(path(), text);
  for (const load of [loadDataKey, ensureDataKey]) {
    await expect(load(folder)).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining(`${path()} is damaged`) });
  }
  expect(await readFile(path(), "utf8")).toBe(text);
});
