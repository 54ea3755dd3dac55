import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { deferred } from "../../../src/base/deferred.js";
import { silentLogger } from "../../../src/base/log.js";
import { Engine } from "../../../src/engine/engine.js";
import { HealthFolder } from "../../../src/engine/health/health-records.js";
import type { HealthConfig } from "../../../src/runtime/container-config.js";
import { containerConfig } from "../../support/container-config.js";
import { FakeHostNetwork } from "../../support/fake-host-network.js";
import { FakeRuntime } from "../../support/fake-runtime.js";
import { MemoryHealthRecords } from "../../support/memory-health-records.js";
import { MemoryImageStore } from "../../support/memory-image-store.js";
import { MemoryVolumes } from "../../support/memory-volumes.js";

const A = "a".repeat(64);
const EVERY_SECOND: HealthConfig = { test: ["CMD-SHELL", "check it"], intervalMs: 1000, timeoutMs: 400, startPeriodMs: 0, startIntervalMs: 0, retries: 2 };

const open: Engine[] = [];
afterEach(async () => {
  for (const engine of open.splice(0)) await engine[Symbol.asyncDispose]();
});

async function world(health: Partial<HealthConfig> = {}) {
  const clock = new FakeClock();
  const runtime = new FakeRuntime(clock);
  const records = new MemoryHealthRecords();
  const newEngine = () => {
    const engine = new Engine({
      runtime,
      network: new FakeHostNetwork(),
      volumes: new MemoryVolumes(),
      images: new MemoryImageStore(),
      clock,
      logger: silentLogger,
      healthRecords: records,
    });
    open.push(engine);
    return engine;
  };
  const engine = newEngine();
  await runtime.create(containerConfig(A, "web", { health: { ...EVERY_SECOND, ...health } }));
  const actions = () => engine.events.past().map(({ action }) => action);
  return { clock, runtime, records, engine, newEngine, actions, probes: () => runtime.calls.filter((call) => call.startsWith("exec")).length };
}

test("a container is tested from its start to its end, and each change is told", async () => {
  const { clock, runtime, engine, actions } = await world();
  expect(engine.health.statusOf(A)).toBe("starting");
  await engine.start(A);
  await clock.advance(999);
  expect(runtime.calls).not.toContain("exec web /bin/sh -c check it");
  await clock.advance(1);
  expect(runtime.calls).toContain("exec web /bin/sh -c check it");
  expect(engine.health.of(A)).toMatchObject({ status: "healthy", failingStreak: 0, log: [{ exitCode: 0, output: "" }] });
  runtime.exitCodeOfExec = () => 1;
  await clock.advance(2000);
  expect(engine.health.of(A)).toMatchObject({ status: "unhealthy", failingStreak: 2 });
  const probe = ["exec_create: /bin/sh -c check it", "exec_start: /bin/sh -c check it", "exec_die"];
  expect(actions()).toEqual(["create", "connect", "start", ...probe, "health_status: healthy", ...probe, ...probe, "health_status: unhealthy"]);
  runtime.exit(A, 0);
  const before = runtime.calls.length;
  await clock.advance(10_000);
  expect(runtime.calls.length).toBe(before);
  await engine.start(A);
  expect(engine.health.of(A)).toMatchObject({ status: "starting", failingStreak: 0 });
  expect(engine.execs.idsOf(A)).toEqual([]);
});

test("a test that is late is ended and counts as a failure; the next begins after an interval, never beside it", async () => {
  const { clock, runtime, engine, probes } = await world();
  const hanging = deferred<number>();
  runtime.exitCodeOfExec = () => hanging.promise;
  await engine.start(A);
  await clock.advance(1399);
  expect([probes(), engine.health.of(A)?.log.length]).toEqual([1, 0]);
  await clock.advance(1);
  expect(engine.health.of(A)).toMatchObject({ failingStreak: 1, log: [{ exitCode: -1, output: "Health check exceeded timeout (400ms)" }] });
  await clock.advance(999);
  expect(probes()).toBe(1);
  await clock.advance(401);
  expect([probes(), engine.health.statusOf(A)]).toEqual([2, "unhealthy"]);
});

test("nothing is tested while it is paused, and a test that was under way says nothing", async () => {
  const { clock, runtime, engine, probes } = await world();
  const hanging = deferred<number>();
  runtime.exitCodeOfExec = () => hanging.promise;
  await engine.start(A);
  await clock.advance(1000);
  await runtime.pause(A);
  await clock.advance(10_000);
  expect([probes(), engine.health.of(A)?.log.length]).toEqual([1, 0]);
  runtime.exitCodeOfExec = () => 0;
  await runtime.unpause(A);
  await clock.advance(1000);
  expect([probes(), engine.health.statusOf(A)]).toEqual([2, "healthy"]);
});

test("after a restart of the daemon all is as it was found: status, failures in a row, the last results", async () => {
  const { clock, runtime, engine, newEngine } = await world();
  await engine.start(A);
  await clock.advance(1000);
  runtime.exitCodeOfExec = () => 1;
  await clock.advance(1000);
  const found = engine.health.of(A);
  expect(found).toMatchObject({ status: "healthy", failingStreak: 1, log: [{ exitCode: 0 }, { exitCode: 1 }] });
  await engine[Symbol.asyncDispose]();
  const next = newEngine();
  await next.health.resume();
  expect(next.health.of(A)).toEqual(found);
  await clock.advance(1000);
  expect(next.health.of(A)).toMatchObject({ status: "unhealthy", failingStreak: 2 });
  // One that ended meanwhile is remembered, one that was started anew is not taken for the other.
  await next[Symbol.asyncDispose]();
  runtime.exit(A, 143);
  const third = newEngine();
  await third.health.resume();
  expect(third.health.of(A)).toEqual(next.health.of(A));
  await third[Symbol.asyncDispose]();
  await clock.advance(5);
  await runtime.start(A);
  const fourth = newEngine();
  await fourth.health.resume();
  expect(fourth.health.of(A)).toEqual({ status: "starting", failingStreak: 0, log: next.health.of(A)?.log });
});

test("a container without a test, or with NONE, is not tested", async () => {
  const { clock, runtime, engine, probes } = await world({ test: ["NONE"] });
  await engine.start(A);
  await clock.advance(100_000);
  expect([probes(), engine.health.of(A), engine.health.statusOf(A), runtime.inspect(A)?.health]).toEqual([0, null, null, null]);
});

test("records of containers that are gone, and what is no record, are dropped", async () => {
  const folder = mkdtempSync(join(tmpdir(), "health-"));
  try {
    const records = new HealthFolder(join(folder, "health"));
    mkdirSync(join(folder, "health"));
    const record = { startedAtMs: 7, status: "unhealthy", failingStreak: 3, log: [{ startedAtMs: 8, endedAtMs: 9, exitCode: 1, output: "no\n" }] } as const;
    await records.save("a", record);
    await records.save("b", { ...record, startedAtMs: 8 });
    writeFileSync(join(folder, "health", "c"), '{"startedAtMs":');
    writeFileSync(join(folder, "health", "d"), JSON.stringify({ ...record, log: [{ ...record.log[0], output: 1 }] }));
    expect([...(await records.load(["a", "c", "d"]))]).toEqual([["a", record]]);
    expect(readdirSync(join(folder, "health"))).toEqual(["a"]);
    await records.remove("a");
    expect((await records.load(["a"])).size).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
