import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { beginSwarmFolder, isSetAside, removeAside, removeSwarmFolder, setAside, sweepSwarmFolder } from "../../../src/node/swarm-folder.js";
import { loadSwarmState, type SwarmState, saveSwarmState } from "../../../src/node/swarm-state.js";

const STATE: SwarmState = { listenAddress: "0.0.0.0:2377", advertiseAddress: "10.0.0.1:2377", managers: [], member: null };

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "swarm-folder-"));
  folder = join(root, "swarm");
});
afterEach(() => rm(root, { recursive: true }));

test("a state that is gone from a node that was whole is missed by its name, and the rest stays", async () => {
  await beginSwarmFolder(folder);
  await mkdir(join(folder, "certificates"));
  await saveSwarmState(folder, STATE);
  await sweepSwarmFolder(folder, { isWhole: true });
  expect(await loadSwarmState(folder)).toEqual(STATE);
  await rm(join(folder, "state.json"));
  await expect(loadSwarmState(folder)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `${folder}/state.json is gone, and the rest of a node is there: put it back, or leave by force and join again`,
  });
  expect(await readdir(folder)).toEqual(["certificates"]);
});

test("what a crash left of a node that was being made is none, and goes with the next beginning", async () => {
  await beginSwarmFolder(folder);
  await mkdir(join(folder, "certificates"));
  expect(await loadSwarmState(folder)).toBeUndefined();
  await beginSwarmFolder(folder);
  expect(await readdir(folder)).toEqual(["beginning"]);
});

test("a node is removed as a whole, also when a crash came in between", async () => {
  await removeSwarmFolder(folder);
  await mkdir(folder);
  await saveSwarmState(folder, STATE);
  // Renamed, and not removed yet.
  await rename(folder, `${folder}.removed`);
  expect(await loadSwarmState(folder)).toBeUndefined();
  await mkdir(folder);
  await writeFile(join(folder, "state.json"), "");
  await removeSwarmFolder(folder);
  expect(await readdir(root)).toEqual([]);
  await mkdir(`${folder}.removed`);
  await sweepSwarmFolder(folder, { isWhole: false });
  expect(await readdir(root)).toEqual([]);
});

test("a folder is set aside as a whole, once, and until it is made again", async () => {
  const seen: boolean[] = [];
  const look = async () => void seen.push(await isSetAside(folder));
  await look();
  await mkdir(folder);
  await look();
  await setAside(folder);
  await look();
  await setAside(folder);
  await look();
  await mkdir(folder);
  await writeFile(join(folder, "new"), "");
  await look();
  await setAside(folder);
  expect(await readdir(`${folder}.removed`)).toEqual(["new"]);
  await removeAside(folder);
  await look();
  expect(seen).toEqual([false, false, true, true, false, false]);
});

test.each([
  ["", ["certificates", "raft", "raft-a"]],
  ["raft", ["certificates", "raft", "raft-a", "raft.removed"]],
  ["raft-a", ["certificates", "raft", "raft-a"]],
])("logs that were set aside go at the next start, but for that of the member: %j", async (member, left) => {
  for (const name of ["certificates", "raft", "raft.removed", "raft-a", "raft-b.removed"]) await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, "raft-b.removed/log"), "");
  await sweepSwarmFolder(folder, { isWhole: true, member });
  expect((await readdir(folder)).sort()).toEqual(left);
});
