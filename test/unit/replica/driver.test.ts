import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Clock } from "../../../src/base/clock.js";
import type { RaftMessage } from "../../../src/raft/message.js";
import { messageOf } from "../../../src/raft/outbox.js";
import { Raft } from "../../../src/raft/raft.js";
import { Driver, TICK_MS } from "../../../src/replica/driver.js";
import { DurableLog } from "../../../src/replica/durable-log.js";
import { TailFile } from "../../../src/replica/tail-file.js";
import { recordsOf } from "../../support/records.js";

const ELECTION_TICKS = 3;

/** A clock whose process may stand still: then each timer that was set before fires once, as a real one's do. */
class StallingClock implements Clock {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly call: () => void }[] = [];

  now = () => this.#nowMs;
  monotonic = () => this.#nowMs;

  after(delayMs: number, call: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  sleep(): Promise<void> {
    throw new Error("nothing here sleeps");
  }

  stall(forMs: number): void {
    this.#nowMs += forMs;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => !due.includes(timer));
    for (const { call } of due) call();
  }
}

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "driver-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A follower of three members, driven, whose election timeout is the shortest. */
async function driven() {
  const config = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  const snapshot = { index: 1, term: 1, config };
  const log = await DurableLog.open({ directory, codec: recordsOf("a"), openTail: TailFile.open });
  await log.create({ raftId: 1, hardState: { term: 1, vote: 0, commit: 1 }, snapshot, seeds: [] });
  log.storage.setSnapshot(snapshot);
  const limits = { bytesPerMessageMax: 1_000, inflightMessagesMax: 4, inflightBytesMax: 1_000 };
  const raft = new Raft({ id: 1, storage: log.storage, electionTicks: ELECTION_TICKS, heartbeatTicks: 1, random: { next: () => 0 }, applied: 1, ...limits });
  const clock = new StallingClock();
  const sent: RaftMessage[] = [];
  let ticks = 0;
  const nothing = () => undefined;
  const hooks = {
    send: (messages: readonly RaftMessage[]) => void sent.push(...messages),
    ticked: () => void ticks++,
    propose: nothing,
    turned: nothing,
    install: () => Promise.resolve(),
    apply: nothing,
    applied: nothing,
    readConfirmed: nothing,
  };
  const driver = new Driver({ raft, log, clock, hooks });
  driver.start();
  return {
    raft,
    driver,
    clock,
    sent,
    ticks: () => ticks,
    turn: () => Promise.resolve(),
    async [Symbol.asyncDispose]() {
      await driver.stop();
      await log[Symbol.asyncDispose]();
    },
  };
}

test("a process that stood still for a hundred ticks makes one, after what came meanwhile", async () => {
  await using world = await driven();
  const { clock, driver, raft, sent } = world;
  for (let tick = 1; tick < ELECTION_TICKS; tick++) {
    clock.stall(TICK_MS);
    await world.turn();
  }
  expect(world.ticks()).toBe(ELECTION_TICKS - 1);
  clock.stall(100 * TICK_MS);
  driver.deliver([messageOf({ type: "heartbeat", to: 1, commit: 1 }, { id: 2, term: 1 })]);
  await world.turn();
  expect(world.ticks()).toBe(ELECTION_TICKS);
  expect([raft.role, raft.leader]).toEqual(["follower", 2]);
  expect(sent.map(({ type }) => type)).not.toContain("pre_vote");
});

test("without news, the last tick of its patience makes it stand", async () => {
  await using world = await driven();
  for (let tick = 0; tick < ELECTION_TICKS; tick++) {
    world.clock.stall(100 * TICK_MS);
    await world.turn();
  }
  expect(world.ticks()).toBe(ELECTION_TICKS);
  expect(world.sent.map(({ type }) => type)).toContain("pre_vote");
});
