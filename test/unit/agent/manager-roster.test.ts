import { expect, test } from "vitest";
import { ManagerRoster } from "../../../src/agent/manager-roster.js";
import { SeededRandom } from "../../../src/base/random.js";
import { ClusterError } from "../../../src/base/errors.js";

const signal = new AbortController().signal;

test("each manager is asked once before one is asked again, and none twice in a row", async () => {
  const asked: string[] = [];
  const dial = (address: string) => {
    asked.push(address);
    return Promise.reject(new ClusterError("unavailable", "connection refused"));
  };
  const roster = new ManagerRoster({ dial, random: new SeededRandom(3), addresses: ["a", "b", "c"] });
  for (let attempt = 0; attempt < 30; attempt++) await roster.connect("", signal).catch(() => undefined);
  for (let round = 0; round < 10; round++) expect(asked.slice(3 * round, 3 * round + 3).toSorted()).toEqual(["a", "b", "c"]);
  for (const [index, address] of asked.entries()) expect(asked[index + 1]).not.toBe(address);
  expect(new Set(asked.slice(0, 30).map((_, index) => asked.slice(3 * index, 3 * index + 3).join(""))).size).toBeGreaterThan(3);
});
