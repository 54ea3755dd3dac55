import fc from "fast-check";
import { expect, test } from "vitest";
import { ClusterError } from "../../../src/base/errors.js";
import type { Transaction } from "../../../src/model/objects.js";
import { ENTRY_BYTES_MAX, Proposals } from "../../../src/replica/proposals.js";
import { ChangeBatchCodec } from "../../../src/wire/generated/objects.js";

const transaction = (id: string, bytes = 0, clientWrite = false): Transaction => ({
  proposalId: 0,
  atMs: 1,
  changes: [
    {
      clientWrite,
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
    ["b", 800_000],
    ["c", 800_000],
    ["d", 1_400_000],
    ["e", 100_000],
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

test("an entry, which the log keeps for long, holds no more memory than its data", () => {
  const proposals = new Proposals();
  const entries: Uint8Array[] = [];
  for (let number = 0; number < 3; number++) {
    void proposals.add(transaction(`${number}`, 100));
    proposals.flush((data) => void entries.push(...data));
  }
  expect(entries.map((entry) => entry.buffer.byteLength)).toEqual(entries.map((entry) => entry.byteLength));
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

test("when 64 MiB are not committed others are asked to wait, until something is applied or lost; what the leader itself writes is taken", async () => {
  const proposals = new Proposals();
  const entries: Uint8Array[] = [];
  const full = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => proposals.add(transaction(`${prefix}${at}`, 1_490_000)));
  const taken = full("a", 45);
  proposals.flush((data) => void entries.push(...data));
  expect(entries.length).toBe(45);
  const refusal = expect.objectContaining({ code: "unavailable", message: expect.stringContaining("not committed yet") });
  expect(() => proposals.assertRoom()).not.toThrow();
  const last = proposals.add(transaction("b", 1_490_000));
  expect(() => proposals.assertRoom()).toThrow(refusal);
  for (const { done } of proposals.take(entries[0]!) ?? []) done.resolve();
  expect(() => proposals.assertRoom()).not.toThrow();
  const again = proposals.add(transaction("c", 1_490_000));
  expect(() => proposals.assertRoom()).toThrow(refusal);
  proposals.lose();
  expect(await codes([...taken, last, again])).toEqual(["ok", ...Array(44).fill("outcome_unknown"), "no_leader", "no_leader"]);
  void full("e", 46).map((lost) => lost.catch(() => undefined));
  expect(() => proposals.assertRoom()).toThrow(refusal);
});

test("a refusal by the core gives the room back", async () => {
  const proposals = new Proposals();
  for (let round = 0; round < 100; round++) {
    const write = proposals.add(transaction("a", 1_400_000));
    proposals.flush(() => {
      throw new ClusterError("no_leader", "handing over");
    });
    expect(await codes([write])).toEqual(["no_leader"]);
  }
});

test("a transaction that has no room in an entry is refused, with its size and the limit; the largest that has is alone in it", async () => {
  const proposals = new Proposals();
  const entries: Uint8Array[] = [];
  const overhead = ChangeBatchCodec.encode({ transactions: [transaction("a", 1_000_000)] }).length - 1_000_000;
  void proposals.add(transaction("a"));
  void proposals.add(transaction("b", ENTRY_BYTES_MAX - overhead));
  void proposals.add(transaction("c"));
  expect(() => proposals.add(transaction("d", ENTRY_BYTES_MAX - overhead + 1))).toThrow(
    expect.objectContaining({ code: "out_of_range", message: "a write of 1500001 bytes is larger than the limit of 1500000 bytes" }),
  );
  expect(() => proposals.add(transaction("e", 1_400_000, true))).toThrow(/^a write of 14000\d\d bytes is larger than the limit of 1400000 bytes$/);
  proposals.flush((data) => void entries.push(...data));
  expect(entries.map((entry) => proposals.take(entry)?.length)).toEqual([1, 1, 1]);
  expect(entries.map((entry) => entry.length)[1]).toBe(ENTRY_BYTES_MAX);
});

test("no entry is larger than the limit, and none smaller than it need be, whatever waits", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat({ max: 1_000 }), fc.nat({ max: ENTRY_BYTES_MAX - 100 })), { maxLength: 40 }), (sizes) => {
      const proposals = new Proposals();
      const entries: Uint8Array[] = [];
      sizes.forEach((size, at) => void proposals.add(transaction(`${at}`, size)));
      proposals.flush((data) => void entries.push(...data));
      const counts = entries.map((entry) => ChangeBatchCodec.decode(entry).transactions.length);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(sizes.length);
      entries.forEach((entry, at) => {
        expect(entry.length).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
        const next = entries[at + 1];
        if (next !== undefined)
          expect(entry.length + ChangeBatchCodec.encode({ transactions: ChangeBatchCodec.decode(next).transactions.slice(0, 1) }).length).toBeGreaterThan(
            ENTRY_BYTES_MAX,
          );
      });
    }),
    { numRuns: 20 },
  );
});
