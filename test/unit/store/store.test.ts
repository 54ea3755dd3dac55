import { describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import type { Secret, StoreObject, Task, Transaction } from "../../../src/model/objects.js";
import { Store } from "../../../src/store/store.js";
import { PENDING_VERSION } from "../../../src/store/transaction-builder.js";
import type { StoreEvent, StoreTransaction } from "../../../src/store/view.js";
import { testCluster } from "../../support/cluster-object.js";
import { MemoryProposer } from "../../support/memory-proposer.js";

const secret = (id: string, name: string): Secret => ({
  id,
  meta: null,
  spec: { name, labels: {}, data: new Uint8Array(0), driver: null, templating: null },
});
const task = (id: string, fields: Partial<Task>): Task => ({
  id,
  meta: null,
  name: id,
  labels: {},
  serviceId: "",
  serviceName: "",
  serviceLabels: {},
  slot: 0,
  nodeId: "",
  spec: null,
  specVersion: 0,
  status: null,
  desiredState: "running",
  endpoint: null,
  networks: [],
  assignedGenericResources: [],
  jobIteration: 0,
  ...fields,
});

function newStore() {
  const clock = new FakeClock(1000);
  const store = new Store({ clock });
  const proposer = new MemoryProposer(store);
  const put = (object: Secret, isClientWrite = false) =>
    store.update((tx) => {
      if (tx.secrets.get(object.id) === undefined) tx.create("secret", object, { isClientWrite });
      else tx.update("secret", object, { isClientWrite });
    });
  return { clock, store, proposer, put };
}

describe("reading and looking up", () => {
  test("finds by id, name without case, and prefix of the id", async () => {
    const { store, put } = newStore();
    await put(secret("abc1", "Alpha"));
    await put(secret("abd2", "beta"));
    expect(store.view.secrets.get("abc1")?.spec?.name).toBe("Alpha");
    expect(store.view.secrets.byName("aLPHA").map((found) => found.id)).toEqual(["abc1"]);
    expect(store.view.secrets.byIdPrefix("ab").map((found) => found.id)).toEqual(["abc1", "abd2"]);
    expect(store.view.secrets.size).toBe(2);
  });

  test("indexes of tasks follow what is written", async () => {
    const { store } = newStore();
    await store.update((tx) => {
      tx.create("task", task("t1", { serviceId: "s", slot: 1 }));
      tx.create("task", task("t2", { serviceId: "s", slot: 0, nodeId: "n" }));
    });
    expect(store.view.tasks.byService("s").map((found) => found.id)).toEqual(["t1", "t2"]);
    expect(store.view.tasks.bySlot("s/1").map((found) => found.id)).toEqual(["t1"]);
    expect(store.view.tasks.bySlot("s/n").map((found) => found.id)).toEqual(["t2"]);
    await store.update((tx) => {
      tx.update("task", task("t1", { serviceId: "s", slot: 1, nodeId: "n" }));
      tx.remove("task", "t2");
    });
    expect(store.view.tasks.byNode("n").map((found) => found.id)).toEqual(["t1"]);
    expect(store.view.tasks.bySlot("s/n")).toEqual([]);
    expect(store.view.tasks.byService("s").map((found) => found.id)).toEqual(["t1"]);
  });

  test("the cluster object is the only one of its kind", async () => {
    const { store } = newStore();
    expect(store.view.cluster).toBeUndefined();
    await store.update((tx) => tx.create("cluster", testCluster({ id: "c" })) as undefined);
    expect(store.view.cluster?.id).toBe("c");
  });
});

describe("transactions", () => {
  test("read their own writes and those of pending ones; readers do not", async () => {
    const { store, proposer, put } = newStore();
    await put(secret("a", "first"));
    proposer.hold();
    const writes = [
      put(secret("a", "second")),
      store.update((tx) => {
        expect(tx.secrets.get("a")?.spec?.name).toBe("second");
        expect(tx.secrets.byName("first")).toEqual([]);
        tx.create("secret", secret("b", "new"));
        expect(tx.secrets.byName("new").map((found) => found.id)).toEqual(["b"]);
        expect([...tx.secrets.all()].map((found) => found.id).sort()).toEqual(["a", "b"]);
        expect(tx.secrets.byIdPrefix("").length).toBe(2);
        tx.remove("secret", "a");
        expect(tx.secrets.get("a")).toBeUndefined();
        expect(tx.secrets.size).toBe(1);
      }),
    ];
    expect(store.view.secrets.get("a")?.spec?.name).toBe("first");
    expect(store.view.secrets.size).toBe(1);
    await proposer.release();
    await Promise.all(writes);
    expect([...store.view.secrets.all()].map((found) => found.id)).toEqual(["b"]);
  });

  test.each<[string, string, (tx: StoreTransaction) => void]>([
    ["create of one that exists", "already_exists", (tx) => tx.create("secret", secret("a", "y"))],
    ["update of one that does not", "not_found", (tx) => tx.update("secret", secret("b", "y"))],
    ["remove of one that does not", "not_found", (tx) => tx.remove("secret", "b")],
    ["create without an id", "invalid_argument", (tx) => tx.create("secret", secret("", "y"))],
  ])("%s is refused", async (_title, code, write) => {
    const { store, proposer, put } = newStore();
    await put(secret("a", "x"));
    await expect(store.update((tx) => void write(tx))).rejects.toMatchObject({ code });
    expect(proposer.committed.length).toBe(1);
  });

  test("a callback that throws proposes nothing", async () => {
    const { store, proposer } = newStore();
    const thrown = new ClusterError("conflict", "no");
    await expect(
      store.update((tx) => {
        tx.create("secret", secret("a", "x"));
        throw thrown;
      }),
    ).rejects.toBe(thrown);
    expect(proposer.committed).toEqual([]);
    expect(store.view.secrets.size).toBe(0);
  });

  test("without a proposer nothing runs", async () => {
    const { store } = newStore();
    store.setProposer(null);
    let ran = false;
    const update = store.update(() => {
      ran = true;
    });
    await expect(update).rejects.toMatchObject({ code: "no_leader" });
    expect(ran).toBe(false);
  });

  test("one that writes nothing waits for what it read", async () => {
    const { store, proposer, put } = newStore();
    proposer.hold();
    const order: string[] = [];
    const write = put(secret("a", "x")).then(() => order.push("write"));
    const read = store.update((tx) => void tx.secrets.get("a")).then(() => order.push("read"));
    await proposer.release();
    await Promise.all([write, read]);
    expect(order).toEqual(["write", "read"]);
    await store.update(() => undefined);
  });

  test("one that writes nothing waits for all that is pending", async () => {
    const { store, proposer, put } = newStore();
    proposer.hold();
    const order: string[] = [];
    const writes = ["a", "b", "c"].map((id) => put(secret(id, "x")).then(() => order.push(id)));
    const read = store.update((tx) => void tx.secrets.size).then(() => order.push("read"));
    await proposer.release(1);
    expect(order).toEqual(["a"]);
    await proposer.release();
    await Promise.all([...writes, read]);
    expect(order).toEqual(["a", "b", "c", "read"]);
  });

  test("what another member wrote before is applied under what is pending", async () => {
    const { store, proposer, put } = newStore();
    proposer.hold();
    const write = put(secret("a", "mine"));
    const create = { type: "secret" as const, secret: secret("a", "theirs") };
    store.apply(1, { proposalId: 0, atMs: 1, changes: [{ clientWrite: true, type: "create", create }] });
    expect(store.view.secrets.get("a")?.spec?.name).toBe("theirs");
    await store
      .update((tx) => {
        expect(tx.secrets.get("a")?.spec?.name).toBe("mine");
        throw new ClusterError("conflict", "only a look");
      })
      .catch((cause: unknown) => expect(cause).toMatchObject({ code: "conflict" }));
    await proposer.release();
    await write;
    expect(store.view.secrets.get("a")?.spec?.name).toBe("mine");
  });

  test("after a dropped one all later ones fail with its outcome and their writes are gone", async () => {
    const { store, proposer, put } = newStore();
    proposer.hold();
    const outcomes = Promise.allSettled([
      put(secret("a", "1")),
      put(secret("b", "2")),
      store.update((tx) => tx.update("secret", secret("b", "3")) as undefined),
    ]);
    await proposer.release(1);
    await proposer.fail();
    expect((await outcomes).map((outcome) => (outcome.status === "fulfilled" ? "ok" : outcome.reason.code))).toEqual([
      "ok",
      "outcome_unknown",
      "outcome_unknown",
    ]);
    await store.update((tx) => {
      expect(tx.secrets.get("a")).toBeDefined();
      expect(tx.secrets.get("b")).toBeUndefined();
    });
  });

  test("one that is applied although its outcome is lost fails alone, and stands", async () => {
    const { store, proposer } = newStore();
    const lost = new ClusterError("outcome_unknown", "leadership was lost");
    const propose = async (transaction: Transaction) => {
      await Promise.resolve();
      store.apply(1, transaction);
      throw lost;
    };
    store.setProposer({ propose, assertRoom: () => undefined });
    await expect(store.update((tx) => tx.create("secret", secret("a", "a")) as undefined)).rejects.toBe(lost);
    store.setProposer(proposer);
    await store.update((tx) => tx.create("secret", secret("b", "b")) as undefined);
    expect([...store.view.secrets.all()].map(({ id }) => id)).toEqual(["a", "b"]);
  });

  test("one inside another is an error, and the next one is none", async () => {
    const { store } = newStore();
    const inner: Promise<void>[] = [];
    await store.update(() => {
      inner.push(store.update(() => undefined));
    });
    await expect(inner[0]).rejects.toThrow("a transaction does not start another one");
    await expect(store.update(() => undefined)).resolves.toBeUndefined();
  });

  test("a transaction that was kept cannot write later", async () => {
    const { store } = newStore();
    let kept: StoreTransaction | undefined;
    await store.update((tx) => {
      kept = tx;
    });
    expect(() => kept?.create("secret", secret("a", "x"))).toThrow("the transaction is over");
    expect(() => kept?.remove("secret", "a")).toThrow("the transaction is over");
  });
});

describe("versions", () => {
  test("only client writes move the version, everything moves the revision", async () => {
    const { clock, store, put } = newStore();
    await put(secret("a", "1"), true);
    expect(store.view.secrets.get("a")?.meta).toEqual({ version: 1, revision: 1, createdAtMs: 1000, updatedAtMs: 1000 });
    await clock.advance(5);
    await put(secret("a", "2"));
    expect(store.view.secrets.get("a")?.meta).toEqual({ version: 1, revision: 2, createdAtMs: 1000, updatedAtMs: 1005 });
    await put(secret("a", "2"), true);
    expect(store.view.secrets.get("a")?.meta).toMatchObject({ version: 3, revision: 3 });
  });

  test("a create that no client asked for has its index as version", async () => {
    const { store, put } = newStore();
    await put(secret("z", "0"));
    await put(secret("a", "1"));
    expect(store.view.secrets.get("a")?.meta).toMatchObject({ version: 2, revision: 2 });
  });

  test("a pending client write is a version that no client can have read; a pending status write is not", async () => {
    const { store, proposer, put } = newStore();
    const versionSeen = () => {
      let version = 0;
      store.update((tx) => {
        version = tx.secrets.get("a")?.meta?.version ?? -1;
      });
      return version;
    };
    await put(secret("a", "1"), true);
    proposer.hold();
    const status = put(secret("a", "2"));
    expect(versionSeen()).toBe(1);
    const client = put(secret("a", "3"), true);
    const later = put(secret("a", "4"));
    expect(versionSeen()).toBe(PENDING_VERSION);
    await proposer.release(1);
    expect(versionSeen()).toBe(PENDING_VERSION);
    await proposer.release(1);
    await Promise.all([status, client]);
    expect(store.view.secrets.get("a")?.meta).toMatchObject({ version: 3, revision: 3 });
    // The later status write is still pending, yet the client's version is known now.
    expect(versionSeen()).toBe(3);
    await proposer.release();
    await later;
    expect(store.view.secrets.get("a")?.meta).toMatchObject({ version: 3, revision: 4 });
  });

  test("what is written and not applied yet has its times, and no version that a client can send", async () => {
    const { clock, store, proposer } = newStore();
    expect(PENDING_VERSION).toBeLessThan(0);
    const metaOf = (tx: StoreTransaction) => tx.secrets.get("a")?.meta;
    const pending = { version: PENDING_VERSION, revision: PENDING_VERSION, createdAtMs: 1000 };
    proposer.hold();
    const created = store.update((tx) => {
      tx.create("secret", secret("a", "1"));
      expect(metaOf(tx)).toEqual({ ...pending, updatedAtMs: 1000 });
    });
    await clock.advance(5);
    const updated = store.update((tx) => {
      tx.update("secret", secret("a", "2"));
      expect(metaOf(tx)).toEqual({ ...pending, updatedAtMs: 1005 });
    });
    await proposer.release();
    await Promise.all([created, updated]);
  });

  test("a write is no client's unless it says so", async () => {
    const { store, proposer } = newStore();
    await store.update((tx) => tx.create("secret", secret("a", "1")) as undefined);
    await store.update((tx) => tx.update("secret", secret("a", "2")) as undefined);
    expect(store.view.secrets.get("a")?.meta).toMatchObject({ version: 1, revision: 2 });
    await store.update((tx) => tx.remove("secret", "a") as undefined);
    await store.update((tx) => tx.create("secret", secret("a", "3"), { isClientWrite: true }) as undefined);
    await store.update((tx) => tx.remove("secret", "a", { isClientWrite: true }) as undefined);
    expect(proposer.committed.flatMap(({ changes }) => changes.map(({ clientWrite }) => clientWrite))).toEqual([false, false, false, true, true]);
  });

  test("what is proposed carries no meta, so that members cannot differ", async () => {
    const { proposer, put } = newStore();
    await put(secret("a", "1"), true);
    await put({ ...secret("a", "2"), meta: { version: 77, revision: 77, createdAtMs: 1, updatedAtMs: 1 } });
    expect(proposer.committed.flatMap((committed) => committed.changes).map((change) => (change.type === "remove" ? null : change))).toMatchObject([
      { create: { secret: { meta: null } } },
      { update: { secret: { meta: null } } },
    ]);
  });
});

describe("watching and snapshots", () => {
  test("watchers see each applied transaction with what was before, in order", async () => {
    const { store, put } = newStore();
    const seen: StoreEvent[] = [];
    const stop = store.watch((events) => seen.push(...events));
    await put(secret("a", "1"));
    await put(secret("a", "2"));
    await store.update((tx) => tx.remove("secret", "a") as undefined);
    stop();
    await put(secret("b", "1"));
    expect(seen.map((event) => [event.action, event.object.id, event.previous?.meta?.revision])).toEqual([
      ["create", "a", undefined],
      ["update", "a", 1],
      ["remove", "a", 2],
    ]);
  });

  test("the same listener may watch twice, and one that was stopped meanwhile is not called any more", async () => {
    const { store, put } = newStore();
    let calls = 0;
    const listener = () => {
      calls++;
    };
    const stopFirst = store.watch(listener);
    store.watch(() => stopThird());
    const stopThird = store.watch(listener);
    store.watch(listener);
    await put(secret("a", "1"));
    expect(calls).toBe(2);
    stopFirst();
    await put(secret("a", "2"));
    expect(calls).toBe(3);
  });

  test("transactions that change nothing are no news, and those that come too late are an error", () => {
    const { store } = newStore();
    let calls = 0;
    store.watch(() => {
      calls++;
    });
    const remove = { proposalId: 0, atMs: 1, changes: [{ clientWrite: false, type: "remove" as const, remove: { kind: "secret" as const, id: "a" } }] };
    store.apply(4, remove);
    store.apply(4, remove);
    expect(calls).toBe(0);
    expect(() => store.apply(3, remove)).toThrow("transactions are applied in order (3 after 4)");
    expect(store.revision).toBe(4);
  });

  test("nothing is applied while a snapshot is restored", async () => {
    const { store, put } = newStore();
    const restoration = store.startRestore();
    await put(secret("a", "1"));
    expect(() => restoration.finish(9)).toThrow("nothing is applied while a snapshot is restored");
    expect(store.view.secrets.get("a")).toBeDefined();
  });

  test("a watcher may write: its transaction sees the applied state without stale versions", async () => {
    const { store, put } = newStore();
    let version: number | undefined;
    const stop = store.watch(() => {
      stop();
      store.update((tx) => {
        version = tx.secrets.get("a")?.meta?.version;
      });
    });
    await put(secret("a", "1"), true);
    expect(version).toBe(1);
  });

  test("an iteration that was begun does not see later changes", async () => {
    const { store, put } = newStore();
    await put(secret("a", "1"));
    await put(secret("b", "1"));
    const objects = store.objects()[Symbol.iterator]();
    const names: unknown[] = [(objects.next().value as StoreObject & { type: "secret" }).secret.spec?.name];
    await put(secret("b", "2"));
    await put(secret("c", "1"));
    for (let next = objects.next(); !next.done; next = objects.next()) names.push((next.value as StoreObject & { type: "secret" }).secret.id);
    expect(names).toEqual(["1", "b"]);
  });

  test("restore replaces everything, and watchers get the difference only", async () => {
    const { store, put } = newStore();
    await put(secret("same", "1"));
    await put(secret("gone", "1"));
    await put(secret("changed", "1"));
    const copy = [...store.objects()];
    const other = new Store({ clock: new FakeClock() });
    other.restore(copy, 3);
    new MemoryProposer(other);
    await other.update((tx) => {
      tx.remove("secret", "gone");
      tx.update("secret", secret("changed", "2"));
      tx.create("secret", secret("new", "1"));
    });
    const seen: string[] = [];
    store.watch((events) => seen.push(...events.map((event) => `${event.action} ${event.object.id}`)));
    const kept = store.view.secrets.get("same");
    store.restore(structuredClone([...other.objects()]), other.revision);
    expect(store.view.secrets.get("same")).toBe(kept);
    expect(seen.sort()).toEqual(["create new", "remove gone", "update changed"]);
    expect([...store.objects()]).toEqual([...other.objects()]);
    expect(store.revision).toBe(4);
    expect(store.view.secrets.byName("2").map((found) => found.id)).toEqual(["changed"]);
  });
});
