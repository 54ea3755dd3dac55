import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { deferred } from "../../../src/base/deferred.js";
import { ClusterError } from "../../../src/base/errors.js";
import { silentLogger } from "../../../src/base/log.js";
import { Engine } from "../../../src/engine/engine.js";
import { restartDelayMs, shouldRestart, shouldStartWithDaemon } from "../../../src/engine/restart-plan.js";
import type { ExecSettings } from "../../../src/engine/exec-registry.js";
import type { SingleConfig } from "../../../src/runtime/container-config.js";
import { containerConfig } from "../../support/container-config.js";
import { FakeHostNetwork } from "../../support/fake-host-network.js";
import { FakeRuntime } from "../../support/fake-runtime.js";
import { MemoryHealthRecords } from "../../support/memory-health-records.js";
import { MemoryImageStore } from "../../support/memory-image-store.js";
import { MemoryVolumes } from "../../support/memory-volumes.js";
import { until } from "../../support/until.js";

const SINGLE: SingleConfig = {
  restart: { name: "no", retriesMax: 0 },
  isAutoRemoved: false,
  ports: [],
  published: [],
  isStopped: false,
  request: { attachStdin: false, attachStdout: false, attachStderr: false, binds: [] },
  stopTimeoutMs: 0,
};
const [A, B, C] = ["a".repeat(64), "b".repeat(64), "c".repeat(64)];
const PORT = { name: "", protocol: "tcp", targetPort: 80, publishedPort: 0, publishMode: "host" } as const;

function world() {
  const clock = new FakeClock();
  const runtime = new FakeRuntime(clock);
  const network = new FakeHostNetwork();
  /** A daemon that starts on what is there. */
  const startDaemon = () =>
    new Engine({
      runtime,
      network,
      volumes: new MemoryVolumes(),
      images: new MemoryImageStore(),
      clock,
      logger: silentLogger,
      healthRecords: new MemoryHealthRecords(),
    });
  const engine = startDaemon();
  const create = (id: string, single: Partial<SingleConfig>) =>
    engine.create(containerConfig(id, `c-${id[0]}`, { single: { ...SINGLE, ...single } }), "bridge");
  const actions = () => engine.events.past().map(({ action }) => action);
  return { clock, runtime, network, engine, startDaemon, create, actions };
}

const exit = (exitCode: number) => ({ exitCode, isOutOfMemory: false, finishedAtMs: 0 });

test.each([
  ["no", 1, 0, false],
  ["always", 0, 99, true],
  ["unless-stopped", 0, 99, true],
  ["on-failure", 0, 0, false],
  ["on-failure", 1, 1, true],
  ["on-failure", 1, 2, false],
] as const)("policy %s after exit code %i and %i restarts: %s", (name, exitCode, restarts, expected) => {
  const single = { ...SINGLE, restart: { name, retriesMax: 2 } };
  expect(shouldRestart(single, exit(exitCode), restarts)).toBe(expected);
  expect(shouldRestart({ ...single, isStopped: true }, exit(exitCode), restarts)).toBe(false);
});

test("only 'always' starts with the daemon what was stopped by hand", () => {
  const stopped = (name: "always" | "unless-stopped") => ({ ...SINGLE, restart: { name, retriesMax: 0 }, isStopped: true });
  expect(shouldStartWithDaemon(stopped("always"), exit(0))).toBe(true);
  expect(shouldStartWithDaemon(stopped("unless-stopped"), exit(0))).toBe(false);
});

test.each([
  [0, 0, 100],
  [100, 5, 200],
  [51_200, 5, 60_000],
  [51_200, 10_000, 100],
])("after a delay of %i and a run of %i ms the next delay is %i", (previous, ran, expected) => {
  expect(restartDelayMs(previous, ran)).toBe(expected);
});

test("a container is restarted with growing delays until somebody stops it", async () => {
  const { clock, runtime, engine, create, actions } = world();
  await create(A, { restart: { name: "always", retriesMax: 0 } });
  await engine.start(A);
  for (const delayMs of [100, 200]) {
    runtime.exit(A, 1);
    expect(engine.isRestarting(A)).toBe(true);
    clock.advance(delayMs - 1);
    expect(runtime.inspect(A)?.state).toBe("exited");
    clock.advance(1);
    await until("it runs again", () => runtime.inspect(A)?.state === "running");
  }
  expect(engine.restartCount(A)).toBe(2);
  await engine.stop(A, null);
  expect(engine.isRestarting(A)).toBe(false);
  expect(runtime.inspect(A)?.config.single?.isStopped).toBe(true);
  const life = ["connect", "start", "die", "disconnect"];
  expect(actions()).toEqual(["create", ...life, ...life, "connect", "start", "kill", "die", "disconnect", "stop"]);
  expect(engine.events.past().find(({ action }) => action === "kill")?.attributes.signal).toBe("15");
  expect(engine.events.past().find(({ action }) => action === "connect")).toMatchObject({
    type: "network",
    id: "bridge",
    attributes: { container: A, name: "bridge", type: "bridge" },
  });
});

test("starts at the same time are one, also of a container that removes itself when it cannot be started", async () => {
  const { runtime, engine, create, actions } = world();
  await create(A, { isAutoRemoved: true });
  await Promise.all([engine.start(A), engine.start(A), engine.restart(A, null)]);
  expect(runtime.inspect(A)?.state).toBe("running");
  expect(actions().filter((action) => action === "start")).toHaveLength(1);
});

test("a signal for one that ends in that moment is a conflict", async () => {
  const { runtime, engine, create } = world();
  await create(A, { restart: { name: "always", retriesMax: 0 } });
  await engine.start(A);
  const killed = engine.kill(A, "SIGTERM");
  runtime.exit(A, 0);
  await expect(killed).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("is not running") });
});

test("a restart tells of the stop in it, when there was one", async () => {
  const { engine, create, actions } = world();
  await create(A, {});
  await engine.restart(A, null);
  const start = ["connect", "start"];
  expect(actions()).toEqual(["create", ...start, "restart"]);
  await engine.restart(A, null);
  expect(actions().slice(4)).toEqual(["kill", "die", "disconnect", "stop", ...start, "restart"]);
});

test("ports are published while it runs, and free for another when it has ended", async () => {
  const { runtime, network, engine, create } = world();
  const port = { ...PORT, publishedPort: 8080 };
  await create(A, { ports: [port] });
  await create(B, { ports: [port] });
  expect(network.publishedPorts(A)).toEqual([]);
  await engine.start(A);
  expect(runtime.inspect(A)?.config.single?.published).toEqual([port]);
  await expect(engine.start(B)).rejects.toThrow("port 8080/tcp is already in use");
  runtime.exit(A, 0);
  await until("A has given it back", () => network.publishedPorts(A).length === 0);
  expect(await engine.start(B)).toBe(true);
  expect(engine.liveEndpoints()).toMatchObject([{ containerId: B, ports: [port] }]);
});

test("a hardware address that was asked for is had at each start", async () => {
  const { runtime, network, engine, create } = world();
  await create(A, { macAddress: "92-D0-C6-0A-29-33" });
  for (let run = 0; run < 2; run++) {
    await engine.start(A);
    expect(network.endpoints.get(A)?.network.macAddress).toBe("92:d0:c6:0a:29:33");
    runtime.exit(A, 0);
    await until("A has given it back", () => !network.endpoints.has(A));
  }
  expect(runtime.inspect(A)?.config).toMatchObject({ network: { macAddress: "92:d0:c6:0a:29:33" }, single: { macAddress: "92-D0-C6-0A-29-33" } });
});

test("one that removes itself is waited for until it is gone", async () => {
  const { runtime, engine, create, actions } = world();
  await create(A, { isAutoRemoved: true });
  const removed = engine.wait(A, "removed", new AbortController().signal);
  const ended = engine.wait(A, "next-exit", new AbortController().signal);
  await engine.start(A);
  runtime.exit(A, 5);
  expect((await ended).exitCode).toBe(5);
  expect((await removed).exitCode).toBe(5);
  expect(runtime.inspect(A)).toBeUndefined();
  expect(actions()).toEqual(["create", "connect", "start", "die", "disconnect", "destroy"]);
});

test("one that removes itself is gone also when it cannot be started, or the daemon ended before it was", async () => {
  const { runtime, engine, startDaemon, create } = world();
  await create(A, { isAutoRemoved: true });
  runtime.beforeStart = () => {
    throw new Error("no such program");
  };
  await expect(engine.start(A)).rejects.toThrow("no such program");
  expect(runtime.inspect(A)).toBeUndefined();
  await create(B, { isAutoRemoved: true });
  await engine[Symbol.asyncDispose]();
  await startDaemon().resume();
  expect(runtime.list()).toEqual([]);
});

test("waiting ends with its signal, and at once for what does not run", async () => {
  const { engine, create } = world();
  await create(A, {});
  expect((await engine.wait(A, "not-running", new AbortController().signal)).exitCode).toBe(0);
  const leaving = new AbortController();
  const waiting = engine.wait(A, "next-exit", leaving.signal);
  leaving.abort(new Error("left"));
  await expect(waiting).rejects.toThrow("left");
});

test("what a daemon finds is started or removed, as its settings say", async () => {
  const { runtime, engine, startDaemon, create } = world();
  await create(A, { restart: { name: "always", retriesMax: 0 } });
  await create(B, { isAutoRemoved: true });
  for (const id of [A, B]) await engine.start(id);
  await engine[Symbol.asyncDispose]();
  for (const id of [A, B]) runtime.exit(id, 1);
  await startDaemon().resume();
  expect(runtime.list().map(({ config, state }) => [config.id, state])).toEqual([[A, "running"]]);
});

test("a restart waits for another container without which it cannot be, and nothing else that fails", async () => {
  const { clock, runtime, engine, create } = world();
  const restart = { name: "on-failure", retriesMax: 1 } as const;
  await create(A, { restart });
  await engine.start(A);
  const codes = ["conflict", "conflict", "failed_precondition"] as const;
  let tries = 0;
  runtime.beforeStart = async () => {
    const code = codes[tries++];
    if (code !== undefined) throw new ClusterError(code, "it cannot be started");
  };
  runtime.exit(A, 137);
  for (const delayMs of [100, 200]) {
    clock.advance(delayMs);
    await until("it waits again", () => engine.isRestarting(A));
    expect(engine.restartCount(A)).toBe(0);
  }
  clock.advance(400);
  await until("it was tried", () => tries === 3);
  expect(engine.isRestarting(A)).toBe(false);
  await engine.start(A);
  expect(runtime.inspect(A)?.state).toBe("running");
});

test("a daemon that starts begins with those that others join", async () => {
  const { runtime, startDaemon, engine } = world();
  const restart = { name: "always", retriesMax: 0 } as const;
  const of = (id: string, change: object) => containerConfig(id, `c-${id[0]}`, { single: { ...SINGLE, restart }, ...change });
  await engine.create(of(A, { joins: { ipc: B } }), { container: C });
  await engine.create(of(B, { joins: { pid: C } }), "none");
  await engine.create(of(C, {}), "bridge");
  for (const id of [C, B, A]) await engine.start(id);
  await engine[Symbol.asyncDispose]();
  for (const id of [A, B, C]) runtime.exit(id, 0);
  const later = startDaemon();
  await later.resume();
  const started = later.events.past().filter(({ action }) => action === "start");
  expect(started.map(({ id }) => id)).toEqual([C, B, A]);
});

test("a start waits for the end of others only where it wants ports, which they may be about to give back", async () => {
  const { runtime, network, engine, create } = world();
  const detached = deferred<void>();
  const detach = network.detach.bind(network);
  network.detach = async (id) => {
    await detached.promise;
    await detach(id);
  };
  const port = { ...PORT, publishedPort: 8080 };
  await create(A, { ports: [port] });
  await create(B, {});
  await create(C, { ports: [port] });
  await engine.start(A);
  runtime.exit(A, 0);
  await engine.start(B);
  const last = engine.start(C);
  expect(runtime.list().map(({ state }) => state)).toEqual(["exited", "running", "created"]);
  detached.resolve();
  await last;
  expect(network.publishedPorts(C)).toEqual([port]);
});

test("a program in a container is started once, and its code kept for a while", async () => {
  const { clock, runtime, engine, create } = world();
  await create(A, {});
  const settings: ExecSettings = {
    containerId: A,
    args: ["false"],
    env: [],
    workingDir: "",
    user: "",
    isPrivileged: false,
    isTerminal: false,
    streams: { stdin: false, stdout: true, stderr: true },
    detachKeys: "",
  };
  const early = engine.execs.create(settings);
  expect(() => engine.execs.claim(early)).toThrow("is not running");
  await engine.start(A);
  runtime.exitCodeOfExec = () => 3;
  const id = engine.execs.create(settings);
  engine.execs.claim(id);
  expect(() => engine.execs.claim(id)).toThrow("has already run");
  const process = await engine.execs.start(id, { isDetached: true, size: null });
  expect(await process.ended).toBe(3);
  expect(engine.execs.inspect(id)).toMatchObject({ isRunning: false, exitCode: 3 });
  clock.advance(300_001);
  engine.execs.create(settings);
  expect(() => engine.execs.inspect(id)).toThrow("No such exec instance");
});
