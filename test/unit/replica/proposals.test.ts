import { expect, test } from "vitest";
import { ClusterError } from "../../../src/base/errors.js";
import type { Transaction } from "../../../src/model/objects.js";
import { Proposals } from "../../../src/replica/proposals.js";
import { ChangeBatchCodec } from "../../../src/wire/generated/objects.js";

const transaction = (id: string, bytes = 0): Transaction => ({
  proposalId: 0,
  atMs: 1,
  changes: [
    {
      clientWrite: true,
      type: "create",
      create: { type: "secret", secret: { id, meta: null, spec: { name: id, labels: {}, data: new Uint8Array(bytes), driver: null, templating: null } } },
    },
  ],
});
const codes = async (promises: readonly Promise<void>[]) =>
  (await Promise.allSettled(promises)).map((outcome) => (outcome.status === "fulfilled" ? "ok" : outcome.reason.code));

test("transactions that wait share entries up to a size, in order", () => {
  const proposals = new Proposals();
  const entries: Uint8Array[] = [];
  for (const [id, bytes] of [
    ["a", 10],
    ["b", 1_000_000],
    ["c", 1_000_000],
    ["d", 2_000_000],
    ["e", 10],
  ] as const)
    void proposals.add(transaction(id, bytes));
  proposals.flush((data) => void entries.push(...data));
  const idsOf = (entry: Uint8Array) =>
    ChangeBatchCodec.decode(entry).transactions.flatMap(({ changes }) =>
      changes.map((change) => (change.type === "create" && change.create.type === "secret" ? change.create.secret.id : "")),
    );
  expect(entries.map(idsOf)).toEqual([["a", "b"], ["c"], ["d"], ["e"]]);
  expect(entries.map((entry) => proposals.take(entry)?.length)).toEqual([2, 1, 1, 1]);
  expect(proposals.take(entries[0]!)).toBeUndefined();
});

test("an equal entry of another member is not taken for ours", () => {
  const proposals = new Proposals();
  void proposals.add(transaction("a"));
  let own: Uint8Array = new Uint8Array(0);
  proposals.flush(([data]) => {
    own = data!;
  });
  expect(proposals.take(Uint8Array.from(own))).toBeUndefined();
  expect(proposals.take(own)).toBeDefined();
});

test("a refusal is the outcome of all that waited", async () => {
  const proposals = new Proposals();
  const waiting = [proposals.add(transaction("a")), proposals.add(transaction("b"))];
  proposals.flush(() => {
    throw new ClusterError("no_leader", "handing over");
  });
  expect(await codes(waiting)).toEqual(["no_leader", "no_leader"]);
});

test("when leadership is lost, what was proposed is unknown, and what was not is not", async () => {
  const proposals = new Proposals();
  const proposed = proposals.add(transaction("a"));
  proposals.flush(() => undefined);
  const waiting = proposals.add(transaction("b"));
  proposals.lose();
  expect(await codes([proposed, waiting])).toEqual(["outcome_unknown", "no_leader"]);
  await proposals.drained();
});

test("more than 64 MiB that are not committed are refused, until something is applied or lost", async () => {
  const proposals = new Proposals();
  const entries: Uint8Array[] = [];
  const add = (id: string) => proposals.add(transaction(id, 16_000_000));
  const taken = ["a", "b", "c", "d"].map(add);
  proposals.flush((data) => void entries.push(...data));
  await expect(add("e")).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("not committed yet") });
  for (const { done } of proposals.take(entries[0]!) ?? []) done.resolve();
  const again = add("f");
  await expect(add("g")).rejects.toMatchObject({ code: "unavailable" });
  proposals.lose();
  expect(await codes([...taken, again])).toEqual(["ok", "outcome_unknown", "outcome_unknown", "outcome_unknown", "no_leader"]);
  void add("h").catch(() => undefined);
  proposals.flush(() => undefined);
  await expect(codes([add("i"), add("j"), add("k"), add("l")].slice(3))).resolves.toEqual(["unavailable"]);
});

test("a refusal by the core gives the room back", async () => {
  const proposals = new Proposals();
  for (let round = 0; round < 10; round++) {
    const write = proposals.add(transaction("a", 50_000_000));
    proposals.flush(() => {
      throw new ClusterError("no_leader", "handing over");
    });
    expect(await codes([write])).toEqual(["no_leader"]);
  }
});

test("one transaction larger than the bound is taken when nothing else is pending", async () => {
  const proposals = new Proposals();
  const write = proposals.add(transaction("a", 70_000_000));
  proposals.lose();
  expect(await codes([write])).toEqual(["no_leader"]);
});
