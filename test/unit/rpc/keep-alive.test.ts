import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { KeepAlive } from "../../../src/rpc/keep-alive.js";

function keepAlive() {
  const clock = new FakeClock();
  const said: number[] = [];
  const silent: number[] = [];
  const passed = () => clock.monotonic() - startedMs;
  const startedMs = clock.monotonic();
  const alive = new KeepAlive(clock, { say: () => said.push(passed()), silence: () => silent.push(passed()) });
  return { clock, said, silent, alive };
}

test("something is said every 2 s, and who says nothing for 6 s is given up", async () => {
  const { clock, said, silent } = keepAlive();
  for (let second = 0; second < 6; second++) await clock.advance(1_000);
  expect(said).toEqual([2_000, 4_000, 6_000]);
  expect(silent).toEqual([6_000]);
});

test("who says something now and then is not given up", async () => {
  const { clock, silent, alive } = keepAlive();
  for (let second = 1; second <= 60; second++) {
    await clock.advance(1_000);
    if (second % 4 === 3) alive.heard();
  }
  expect(silent).toEqual([]);
});

test("once stopped it says nothing and gives nobody up", async () => {
  const { clock, said, silent, alive } = keepAlive();
  await clock.advance(3_000);
  alive.stop();
  await clock.advance(60_000);
  expect([said, silent]).toEqual([[2_000], []]);
});
