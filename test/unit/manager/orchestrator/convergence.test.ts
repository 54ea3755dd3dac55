import { expect, test } from "vitest";
import { integerBetween, SeededRandom } from "../../../../src/base/random.js";
import { isTaskDirty } from "../../../../src/model/dirty.js";
import type { NodeAvailability, NodeState, ServiceMode, UpdateConfig } from "../../../../src/model/objects.js";
import { type Fate, ServiceWorld } from "../../../support/service-world.js";
import { taskSpec } from "../../../support/tasks.js";

/*
 * Goal: whatever happens to services, nodes, tasks and leaders, once it stops happening the service is what its spec says.
 * Method: random events on the real store and loops, one seed per test; then all nodes get well, tasks run, and time passes.
 */
const SEEDS = Array.from({ length: 40 }, (_, index) => index + 1);

function pick<T>(random: SeededRandom, values: readonly T[]): T {
  return values[integerBetween(random, 0, values.length - 1)]!;
}

function randomUpdate(random: SeededRandom): UpdateConfig {
  return {
    parallelism: integerBetween(random, 0, 3),
    delayNs: BigInt(integerBetween(random, 0, 2)) * 1_000_000_000n,
    failureAction: pick(random, ["pause", "continue", "rollback"] as const),
    monitorNs: BigInt(integerBetween(random, 0, 2)) * 1_000_000_000n,
    maxFailureRatio: pick(random, [0, 0.3]),
    order: pick(random, ["stop_first", "start_first"] as const),
  };
}

async function disturb(world: ServiceWorld, random: SeededRandom): Promise<void> {
  const nodeId = pick(random, ["node1", "node2", "node3"]);
  const event = integerBetween(random, 0, 9);
  if (event === 0) await world.setNode(nodeId, { state: pick<NodeState>(random, ["ready", "down", "unknown"]) });
  else if (event === 1) await world.setNode(nodeId, { availability: pick<NodeAvailability>(random, ["active", "pause", "drain"]) });
  else if (event === 2) await world.updateImage(`bb:v${integerBetween(random, 1, 3)}`);
  else if (event === 3 && world.service().spec?.mode?.type === "replicated") await world.scale(integerBetween(random, 0, 6));
  else if (event === 4) await world.update(() => ({ update: randomUpdate(random), rollback: randomUpdate(random) }));
  else if (event === 5) {
    const bad = pick(random, ["bb:v1", "bb:v2", "bb:v3", ""]);
    const fate = pick<Fate>(random, ["fail", "complete", "reject", "stuck"]);
    world.fate = (task) => (task.spec?.container?.image === bad ? fate : "run");
  } else if (event === 6 && world.running().length > 0) await world.end(pick(random, world.running()).id, pick(random, ["failed", "complete"] as const));
  else if (event === 7) {
    await world.depose();
    await world.advance(integerBetween(random, 0, 3) * 1_000, 1_000);
    await world.lead();
  } else if (event === 8) world.stopMs = pick(random, [0, 500, 3_000]);
  else await world.advance(integerBetween(random, 1, 8) * 500, 500);
}

test.each(SEEDS)("a disturbed service settles, seed %d", async (seed) => {
  const random = new SeededRandom(seed);
  await using world = new ServiceWorld();
  await world.lead();
  const mode: ServiceMode = seed % 3 === 0 ? { type: "global", global: {} } : { type: "replicated", replicated: { replicas: 4 } };
  const restart = { condition: "any", delayNs: 1_000_000_000n, maxAttempts: 0, windowNs: 0n } as const;
  await world.create({ mode, task: taskSpec({}, { restart }), update: randomUpdate(random), rollback: randomUpdate(random) });
  for (let step = 0; step < 40; step++) await disturb(world, random);

  world.fate = () => "run";
  for (const id of ["node1", "node2", "node3"]) await world.setNode(id, { state: "ready", availability: "active" });
  // A paused update goes on with any service update; this one changes nothing else.
  await world.update((spec) => ({ labels: { ...spec.labels, last: "one" } }));
  await world.advance(120_000, 500);

  const service = world.service();
  const wanted = service.spec?.mode?.type === "replicated" ? service.spec.mode.replicated.replicas : 3;
  const live = world.live();
  expect(live.map((task) => task.status?.state)).toEqual(Array(wanted).fill("running"));
  expect(world.running()).toHaveLength(wanted);
  expect(new Set(live.map((task) => task.slot || task.nodeId)).size).toBe(wanted);
  expect(live.filter((task) => isTaskDirty(service, task, world.store.view.nodes.get(task.nodeId)))).toEqual([]);
  expect([undefined, "completed", "rollback_completed"]).toContain(service.updateStatus?.state);
  expect(world.tasks().filter((task) => task.desiredState === "remove")).toEqual([]);
  const revision = world.store.revision;
  await world.advance(60_000, 5_000);
  expect(world.store.revision).toBe(revision);
});
