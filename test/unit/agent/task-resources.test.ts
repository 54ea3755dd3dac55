import { expect, test } from "vitest";
import { resourcesOfTask } from "../../../src/agent/task-resources.js";

const LIMITS = { nanoCpus: 5n, memoryBytes: 100n, pids: 7n };
const MADE = { nanoCpus: 5, memoryBytes: 100, pids: 7 };

test.each([
  [null, { nanoCpus: 0, memoryBytes: 0, pids: 0 }],
  [{ limits: LIMITS, reservations: null }, MADE],
  [
    { limits: LIMITS, reservations: null, swapBytes: 50n, memorySwappiness: 0n },
    { ...MADE, memorySwapBytes: 150, memorySwappiness: 0 },
  ],
  [
    { limits: LIMITS, reservations: null, swapBytes: 0n, memorySwappiness: -1n },
    { ...MADE, memorySwapBytes: 100 },
  ],
  [
    { limits: LIMITS, reservations: null, swapBytes: -1n },
    { ...MADE, memorySwapBytes: -1 },
  ],
  [
    { limits: null, reservations: null, swapBytes: 0n },
    { nanoCpus: 0, memoryBytes: 0, pids: 0 },
  ],
])("a container of a task with %o", (requirements, expected) => {
  expect(resourcesOfTask(requirements)).toEqual(expected);
});
