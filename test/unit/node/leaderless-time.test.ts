import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { LeaderlessTime } from "../../../src/node/leaderless-time.js";

test("it is unknown before the first leader, then as long as nobody was known, and nothing for one who hands over", async () => {
  const clock = new FakeClock();
  const time = new LeaderlessTime(clock);
  time.see(undefined);
  await clock.advance(100);
  time.see(1);
  expect(time.lastMs).toBe(Number.POSITIVE_INFINITY);
  time.see(undefined);
  await clock.advance(1_200);
  time.see(undefined);
  await clock.advance(300);
  time.see(2);
  expect(time.lastMs).toBe(1_500);
  await clock.advance(60_000);
  time.see(2);
  expect(time.lastMs).toBe(1_500);
  time.see(3);
  expect(time.lastMs).toBe(0);
});
