import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

const SOURCE = new URL("../../../src/node/hot-code.ts", import.meta.url);

/** Prints how often a small function was called when V8 optimised it, which it does in the same thread here. */
const COUNT = `
  let sum = 0;
  function small(n) { return n + 1; }
  const isOptimised = () => (%GetOptimizationStatus(small) & 16) !== 0;
  let calls = 0;
  for (; !isOptimised() && calls < 1_000_000; calls++) sum += small(calls);
  console.log(calls);
`;

function callsUntilOptimised(before: string): number {
  const flags = ["--allow-natives-syntax", "--no-concurrent-recompilation", "--no-use-osr", "--import", "tsx", "--input-type=module"];
  return Number(execFileSync(process.execPath, [...flags, "--eval", `${before}${COUNT}`], { encoding: "utf8" }));
}

test("a function that seldom runs is optimised after a fraction of the calls", () => {
  const byDefault = callsUntilOptimised("");
  const sooner = callsUntilOptimised(`import { optimiseSooner } from ${JSON.stringify(SOURCE.href)}; optimiseSooner();`);
  expect(sooner).toBeGreaterThan(0);
  expect(sooner).toBeLessThan(byDefault / 4);
});
