import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { integerBetween, SeededRandom } from "../../../src/base/random.js";
import type { Config, Transaction } from "../../../src/model/objects.js";
import { Store } from "../../../src/store/store.js";
import { PENDING_VERSION } from "../../../src/store/transaction-builder.js";
import { MemoryProposer } from "../../support/memory-proposer.js";

const config = (id: string, name: string): Config => ({ id, meta: null, spec: { name, labels: {}, data: new Uint8Array(0), templating: null } });

/**
 * Random transactions over few objects, random commits and failures. A model of what is proposed is kept beside; a second member
 * applies only what was committed.
 */
test.each(Array.from({ length: 40 }, (_, seed) => seed))("proposed and applied state stay right, seed %i", async (seed) => {
  const random = new SeededRandom(seed);
  const clock = new FakeClock();
  const store = new Store({ clock });
  const proposer = new MemoryProposer(store);
  let proposed = new Map<string, string>();
  const steps: Map<string, string>[] = [];
  for (let step = 0; step < 200; step++) {
    const choice = integerBetween(random, 0, 9);
    if (choice < 6) {
      proposer.hold();
      const id = `c${integerBetween(random, 0, 4)}`;
      const name = `n${step}`;
      const isClientWrite = random.next() < 0.5;
      store
        .update((tx) => {
          expect(new Map([...tx.configs.all()].map((found) => [found.id, found.spec?.name ?? ""]))).toEqual(proposed);
          expect(tx.configs.size).toBe(proposed.size);
          if (!proposed.has(id)) tx.create("config", config(id, name), { isClientWrite });
          else if (random.next() < 0.2) tx.remove("config", id);
          else tx.update("config", config(id, name), { isClientWrite });
          const found = tx.configs.get(id);
          expect(tx.configs.byName(name)).toEqual(found === undefined ? [] : [found]);
          proposed = new Map([...tx.configs.all()].map((other) => [other.id, other.spec?.name ?? ""]));
        })
        .catch(() => undefined);
      steps.push(proposed);
    } else if (choice < 9) {
      const count = integerBetween(random, 0, 3);
      await proposer.release(count);
      steps.splice(0, count);
    } else {
      await proposer.fail();
      steps.length = 0;
      proposed = new Map([...store.view.configs.all()].map((other) => [other.id, other.spec?.name ?? ""]));
    }
  }
  await proposer.release();
  expect(new Map([...store.view.configs.all()].map((found) => [found.id, found.spec?.name ?? ""]))).toEqual(proposed);
  for (const object of store.view.configs.all()) {
    expect(object.meta?.version).toBeLessThanOrEqual(store.revision);
    await store.update((tx) => {
      expect(tx.configs.get(object.id)).toBe(object);
      expect(tx.configs.get(object.id)?.meta?.version).not.toBe(PENDING_VERSION);
    });
  }
  const other = new Store({ clock });
  proposer.committed.forEach((transaction, at) => {
    other.apply(at + 1, transaction);
  });
  expect([...other.objects()]).toEqual([...store.objects()]);
});

test("what is left when a later write is refused knows the version that was applied meanwhile", async () => {
  const store = new Store({ clock: new FakeClock() });
  const outcomes: { readonly resolve: () => void; readonly reject: (cause: Error) => void }[] = [];
  const proposed: Transaction[] = [];
  store.setProposer({
    propose: (transaction) => {
      proposed.push(transaction);
      return new Promise((resolve, reject) => outcomes.push({ resolve, reject }));
    },
    assertRoom: () => undefined,
  });
  const write = (name: string, isClientWrite: boolean) => store.update((tx) => tx.update("config", config("a", name), { isClientWrite }) as undefined);
  store.apply(1, { proposalId: 0, atMs: 5, changes: [{ clientWrite: true, type: "create", create: { type: "config", config: config("a", "0") } }] });
  const client = write("1", true);
  const kept = write("2", false);
  const refused = write("3", false);
  store.apply(2, proposed[0]!);
  outcomes[0]!.resolve();
  await client;
  outcomes[2]!.reject(new Error("refused"));
  await expect(refused).rejects.toThrow("refused");
  const read = store.update((tx) => {
    expect(tx.configs.get("a")).toMatchObject({ spec: { name: "2" }, meta: { version: 2, createdAtMs: 5 } });
  });
  store.apply(3, proposed[1]!);
  outcomes[1]!.resolve();
  await Promise.all([kept, read]);
});
