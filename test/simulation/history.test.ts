import fc from "fast-check";
import { expect, test } from "vitest";
import { linearizabilityFault, type Operation } from "./history.js";

const write = (value: number, start: number, finish: number): Operation => ({ kind: "write", value, start, finish });
const read = (value: number, start: number, finish: number): Operation => ({ kind: "read", value, start, finish });
const UNKNOWN = Number.POSITIVE_INFINITY;

test.each<readonly [string, readonly Operation[], RegExp | null]>([
  ["a read of what was written before", [write(1, 1, 2), read(1, 3, 4)], null],
  ["a stale read", [write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)], /2 was there and gone/],
  ["a read of the first value after a write", [write(1, 1, 2), read(0, 3, 4)], /1 was there and gone/],
  ["two readers who saw two writes in different orders", [write(1, 1, 9), write(2, 2, 10), read(1, 3, 4), read(2, 5, 6), read(1, 7, 8)], /was there and gone/],
  ["a write of unknown outcome that shows late", [write(1, 1, UNKNOWN), read(0, 2, 3), read(1, 4, 5)], null],
  ["a write of unknown outcome that comes and goes", [write(1, 1, UNKNOWN), read(1, 2, 3), read(0, 4, 5)], /was/],
  ["a read of what nobody wrote", [read(7, 1, 2)], /never written/],
  ["a read before the write began", [read(1, 1, 2), write(1, 3, 4)], /before it was written/],
])("%s", (_name, operations, fault) => {
  if (fault === null) expect(linearizabilityFault(operations)).toBeNull();
  else expect(linearizabilityFault(operations)).toMatch(fault);
});

/** The definition, by trying all orders. */
function isLinearizable(operations: readonly Operation[], current = 0): boolean {
  if (operations.every((operation) => operation.finish === UNKNOWN)) return true;
  const firstFinish = Math.min(...operations.map(({ finish }) => finish));
  return operations.some((operation, at) => {
    if (operation.start > firstFinish || (operation.kind === "read" && operation.value !== current)) return false;
    return isLinearizable(operations.toSpliced(at, 1), operation.kind === "write" ? operation.value : current);
  });
}

/** Up to six operations with all begins and ends in a random order. */
const histories = fc
  .array(fc.record({ isWrite: fc.boolean(), seen: fc.nat(3), isKnown: fc.boolean(), times: fc.tuple(fc.nat(1_000_000), fc.nat(1_000_000)) }), { maxLength: 6 })
  .filter((drafts) => new Set(drafts.flatMap(({ times }) => times)).size === 2 * drafts.length)
  .map((drafts) =>
    drafts.map(({ isWrite, seen, isKnown, times }, at): Operation => {
      const [start, finish] = [Math.min(...times), Math.max(...times)];
      if (!isWrite) return read(seen, start, finish);
      return write(at + 1, start, isKnown ? finish : UNKNOWN);
    }),
  );

test("decides like trying all orders", () => {
  const counts = { linearizable: 0, not: 0 };
  fc.assert(
    fc.property(histories, (operations) => {
      const expected = isLinearizable(operations);
      counts[expected ? "linearizable" : "not"]++;
      expect(linearizabilityFault(operations) === null).toBe(expected);
    }),
    { numRuns: 5_000, seed: 1 },
  );
  expect(Math.min(counts.linearizable, counts.not)).toBeGreaterThan(500);
});
