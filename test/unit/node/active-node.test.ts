import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Worker } from "../../../src/agent/worker.js";
import { systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { systemRandom } from "../../../src/base/random.js";
import { ActiveNode } from "../../../src/node/active-node.js";
import { certificatesIn } from "../../../src/node/member-records.js";
import { loadSwarmState, type SwarmState, saveSwarmState } from "../../../src/node/swarm-state.js";
import { IdentityFiles } from "../../../src/pki/identity-files.js";
import { LiveIdentity } from "../../../src/rpc/live-identity.js";
import { TestCa } from "../../support/rpc-cluster.js";

const ca = new TestCa();
const STATE: SwarmState = {
  listenAddress: "127.0.0.1:2377",
  advertiseAddress: "127.0.0.1:2377",
  managers: [],
  member: { raftId: 7, incarnation: "one" },
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "active-node-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** A manager that was a member of the raft group when it stopped, and runs nothing yet. */
async function stoppedManager() {
  const files = await IdentityFiles.create({ folder: certificatesIn(folder), clock: systemClock }, ca.credentials("n1"));
  await files.ensureDataKeys();
  await saveSwarmState(folder, STATE);
  const worker: Worker = Object.create(Worker.prototype); // It is not run here.
  const parts = { folder, files, identity: new LiveIdentity(files.credentials), state: STATE, worker, onManager: () => undefined };
  const describe = () => ({ hostname: "host-1", platform: null, resources: null, engine: null, tlsInfo: null });
  const node = new ActiveNode({ ...parts, describe, clock: systemClock, random: systemRandom, logger: silentLogger });
  return { node, files };
}

test("a member whose place was being forgotten when it stopped goes on with that, and can take another one", async () => {
  const { node, files } = await stoppedManager();
  await mkdir(join(folder, "raft.removed"));
  await writeFile(join(folder, "raft.removed/half"), "a log");
  await node.resumeManager("one");
  expect(node.isRetired).toBe(false);
  expect(await loadSwarmState(folder)).toEqual({ ...STATE, member: null });
  expect(files.keys.dataKeys).toEqual([]);
  expect((await readdir(folder)).sort()).toEqual(["certificates", "state.json"]);
});

test("a member whose log is gone says so, and forgets nothing, also where an older one was left", async () => {
  const { node, files } = await stoppedManager();
  await mkdir(join(folder, "raft"));
  await mkdir(join(folder, "raft.removed"));
  await node.resumeManager("one");
  expect(node.error).toMatch(/^the raft log in .*\/raft is gone; remove this node/);
  expect(await loadSwarmState(folder)).toEqual(STATE);
  expect(files.keys.dataKeys).toHaveLength(1);
  expect((await readdir(folder)).sort()).toEqual(["certificates", "raft", "state.json"]);
});
