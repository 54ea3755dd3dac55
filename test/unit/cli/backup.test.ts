import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CommandLineWorld } from "../../support/command-line-world.js";

let world: CommandLineWorld;
let into: string;
const backup = (path: string) => world.swarm("backup", "--passphrase-file", join(world.folder, "passphrase"), path);

beforeEach(async () => {
  world = await CommandLineWorld.open();
  into = join(world.folder, "into");
  mkdirSync(into);
  writeFileSync(join(world.folder, "passphrase"), "open sesame\n");
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

test("the file is what the daemon sent", async () => {
  world.answer("POST /swarm/backup", "sealed");
  expect(await backup(join(into, "file"))).toBe(0);
  expect(world.seen.map(({ body }) => JSON.parse(body))).toEqual([{ Passphrase: "open sesame" }]);
  expect([readdirSync(into), readFileSync(join(into, "file"), "utf8")]).toEqual([["file"], "sealed"]);
});

test("a file that cannot be written is named before the daemon is asked for anything", async () => {
  expect(await backup(join(into, "nowhere/file"))).toBe(2);
  expect(world.err).toMatch(/^swarm: cannot write .*\/into\/nowhere\/file: ENOENT/);
  expect(world.seen).toEqual([]);
});

test("nothing is left of a backup that failed", async () => {
  world.answer("POST /swarm/backup", { message: "no leader" }, 503);
  expect(await backup(join(into, "file"))).toBe(1);
  world.answer("POST /swarm/backup", "sealed");
  mkdirSync(join(into, "folder"));
  expect(await backup(join(into, "folder"))).not.toBe(0);
  expect(readdirSync(into)).toEqual(["folder"]);
});
