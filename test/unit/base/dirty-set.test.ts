import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { DirtySet } from "../../../src/base/dirty-set.js";
import { nextTurn } from "../../../src/base/next-turn.js";

/** Looks at each key; a look fails until the test says that it does not, and is to be taken again after a second. */
function looking() {
  const clock = new FakeClock();
  const set = new DirtySet<string>();
  const looks: string[] = [];
  const state = { isFailing: true };
  const ended = (async () => {
    for await (const key of set) {
      looks.push(`${key} ${clock.monotonic()}`);
      if (state.isFailing) set.addLater(key, clock, 1_000);
    }
  })();
  return { clock, set, looks, state, ended };
}

test("a look that fails is taken again once a second, however often it was asked for meanwhile", async () => {
  const { clock, set, looks, state, ended } = looking();
  set.add("a");
  await clock.advance(100);
  for (let time = 0; time < 5; time++) {
    set.add("a");
    await clock.advance(100);
  }
  const before = looks.length;
  await clock.advance(10_000);
  expect([before, looks.length]).toEqual([6, 16]);
  expect(clock.pending).toBe(1);
  state.isFailing = false;
  await clock.advance(10_000);
  expect(looks).toHaveLength(17);
  set.close();
  await ended;
});

test("keys wait each for itself, and for nothing once the set is closed", async () => {
  const { clock, set, looks, ended } = looking();
  set.add("a");
  set.add("b");
  await nextTurn();
  await clock.advance(500);
  set.add("a");
  await clock.advance(600);
  expect(looks.map((look) => look.split(" ")[0])).toEqual(["a", "b", "a", "b"]);
  expect(clock.pending).toBe(2);
  set.close();
  set.addLater("c", clock, 1_000);
  await ended;
  expect(clock.pending).toBe(0);
});
