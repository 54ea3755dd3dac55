import { expect, test } from "vitest";
import { FakeClock } from "../../../../src/base/clock.js";
import { Orchestrator } from "../../../../src/manager/orchestrator/orchestrator.js";
import { Store } from "../../../../src/store/store.js";
import { MemoryProposer } from "../../../support/memory-proposer.js";
import { ServiceWorld } from "../../../support/service-world.js";
import { testService } from "../../../support/services.js";

test("a new leader looks at every service, at most 64 at a time", async () => {
  await using world = new ServiceWorld();
  const ids = Array.from({ length: 150 }, (_, at) => `s${at}`);
  await world.store.batch(ids, (tx, id) => tx.create("service", testService({ name: id }, { id })));
  world.proposer.hold();
  await world.lead();
  expect(world.proposer.pending).toBe(64);
  await world.proposer.release();
  await world.settle();
  expect(ids.filter((id) => world.running(id).length !== 1)).toEqual([]);
});

test("when nothing happens no service is looked at", async () => {
  await using world = new ServiceWorld();
  await world.lead();
  await world.create();
  await world.advance(1_000);
  let looks = 0;
  const update = world.store.update.bind(world.store);
  world.store.update = (write) => {
    looks++;
    return update(write);
  };
  await world.advance(60_000, 5_000);
  expect(looks).toBe(0);
});

test("a write that is lost with the leadership ends the term", async () => {
  const [store, clock] = [new Store({ clock: new FakeClock() }), new FakeClock()];
  const proposer = new MemoryProposer(store);
  await store.update((tx) => tx.create("service", testService()) as undefined);
  proposer.hold();
  const run = new Orchestrator({ store, clock }).run(new AbortController().signal);
  while (proposer.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([proposer.fail(), expect(run).rejects.toMatchObject({ code: "outcome_unknown" })]);
});
