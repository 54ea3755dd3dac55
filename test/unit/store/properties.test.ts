import fc from "fast-check";
import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import type { StoreObject, Task } from "../../../src/model/objects.js";
import { slotKey } from "../../../src/model/slot.js";
import { objectOf, storedObject } from "../../../src/store/schema.js";
import type { AppliedChanges } from "../../../src/store/change-history.js";
import { Store } from "../../../src/store/store.js";
import type { StoreTransaction, StoreView } from "../../../src/store/view.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { testService } from "../../support/services.js";
import { assignedTask } from "../../support/tasks.js";

/** Few ids and keys, so that objects meet. */
type Write =
  | { readonly type: "task"; readonly id: string; readonly serviceId: string; readonly nodeId: string; readonly slot: number }
  | { readonly type: "service"; readonly id: string; readonly name: string }
  | { readonly type: "remove"; readonly kind: "task" | "service"; readonly id: string };
type Step =
  | { readonly type: "write"; readonly writes: readonly Write[] }
  | { readonly type: "commit"; readonly count: number }
  | { readonly type: "drop" }
  | { readonly type: "snapshot" }
  /** The state of an earlier snapshot comes from another member, as a newer one. */
  | { readonly type: "restore" };

const id = fc.constantFrom("a", "b", "c", "d");
const key = fc.constantFrom("", "k", "l");
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ type: fc.constant("task" as const), id, serviceId: key, nodeId: key, slot: fc.nat({ max: 2 }) }),
  fc.record({ type: fc.constant("service" as const), id, name: fc.constantFrom("Web", "web", "db") }),
  fc.record({ type: fc.constant("remove" as const), kind: fc.constantFrom("task" as const, "service" as const), id }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("write" as const), writes: fc.array(write, { minLength: 1, maxLength: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("commit" as const), count: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.constant({ type: "drop" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "snapshot" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "restore" as const }) },
);

function carryOut(tx: StoreTransaction, change: Write): void {
  if (change.type === "remove") {
    const table = change.kind === "task" ? tx.tasks : tx.services;
    if (table.get(change.id) !== undefined) tx.remove(change.kind, change.id);
  } else if (change.type === "service") {
    const service = testService({ name: change.name }, { id: change.id });
    if (tx.services.get(change.id) === undefined) tx.create("service", service);
    else tx.update("service", service, { isClientWrite: true });
  } else {
    const task: Task = { ...assignedTask(change.id), meta: null, serviceId: change.serviceId, nodeId: change.nodeId, slot: change.slot };
    if (tx.tasks.get(change.id) === undefined) tx.create("task", task);
    else tx.update("task", task);
  }
}

const idsOf = (objects: Iterable<{ readonly id: string }>) => [...objects].map((object) => object.id).sort();

/** Each look-up by index finds what a scan finds. */
function expectIndexesRight(view: StoreView): void {
  const [tasks, services] = [[...view.tasks.all()], [...view.services.all()]];
  expect([view.tasks.size, view.services.size]).toEqual([tasks.length, services.length]);
  for (const wanted of ["k", "l"]) {
    expect(idsOf(view.tasks.byService(wanted))).toEqual(idsOf(tasks.filter((task) => task.serviceId === wanted)));
    expect(idsOf(view.tasks.byNode(wanted))).toEqual(idsOf(tasks.filter((task) => task.nodeId === wanted)));
  }
  for (const slot of new Set(tasks.filter((task) => task.serviceId !== "").map(slotKey))) {
    expect(idsOf(view.tasks.bySlot(slot))).toEqual(idsOf(tasks.filter((task) => task.serviceId !== "" && slotKey(task) === slot)));
  }
  for (const name of ["WEB", "db"]) {
    expect(idsOf(view.services.byName(name))).toEqual(idsOf(services.filter((service) => service.spec?.name.toLowerCase() === name.toLowerCase())));
  }
  for (const task of tasks) expect(view.tasks.get(task.id)).toBe(task);
}

const stateOf = (objects: Iterable<StoreObject>) => new Map([...objects].map((stored) => [JSON.stringify([stored.type, objectIn(stored).id]), stored]));
const objectIn = (stored: StoreObject) => objectOf(stored);

/** What one who listed and then followed the changes holds. */
function follow(state: Map<string, StoreObject>, { events }: AppliedChanges): void {
  for (const { kind, action, object } of events) {
    const at = JSON.stringify([kind, object.id]);
    if (action === "remove") state.delete(at);
    else state.set(at, storedObject(kind, object));
  }
}

async function play(steps: readonly Step[]): Promise<void> {
  const store = new Store({ clock: new FakeClock() });
  const proposer = new MemoryProposer(store);
  const snapshots: { readonly objects: Iterable<StoreObject>; readonly expected: Map<string, StoreObject> }[] = [];
  const outcomes: Promise<void>[] = [];
  const attempt = (carry: (tx: StoreTransaction) => void) => {
    const isLost = (cause: unknown) => expect(cause).toMatchObject({ code: "outcome_unknown" });
    outcomes.push(store.update((tx) => void carry(tx)).catch(isLost));
  };
  let [followed, place] = [new Map<string, StoreObject>(), 0];
  const catchUp = async () => {
    const stop = new AbortController();
    const changes = store.follow({ after: place, signal: stop.signal });
    while (place < store.revision) {
      const next = await changes.next();
      if (next.done === true) break;
      follow(followed, next.value);
      place = next.value.revision;
    }
  };
  for (const [at, played] of steps.entries()) {
    if (played.type === "write") {
      proposer.hold();
      attempt((tx) => {
        for (const change of played.writes) carryOut(tx, change);
        expectIndexesRight(tx);
      });
    } else if (played.type === "commit") {
      await proposer.release(played.count);
    } else if (played.type === "drop") {
      await proposer.fail();
    } else if (played.type === "snapshot") {
      snapshots.push({ objects: store.objects(), expected: stateOf(store.objects()) });
    } else if (snapshots.length > 0) {
      // A leader that is replaced: what it proposed is lost, what it is sent counts.
      await proposer.fail();
      const { expected } = snapshots[at % snapshots.length]!;
      store.restore(expected.values(), store.revision + 5);
      expect(stateOf(store.objects())).toEqual(expected);
      [followed, place] = [stateOf(store.objects()), store.revision];
    }
    expectIndexesRight(store.view);
    attempt(expectIndexesRight);
  }
  await proposer.release();
  await Promise.all(outcomes);
  await catchUp();
  expect(followed).toEqual(stateOf(store.objects()));
  // Taken while writes went on, read long after.
  for (const { objects, expected } of snapshots) expect(stateOf(objects)).toEqual(expected);
}

test("indexes, followers and snapshots agree with the state after whatever happens", async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), play), { numRuns: 150 });
});
