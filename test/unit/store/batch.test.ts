import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { type Deferred, deferred } from "../../../src/base/deferred.js";
import type { Task, Transaction } from "../../../src/model/objects.js";
import { roughBytes } from "../../../src/store/object-size.js";
import { Store } from "../../../src/store/store.js";
import { ChangeBatchCodec, StoreObjectCodec } from "../../../src/wire/generated/objects.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { serviceSpec, testService } from "../../support/services.js";
import { assignedTask } from "../../support/tasks.js";

const task = (id: string, bytes = 0): Task => ({ ...assignedTask(id), meta: null, labels: bytes === 0 ? {} : { filler: "x".repeat(bytes) } });
const newStore = () => {
  const store = new Store({ clock: new FakeClock() });
  return { store, proposer: new MemoryProposer(store) };
};
const create = (store: Store, tasks: readonly Task[]) => store.batch(tasks, (tx, each) => tx.create("task", each));
const sizesOf = (proposer: MemoryProposer) => proposer.committed.map((transaction) => ChangeBatchCodec.encode({ transactions: [transaction] }).length);

test("many small writes go into transactions of 200, in order", async () => {
  const { store, proposer } = newStore();
  await create(
    store,
    Array.from({ length: 100_000 }, (_, at) => task(`t${at}`)),
  );
  expect(proposer.committed.length).toBe(500);
  expect(new Set(proposer.committed.map(({ changes }) => changes.length))).toEqual(new Set([200]));
  expect([...store.view.tasks.all()].map(({ id }) => id)).toEqual(Array.from({ length: 100_000 }, (_, at) => `t${at}`));
});

test("large writes make transactions smaller, and the largest are alone", async () => {
  const { store, proposer } = newStore();
  const sizes = [10, 600_000, 600_000, 600_000, 1_450_000, 10, 10, 1_399_000];
  await create(
    store,
    sizes.map((size, at) => task(`t${at}`, size)),
  );
  expect(proposer.committed.map(({ changes }) => changes.length)).toEqual([3, 1, 1, 2, 1]);
  expect(Math.max(...sizesOf(proposer))).toBeLessThan(1_500_000);
  expect(store.view.tasks.size).toBe(sizes.length);
});

test("no more than eight transactions are under way, and a failure ends the rest", async () => {
  const { store, proposer } = newStore();
  proposer.hold();
  const batch = create(
    store,
    Array.from({ length: 4_000 }, (_, at) => task(`t${at}`)),
  );
  expect(proposer.pending).toBe(8);
  await proposer.release(3);
  expect(proposer.pending).toBe(8);
  await Promise.all([proposer.fail(), expect(batch).rejects.toMatchObject({ code: "outcome_unknown" })]);
  expect(store.view.tasks.size).toBe(600);
});

test("what a write throws ends the batch; what came before stands", async () => {
  const { store } = newStore();
  await create(store, [task("t3")]);
  const tasks = Array.from({ length: 300 }, (_, at) => task(`n${at}`));
  await expect(create(store, [...tasks, task("t3")])).rejects.toMatchObject({ code: "already_exists" });
  expect(store.view.tasks.size).toBe(201);
});

test("writes that find nothing to do make no transaction", async () => {
  const { store, proposer } = newStore();
  await store.batch([1, 2, 3], () => undefined);
  expect(proposer.committed).toEqual([]);
});

test("the rough size of an object is no less than that on the wire", () => {
  const heavy = { ...assignedTask("t"), labels: { ключ: "значение", "": "", a: "\u{1f600}".repeat(100) }, slot: 2 ** 40 };
  const ports = Array.from({ length: 1_000 }, (_, at) => ({
    name: "p",
    protocol: "udp" as const,
    targetPort: at,
    publishedPort: at,
    publishMode: "host" as const,
  }));
  const service = testService(
    serviceSpec({ endpoint: { mode: "vip", ports }, labels: Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`k${at}`, "v"])) }),
  );
  expect(roughBytes(heavy)).toBeGreaterThanOrEqual(StoreObjectCodec.encode({ type: "task", task: heavy }).length);
  expect(roughBytes(service)).toBeGreaterThanOrEqual(StoreObjectCodec.encode({ type: "service", service }).length);
});

test("a transaction that is refused does not take those that were written after it along", async () => {
  const { store, proposer } = newStore();
  const refusing = {
    propose: (transaction: Parameters<MemoryProposer["propose"]>[0]) => {
      if (transaction.changes.length > 1) throw new Error("too large");
      return proposer.propose(transaction);
    },
    assertRoom: () => undefined,
  };
  store.setProposer(refusing);
  const refused = store.update((tx) => {
    tx.create("task", task("a"));
    tx.create("task", task("b"));
  });
  const next = store.update((tx) => {
    expect(tx.tasks.get("a")).toBeUndefined();
    tx.create("task", task("c"));
  });
  await expect(refused).rejects.toThrow("too large");
  await next;
  expect([...store.view.tasks.all()].map(({ id }) => id)).toEqual(["c"]);
});

test("nothing is written after a write that threw, whatever is committed meanwhile", async () => {
  const { store, proposer } = newStore();
  proposer.hold();
  const tasks = Array.from({ length: 300 }, (_, at) => task(`t${at}`));
  let isThrown = false;
  const batch = store.batch(tasks, (tx, each) => {
    if (each.id === "t250" && store.view.tasks.size === 0) {
      isThrown = true;
      throw new Error("not yet");
    }
    tx.create("task", each);
  });
  await Promise.all([proposer.release(), expect(batch).rejects.toThrow("not yet")]);
  expect(isThrown).toBe(true);
  expect(store.view.tasks.size).toBe(200);
});

test("nothing is written after a write that has no room in an entry of the log", async () => {
  const { store, proposer } = newStore();
  store.setProposer({
    propose: (transaction) => {
      if (transaction.changes.some((change) => change.type === "create" && change.create.type === "task" && change.create.task.id === "huge"))
        throw new Error("too large");
      return proposer.propose(transaction);
    },
    assertRoom: () => undefined,
  });
  await expect(create(store, [task("before"), task("huge", 1_600_000), task("after")])).rejects.toThrow("too large");
  expect([...store.view.tasks.all()].map(({ id }) => id)).toEqual(["before"]);
});

test("nothing is written after a transaction that is lost while an earlier one is under way", async () => {
  const store = new Store({ clock: new FakeClock() });
  const outcomes: Deferred<void>[] = [];
  const proposed: Transaction[] = [];
  store.setProposer({
    propose: (transaction) => {
      proposed.push(transaction);
      const outcome = deferred<void>();
      outcomes.push(outcome);
      return outcome.promise;
    },
    assertRoom: () => undefined,
  });
  const batch = create(
    store,
    Array.from({ length: 4_000 }, (_, at) => task(`t${at}`)),
  );
  for (const outcome of outcomes.slice(1)) outcome.reject(new Error("the leadership moves"));
  await new Promise((resolve) => setImmediate(resolve));
  store.apply(1, proposed[0]!);
  outcomes[0]!.resolve();
  await expect(batch).rejects.toThrow("the leadership moves");
  expect(proposed).toHaveLength(8);
});

test.each<[string, unknown]>([
  ["a text", "x".repeat(1_000)],
  ["a text in a list", ["x".repeat(1_000)]],
  ["a text in a map", { label: "x".repeat(1_000) }],
  ["a name in a map", { ["x".repeat(1_000)]: "" }],
  ["bytes in a list", [new Uint8Array(1_000)]],
  ["a list in an object in a list", [{ list: ["x".repeat(1_000)] }]],
])("%s is measured", (_, value) => {
  expect(roughBytes(value)).toBeGreaterThanOrEqual(1_000);
});
