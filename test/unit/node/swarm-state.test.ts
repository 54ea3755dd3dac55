import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { KeptSwarmState, loadSwarmState, type SwarmState } from "../../../src/node/swarm-state.js";

const stateAt = (advertiseAddress: string): SwarmState => ({ listenAddress: "0.0.0.0:2377", advertiseAddress, managers: [], member: null });

test("states that replace each other at once all succeed, and the last one is on the disk", async () => {
  const folder = await mkdtemp(join(tmpdir(), "swarm-state-"));
  try {
    const kept = new KeptSwarmState(folder, stateAt("10.0.0.0:2377"));
    const addresses = Array.from({ length: 50 }, (_, index) => `10.0.0.${index + 1}:2377`);
    await Promise.all(addresses.map((address) => kept.replace(stateAt(address))));
    expect(kept.now).toEqual(stateAt("10.0.0.50:2377"));
    expect(await loadSwarmState(folder)).toEqual(kept.now);
    expect(await readdir(folder)).toEqual(["state.json"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
