import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { deferred } from "../../../src/base/deferred.js";
import { silentLogger } from "../../../src/base/log.js";
import { nextTurn } from "../../../src/base/next-turn.js";
import type { Cluster } from "../../../src/model/objects.js";
import { KeyKeeper } from "../../../src/node/key-keeper.js";
import { recordsOfMember } from "../../../src/node/member-records.js";
import { IdentityFiles } from "../../../src/pki/identity-files.js";
import { createUnlockKey } from "../../../src/pki/unlock-key.js";
import { Store } from "../../../src/store/store.js";
import { testCluster } from "../../support/cluster-object.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { until } from "../../support/until.js";

const ca = new TestCa();
const CLUSTER = testCluster();

let folder: string;
const stops: (() => Promise<void>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keeper-"));
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await rm(folder, { recursive: true });
});

/** A manager's keys on a real disk, with a store of its own; `reseal` is what the test says. */
async function keeperWith(options: { readonly reseal?: () => Promise<void>; readonly ready?: () => Promise<void>; readonly unlockKey?: Uint8Array } = {}) {
  const place = { folder, clock: systemClock };
  const files = (await IdentityFiles.open(place, options.unlockKey)) ?? (await IdentityFiles.create(place, ca.credentials("n1")));
  const codec = await recordsOfMember(files, { isBeginning: true });
  const store = new Store({ clock: systemClock });
  new MemoryProposer(store);
  const seen = { reseals: 0, locks: 0 };
  const manager = {
    store,
    ready: options.ready ?? (() => Promise.resolve()),
    reseal: async () => {
      seen.reseals++;
      await options.reseal?.();
    },
  };
  const keeper = new KeyKeeper({ files, codec, manager, clock: systemClock, logger: silentLogger, onLocked: () => seen.locks++ });
  stops.push(() => keeper.stop());
  keeper.start();
  const set = (change: Partial<Cluster>) =>
    store.update((tx) => {
      if (tx.cluster === undefined) tx.create("cluster", { ...CLUSTER, ...change });
      else tx.update("cluster", { ...tx.cluster, ...change });
    });
  return { files, codec, keeper, set, seen };
}

const reopened = async (unlockKey: Uint8Array | null = null) => (await IdentityFiles.open({ folder, clock: systemClock }, unlockKey))?.keys;

test("turning it on wraps the keys, makes a new data key and asks for a new certificate; rotating wraps anew; turning it off opens", async () => {
  const { files, keeper, set, seen } = await keeperWith();
  const [before] = files.keys.dataKeys;
  const [first, second] = [createUnlockKey(), createUnlockKey()];
  await set({ unlockKey: first, dataKeyEpoch: 1 });
  await keeper.keep();
  const locked = await reopened(first);
  expect(locked?.dataKeys).toEqual([{ key: expect.anything(), epoch: 1 }]);
  expect(locked?.dataKeys[0]?.key).not.toEqual(before?.key);
  expect(seen).toEqual({ reseals: 1, locks: 1 });
  await set({ unlockKey: second, dataKeyEpoch: 2 });
  await until("the keys are wrapped with the new key", () => files.keys.dataKeys.length === 1 && files.keys.dataKeys[0]?.epoch === 2);
  await expect(reopened(first)).rejects.toMatchObject({ code: "unauthenticated" });
  expect((await reopened(second))?.dataKeys[0]?.epoch).toBe(2);
  expect(seen).toEqual({ reseals: 2, locks: 1 });
  await set({ unlockKey: new Uint8Array(0) });
  await keeper.keep();
  expect(await reopened()).toMatchObject({ unlockKey: null, dataKeys: [{ epoch: 2 }] });
});

test("a rotation that was cut short goes on at the next start: until then both keys are kept", async () => {
  const cut = await keeperWith({ reseal: () => Promise.reject(new Error("no space left on device")) });
  await cut.set({ dataKeyEpoch: 1 });
  await expect(cut.keeper.keep()).rejects.toThrow("no space left");
  await cut.keeper.stop();
  expect((await reopened())?.dataKeys.map(({ epoch }) => epoch)).toEqual([1, 0]);
  const again = await keeperWith();
  await again.set({ dataKeyEpoch: 1 });
  await again.keeper.keep();
  expect((await reopened())?.dataKeys.map(({ epoch }) => epoch)).toEqual([1]);
});

test("stops when nothing is under way any more, whoever asked for it", async () => {
  const resealed = deferred<void>();
  const { keeper, set, seen } = await keeperWith({ ready: () => new Promise(() => undefined), reseal: () => resealed.promise });
  await set({ dataKeyEpoch: 1 });
  const kept = keeper.keep();
  await until("it reseals", () => seen.reseals === 1);
  const order: string[] = [];
  const stopped = keeper.stop().then(() => order.push("stopped"));
  await nextTurn();
  order.push("resealed");
  resealed.resolve();
  await Promise.all([kept, stopped]);
  expect(order).toEqual(["resealed", "stopped"]);
});

test("a copy that may lag behind is not believed: what the file has may be newer", async () => {
  const unlockKey = createUnlockKey();
  const first = await keeperWith();
  await first.set({ unlockKey, dataKeyEpoch: 1 });
  await first.keeper.keep();
  await first.keeper.stop();
  let catchUp: () => void = () => undefined;
  const caughtUp = new Promise<void>((resolve) => {
    catchUp = resolve;
  });
  const again = await keeperWith({ unlockKey, ready: () => caughtUp });
  await again.set({ unlockKey: createUnlockKey(), dataKeyEpoch: 0 }); // As an old snapshot has it.
  await again.set({ unlockKey, dataKeyEpoch: 1 });
  catchUp();
  await again.keeper.keep();
  expect((await reopened(unlockKey))?.dataKeys).toEqual(again.files.keys.dataKeys);
  expect(again.seen).toEqual({ reseals: 0, locks: 0 });
});

test("a node that is no manager any more locks nothing", async () => {
  const { files, keeper, set } = await keeperWith();
  await files.replace(ca.credentials("n1", "worker"), { isWorker: true });
  await set({ unlockKey: createUnlockKey(), dataKeyEpoch: 1 });
  await keeper.keep();
  expect(await reopened()).toMatchObject({ unlockKey: null, dataKeys: [] });
});

test("says why the keys are not as they should be, until they are", async () => {
  let isFull = true;
  const { keeper, set } = await keeperWith({ reseal: () => (isFull ? Promise.reject(new Error("no space")) : Promise.resolve()) });
  expect(keeper.error).toBe("");
  await set({ unlockKey: createUnlockKey() });
  await set({ dataKeyEpoch: 1 });
  await until("it says so", () => keeper.error === "this manager's keys are not as the cluster wants them yet: no space");
  isFull = false;
  await until("it says nothing any more", () => keeper.error === "");
});
