import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { SeededRandom } from "../../../src/base/random.js";
import { ReadRounds } from "../../../src/replica/read-rounds.js";

const settled = async (promise: Promise<void>) => {
  let outcome = "waits";
  promise.then(
    () => {
      outcome = "served";
    },
    (cause: unknown) => {
      outcome = cause instanceof ClusterError ? cause.code : String(cause);
    },
  );
  await new Promise((resolve) => setImmediate(resolve));
  return outcome;
};

function newRounds() {
  const clock = new FakeClock();
  const asked: number[] = [];
  const ask = (context: number) => void asked.push(context);
  const rounds = new ReadRounds({ random: new SeededRandom(1), clock, wake: () => rounds.start(ask) });
  return { rounds, asked, ask, clock };
}

test("readers that came before a round share it, later ones get the next", async () => {
  const { rounds, asked, ask } = newRounds();
  const first = [rounds.add(1000), rounds.add(1000)];
  rounds.start(ask);
  const later = rounds.add(1000);
  rounds.start(ask);
  expect(asked.length).toBe(1);
  rounds.confirm(asked[0]!, 7);
  rounds.start(ask);
  expect(asked.length).toBe(2);
  rounds.applied(6);
  expect(await settled(first[0]!)).toBe("waits");
  rounds.applied(7);
  expect(await Promise.all(first.map(settled))).toEqual(["served", "served"]);
  expect(await settled(later)).toBe("waits");
});

function crowd() {
  const { rounds, asked, ask, clock } = newRounds();
  return {
    asked,
    clock,
    add: (count: number) => {
      const readers = Array.from({ length: count }, () => rounds.add(1000));
      rounds.start(ask);
      return readers;
    },
    answer: () => {
      rounds.confirm(asked.at(-1)!, 1);
      rounds.applied(1);
      rounds.start(ask);
    },
  };
}

test("after a round of many readers the next one gathers as long as more come, 4 ms at most", async () => {
  const { asked, clock, add, answer } = crowd();
  add(50);
  const gathered = add(1);
  answer();
  for (let ms = 1; ms < 4; ms++) {
    gathered.push(...add(1));
    clock.advance(1);
  }
  gathered.push(...add(1));
  expect(asked.length).toBe(1);
  clock.advance(1);
  expect(asked.length).toBe(2);
  answer();
  expect(await Promise.all(gathered.map(settled))).toEqual(gathered.map(() => "served"));
});

test("where nobody else comes, a round waits for a millisecond after many readers, and not at all once there were few for a while", () => {
  const { asked, clock, add, answer } = crowd();
  add(50);
  answer();
  add(2);
  expect(asked.length).toBe(1);
  clock.advance(1);
  expect(asked.length).toBe(2);
  answer();
  clock.advance(50);
  for (let round = 3; round < 6; round++) {
    add(2);
    expect(asked.length).toBe(round);
    answer();
  }
});

test("readers need not be told of while a round is under way or gathers", () => {
  const { rounds, asked, ask, clock } = newRounds();
  expect(rounds.canStart).toBe(true);
  for (let reader = 0; reader < 20; reader++) rounds.add(1000);
  rounds.start(ask);
  expect(rounds.canStart).toBe(false);
  rounds.confirm(asked[0]!, 1);
  expect(rounds.canStart).toBe(true);
  rounds.add(1000);
  rounds.start(ask);
  expect(rounds.canStart).toBe(false);
  clock.advance(1);
  expect(asked.length).toBe(2);
});

test("an answer to another round serves nobody", async () => {
  const { rounds, asked, ask } = newRounds();
  const read = rounds.add(1000);
  rounds.start(ask);
  rounds.confirm(asked[0]! + 1, 1);
  rounds.applied(10);
  expect(await settled(read)).toBe("waits");
});

test("where nobody can be asked, readers wait until their deadline", async () => {
  const { rounds, asked, ask } = newRounds();
  const read = rounds.add(1000);
  rounds.start(() => {
    throw new ClusterError("no_leader", "none");
  });
  rounds.tick(999);
  rounds.start(ask);
  expect(asked.length).toBe(1);
  rounds.tick(1000);
  expect(await settled(read)).toBe("no_leader");
});

test("a round that gets no answer is asked again under another context", async () => {
  const { rounds, asked, ask } = newRounds();
  const read = rounds.add(1_000_000);
  rounds.start(ask);
  for (let tick = 0; tick < 100 && asked.length < 2; tick++) {
    rounds.tick(tick);
    rounds.start(ask);
  }
  expect(new Set(asked).size).toBe(2);
  rounds.confirm(asked[1]!, 1);
  rounds.applied(1);
  expect(await settled(read)).toBe("served");
});

test("more than 100,000 readers are refused; those who were served, failed or late make room", async () => {
  const { rounds, asked, ask, clock } = newRounds();
  const add = (count: number, deadlineMs = 1_000) => {
    for (let at = 0; at < count; at++) rounds.add(deadlineMs).catch(() => undefined);
  };
  add(40_000, 10);
  rounds.start(ask);
  add(30_000);
  add(30_000);
  expect(await settled(rounds.add(1_000))).toBe("unavailable");
  rounds.tick(10);
  add(40_000);
  expect(await settled(rounds.add(1_000))).toBe("unavailable");
  rounds.confirm(asked[0]!, 1);
  clock.advance(10);
  rounds.start(ask);
  rounds.confirm(asked[1]!, 1);
  expect(await settled(rounds.add(1_000))).toBe("unavailable");
  rounds.applied(1);
  add(99_999);
  rounds.fail(new ClusterError("no_leader", "none"));
  add(100_000);
  expect(await settled(rounds.add(1_000))).toBe("unavailable");
});
