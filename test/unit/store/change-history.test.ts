import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import type { ObjectKind, Secret } from "../../../src/model/objects.js";
import { type AppliedChanges, ChangeHistory } from "../../../src/store/change-history.js";
import { Store } from "../../../src/store/store.js";
import type { StoreEvent } from "../../../src/store/view.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { assignedTask } from "../../support/tasks.js";

const secret = (id: string, bytes = 0): Secret => ({
  id,
  meta: null,
  spec: { name: id, labels: {}, data: new Uint8Array(bytes), driver: null, templating: null },
});
const created = (id: string, bytes = 0): StoreEvent => ({ kind: "secret", action: "create", object: secret(id, bytes), previous: undefined });
const change = (revision: number, ...ids: readonly string[]): AppliedChanges => ({ revision, atMs: revision, events: ids.map((id) => created(id)) });
const never = new AbortController().signal;

/** What a follower gets before it has to wait. */
async function available(changes: AsyncGenerator<AppliedChanges, void, undefined>): Promise<readonly string[]> {
  const found: string[] = [];
  for (;;) {
    const waiting = Symbol();
    const next = await Promise.race([changes.next(), new Promise<typeof waiting>((resolve) => setImmediate(() => resolve(waiting)))]);
    if (next === waiting || (next as IteratorResult<AppliedChanges>).done === true) return found;
    const { revision, events } = (next as IteratorYieldResult<AppliedChanges>).value;
    found.push(`${revision}:${events.map((event) => event.object.id).join("+")}`);
  }
}

describe("followers", () => {
  test("begin where they say, or now, and see each revision whole and once", async () => {
    const history = new ChangeHistory();
    history.record(change(3, "a", "b"));
    history.record(change(3, "c"));
    history.record(change(5, "d"));
    const [all, late, now] = [0, 3, undefined].map((after) => history.follow({ ...(after === undefined ? {} : { after }), signal: never }));
    expect(await available(all!)).toEqual(["3:a+b+c", "5:d"]);
    expect(await available(late!)).toEqual(["5:d"]);
    history.record(change(6, "e"));
    expect(await available(now!)).toEqual(["6:e"]);
  });

  test("are woken by what is applied, and end with their signal", async () => {
    const history = new ChangeHistory();
    const stop = new AbortController();
    const changes = history.follow({ signal: stop.signal });
    const first = changes.next();
    history.record(change(1, "a"));
    expect(await first).toMatchObject({ value: { revision: 1, atMs: 1 } });
    const second = changes.next();
    stop.abort();
    expect(await second).toMatchObject({ done: true });
    expect(await available(history.follow({ after: 0, signal: stop.signal }))).toEqual(["1:a"]);
  });

  test("get only the kinds that they want", async () => {
    const history = new ChangeHistory();
    const follower = history.follow({ kinds: ["node"], signal: never });
    history.record(change(1, "a"));
    expect(await available(follower)).toEqual([]);
  });

  test("that want a revision that is yet to come, or is gone, are told at once", () => {
    const history = new ChangeHistory({ eventsMax: 2, bytesMax: 1_000_000 });
    for (let revision = 1; revision <= 4; revision++) history.record(change(revision, `s${revision}`));
    expect(() => history.follow({ after: 9, signal: never })).toThrow("there is no revision 9 yet: the newest is 4");
    expect(() => history.follow({ after: 1, signal: never })).toThrow("revision 1 is too old: changes are kept from revision 2 on; list again");
    expect(history.past(["secret"]).map(({ revision }) => revision)).toEqual([3, 4]);
  });

  test("that are too slow are told, and hold nothing meanwhile", async () => {
    const history = new ChangeHistory({ eventsMax: 10, bytesMax: 1_000_000 });
    const slow = history.follow({ signal: never });
    history.record(change(1, "s1"));
    expect(await slow.next()).toMatchObject({ value: { revision: 1 } });
    for (let revision = 2; revision <= 12; revision++) history.record(change(revision, `s${revision}`));
    await expect(slow.next()).rejects.toMatchObject({ code: "out_of_range", message: expect.stringContaining("list again") });
  });

  test("of a rare kind are not too slow because another kind is busy", async () => {
    const history = new ChangeHistory({ eventsMax: 10, bytesMax: 1_000_000 });
    const rare = history.follow({ kinds: ["secret"], signal: never });
    history.record(change(1, "a"));
    for (let revision = 2; revision < 1_000; revision++) {
      history.record({ revision, atMs: 0, events: [{ kind: "task", action: "create", object: assignedTask(`t${revision}`), previous: undefined }] });
    }
    expect(await available(rare)).toEqual(["1:a"]);
    expect(() => history.follow({ after: 1, signal: never })).toThrow("too old");
  });

  test("of before a snapshot cannot go on", async () => {
    const history = new ChangeHistory();
    history.record(change(1, "a"));
    const follower = history.follow({ signal: never });
    history.reset(10);
    await expect(follower.next()).rejects.toMatchObject({ code: "out_of_range" });
    expect(() => history.follow({ after: 1, signal: never })).toThrow("from revision 10 on");
    expect(history.past(["secret"])).toEqual([]);
  });
});

test("a follower that waits is told at once that the state was replaced", async () => {
  const history = new ChangeHistory();
  const waiting = history.follow({ signal: never }).next();
  history.reset(10);
  await expect(waiting).rejects.toMatchObject({ code: "out_of_range" });
});

test("followers from everywhere get all that came after, or are told, and only when something of it is gone", async () => {
  const KINDS = ["secret", "task"] as const;
  const EVENTS_MAX = 4;
  const event = (kind: (typeof KINDS)[number], id: string): StoreEvent =>
    kind === "secret" ? created(id) : { kind, action: "create", object: assignedTask(id), previous: undefined };
  const steps = fc.array(
    fc.oneof({ weight: 9, arbitrary: fc.array(fc.constantFrom(...KINDS), { maxLength: 6 }) }, { weight: 1, arbitrary: fc.constant("reset") }),
    {
      maxLength: 20,
    },
  );
  const play = async (played: (readonly (typeof KINDS)[number][] | string)[]) => {
    const history = new ChangeHistory({ eventsMax: EVENTS_MAX, bytesMax: 1_000_000 });
    let all: { readonly revision: number; readonly kind: string; readonly id: string }[] = [];
    let revision = 0;
    let resetAt = 0;
    for (const step of played) {
      revision += 2;
      if (typeof step === "string") {
        [all, resetAt] = [[], revision];
        history.reset(revision);
        continue;
      }
      const made = step.map((kind, at) => ({ revision, kind, id: `${revision}-${at}`, event: event(kind, `${revision}-${at}`) }));
      // Two transactions of one entry.
      for (const part of [made.slice(0, 2), made.slice(2)]) history.record({ revision, atMs: 0, events: part.map((each) => each.event) });
      all.push(...made);
    }
    const isGone = ({ kind, id }: (typeof all)[number]) =>
      !all
        .filter((each) => each.kind === kind)
        .slice(-EVENTS_MAX)
        .some((each) => each.id === id);
    for (const kinds of [["secret"], ["task"], [...KINDS]] as const) {
      for (let after = 0; after <= revision; after++) {
        const wanted = all.filter((each) => each.revision > after && kinds.some((kind) => kind === each.kind));
        const follow = () => history.follow({ after, kinds, signal: AbortSignal.abort() });
        if (after < resetAt || wanted.some(isGone)) {
          expect(follow).toThrow("too old");
          continue;
        }
        const ids = new Map<number, string[]>();
        for (const each of wanted) ids.set(each.revision, [...(ids.get(each.revision) ?? []), each.id]);
        expect(await available(follow())).toEqual([...ids].map(([at, found]) => `${at}:${found.join("+")}`));
      }
    }
  };
  await fc.assert(fc.asyncProperty(steps, play), { numRuns: 40 });
});

test("the past is bounded by its size too, whatever replaces what", () => {
  const history = new ChangeHistory({ eventsMax: 1_000, bytesMax: 100_000 });
  for (let revision = 1; revision <= 50; revision++) history.record({ revision, atMs: 0, events: [created(`s${revision}`, 10_000)] });
  const kept = history.past(["secret"]);
  expect(kept.length).toBeGreaterThan(5);
  expect(kept.length).toBeLessThan(10);
  expect(kept.at(-1)?.revision).toBe(50);
  history.record({ revision: 51, atMs: 0, events: [created("huge", 200_000)] });
  expect(history.past(["secret"])).toEqual([]);
  history.record({ revision: 52, atMs: 0, events: [{ kind: "secret", action: "update", object: secret("huge"), previous: secret("huge", 200_000) }] });
  expect(history.past(["secret"])).toEqual([]);
});

test("what is removed takes the room of one object, what is changed that of two", () => {
  const history = new ChangeHistory({ eventsMax: 1_000, bytesMax: 100_000 });
  const removed = secret("s", 60_000);
  history.record({ revision: 1, atMs: 0, events: [{ kind: "secret", action: "remove", object: removed, previous: removed }] });
  expect(history.past(["secret"])).toHaveLength(1);
  history.record({ revision: 2, atMs: 0, events: [{ kind: "secret", action: "update", object: secret("s", 60_000), previous: removed }] });
  expect(history.past(["secret"])).toEqual([]);
});

test("what was before a snapshot takes no room after it", async () => {
  const history = new ChangeHistory({ eventsMax: 1_000, bytesMax: 100_000 });
  history.record({ revision: 1, atMs: 0, events: [created("a", 60_000)] });
  history.reset(2);
  history.record({ revision: 3, atMs: 0, events: [created("b", 60_000)] });
  expect(await available(history.follow({ after: 2, signal: never }))).toEqual(["3:b"]);
});

describe("a store", () => {
  const kinds: readonly ObjectKind[] = ["secret"];
  const store = new Store({ clock: new FakeClock(1_000) });
  const proposer = new MemoryProposer(store);

  test("lets changes be followed from the state that was read in the same turn", async () => {
    await store.update((tx) => tx.create("secret", secret("a")) as undefined);
    proposer.hold();
    const write = store.update((tx) => tx.create("secret", secret("b")) as undefined);
    const listed = [...store.view.secrets.all()].map(({ id }) => id);
    const changes = store.follow({ kinds, signal: never });
    await proposer.release();
    await write;
    expect(listed).toEqual(["a"]);
    expect(await available(changes)).toEqual(["2:b"]);
    expect(store.past(kinds).map(({ revision, atMs }) => [revision, atMs])).toEqual([
      [1, 1_000],
      [2, 1_000],
    ]);
  });

  test("that was restored refuses those who followed before", async () => {
    const changes = store.follow({ signal: never });
    store.restore([], 7);
    await expect(changes.next()).rejects.toMatchObject({ code: "out_of_range" });
  });
});
