import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { KeptSwarmState, loadSwarmState, saveSwarmState, type SwarmState } from "../../../src/node/swarm-state.js";

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

test.each<[string, string]>([
  ["nothing", ""],
  ["half of it", '{"listenAddress": "0.0'],
  ["another thing", "null"],
  ["an address that is none", JSON.stringify({ ...stateAt("10.0.0.1:2377"), listenAddress: "0.0.0.0:XX" })],
  ["no managers", JSON.stringify({ ...stateAt("10.0.0.1:2377"), managers: undefined })],
  ["a member without an id", JSON.stringify({ ...stateAt("10.0.0.1:2377"), member: { incarnation: "a" } })],
])("a file that holds %s is named, and that the swarm can be left", async (_, text) => {
  const folder = await mkdtemp(join(tmpdir(), "swarm-state-"));
  try {
    await writeFile(join(folder, "state.json"), text);
    await expect(loadSwarmState(folder)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(/state\.json is damaged: .*; put the right one back, or leave by force and join again$/),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("any flipped bit is refused by the name of the file, and one of before there was a checksum is read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "swarm-state-"));
  try {
    const [path, state] = [join(folder, "state.json"), stateAt("10.0.0.1:2377")];
    await saveSwarmState(folder, state);
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      await writeFile(path, changed);
      await expect(loadSwarmState(folder), `byte ${at}`).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining(path) });
    }
    await writeFile(path, `${JSON.stringify(state)}\n`);
    expect(await loadSwarmState(folder)).toEqual(state);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a file that cannot be read, as on a disk that fails, is named", async () => {
  const folder = await mkdtemp(join(tmpdir(), "swarm-state-"));
  try {
    await mkdir(join(folder, "state.json"));
    await expect(loadSwarmState(folder)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(/state\.json cannot be read: EISDIR.*; put the right one back, or leave by force and join again$/),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
