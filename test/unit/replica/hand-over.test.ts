import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { HandOver } from "../../../src/replica/hand-over.js";
import type { Leadership } from "../../../src/replica/replica-status.js";

function setUp() {
  const clock = new FakeClock();
  const listeners = new Set<(leadership: Leadership) => void>();
  const handOver = new HandOver({
    raftId: 1,
    clock,
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  const led = (raftId: number) => {
    const leader = { raftId, nodeId: `n${raftId}`, address: `n${raftId}:2377` };
    for (const listener of [...listeners]) listener({ isLeader: raftId === 1, leader, term: 2, isRemoved: false });
  };
  return { clock, handOver, led, listeners };
}

const LATE = { code: "deadline_exceeded", message: "leadership was not taken over in time" };

test("it is under way until another member leads", async () => {
  const { handOver, led, listeners } = setUp();
  const done = handOver.run(() => expect(handOver.isUnderWay).toBe(true));
  led(1);
  expect(handOver.isUnderWay).toBe(true);
  led(2);
  await done;
  expect(handOver.isUnderWay).toBe(false);
  expect(listeners.size).toBe(0);
});

test("nobody takes it over in time, or the core gives it up", async () => {
  const { handOver, clock, listeners } = setUp();
  const late = expect(handOver.run(() => undefined)).rejects.toMatchObject(LATE);
  await clock.advance(3_000);
  await late;
  const givenUp = expect(handOver.run(() => undefined)).rejects.toMatchObject(LATE);
  handOver.giveUp();
  await givenUp;
  expect(handOver.isUnderWay).toBe(false);
  expect(listeners.size).toBe(0);
});

test("a second that cannot begin, or is late, leaves the first under way, and both hear that the core gave up", async () => {
  const { handOver, clock } = setUp();
  const first = expect(handOver.run(() => undefined)).rejects.toMatchObject(LATE);
  const refused = handOver.run(() => {
    throw new Error("no successor");
  });
  await expect(refused).rejects.toThrow("no successor");
  expect(handOver.isUnderWay).toBe(true);
  await clock.advance(2_000);
  const second = expect(handOver.run(() => undefined)).rejects.toMatchObject(LATE);
  handOver.giveUp();
  await first;
  await second;
  expect(handOver.isUnderWay).toBe(false);
});
