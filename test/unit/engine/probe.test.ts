import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { readTextIfThere } from "../../../src/base/durable-file.js";
import { silentLogger } from "../../../src/base/log.js";
import { Engine } from "../../../src/engine/engine.js";
import { runProbe } from "../../../src/engine/health/probe.js";
import { ContainerWorld } from "../../support/container-world.js";
import { FakeHostNetwork } from "../../support/fake-host-network.js";
import { MemoryHealthRecords } from "../../support/memory-health-records.js";
import { MemoryImageStore } from "../../support/memory-image-store.js";
import { MemoryVolumes } from "../../support/memory-volumes.js";
import { until } from "../../support/until.js";

let world: ContainerWorld;
let engine: Engine;
beforeAll(async () => {
  world = await ContainerWorld.open();
  const { runtime } = world;
  engine = new Engine({
    runtime,
    network: new FakeHostNetwork(),
    volumes: new MemoryVolumes(),
    images: new MemoryImageStore(),
    clock: systemClock,
    logger: silentLogger,
    healthRecords: new MemoryHealthRecords(),
  });
});
afterAll(async () => {
  await engine?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

const line = (text: string) => ({
  test: ["CMD-SHELL", text],
  intervalMs: 0,
  timeoutMs: 0,
  startPeriodMs: 0,
  startIntervalMs: 0,
  retries: 0,
  shell: ["/bin/sh", "-c"],
});
const probe = (id: string, text: string, timeoutMs = 30_000, signal = new AbortController().signal) =>
  runProbe(world.runtime.inspect(id)!, line(text), { execs: engine.execs, clock: systemClock }, timeoutMs, signal);
/** Those that have not ended when they are looked at. */
const programsOf = async (id: string) => {
  const texts = await Promise.all((await world.runtime.processes(id)).map((pid) => readTextIfThere(`/proc/${pid}/cmdline`)));
  return texts.flatMap((text) => (text === undefined ? [] : [text.replaceAll("\0", " ")]));
};

test("a test tells its exit code and the output of both streams", async () => {
  const id = await world.startReady({ env: ["WORD=said"] });
  expect(await probe(id, "echo $WORD; echo wrong >&2; exit 3")).toMatchObject({ exitCode: 3, output: "said\nwrong\n" });
  expect(await probe(id, "head -c 100000 /dev/zero | tr '\\0' x")).toMatchObject({ exitCode: 0, output: `${"x".repeat(4096)}...` });
  expect(engine.execs.idsOf(id)).toEqual([]);
});

test("one that says nothing, and has ended before anybody listens, is over", async () => {
  const id = await world.startReady();
  const exec = world.runtime.exec.bind(world.runtime);
  world.runtime.exec = async (...call) => {
    const process = await exec(...call);
    await until("its end has come", () => process.stream?.readableEnded);
    return process;
  };
  try {
    expect(await probe(id, "exit 3")).toMatchObject({ exitCode: 3, output: "" });
  } finally {
    world.runtime.exec = exec;
  }
});

test("one that hangs is ended with everything that it started, also what has left its session", async () => {
  const id = await world.startReady();
  const hang = "echo begun; (setsid sleep 77771 &) ; (setsid sh -c 'sleep 77772; :' &); sleep 77773";
  const result = await probe(id, hang, 4500);
  expect(result).toMatchObject({ exitCode: -1, output: "Health check exceeded timeout (4.5s): begun\n" });
  expect((await programsOf(id)).filter((program) => program.includes("7777"))).toEqual([]);
  expect(world.cgroups().filter((path) => path.endsWith("swarm-probe"))).toEqual([]);
});

test("what one leaves behind is ended when it has answered", async () => {
  const id = await world.startReady();
  expect(await probe(id, "(setsid sleep 77774 >/dev/null 2>&1 &); exit 0")).toMatchObject({ exitCode: 0 });
  expect((await programsOf(id)).filter((program) => program.includes("7777"))).toEqual([]);
});

test("one that is given up, as by a pause, ends too", async () => {
  const id = await world.startReady();
  const stop = new AbortController();
  const given = probe(id, "sleep 77775", 60_000, stop.signal);
  await until("it runs", async () => (await programsOf(id)).some((program) => program.includes("77775")));
  stop.abort();
  expect(await given).toMatchObject({ exitCode: -1 });
  expect((await programsOf(id)).filter((program) => program.includes("7777"))).toEqual([]);
});

test("it is under the container's limits", async () => {
  const id = await world.startReady({ resources: { nanoCpus: 0, memoryBytes: 0, pids: 12 } });
  const result = await probe(id, "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 60 & done; wait", 5_000);
  expect(result.exitCode).not.toBe(0);
  expect(result.output).toContain("can't fork");
});

test("one of a container that ends meanwhile leaves nothing in its way", async () => {
  const id = await world.startReady();
  const result = probe(id, "sleep 77776", 60_000);
  await until("it runs", async () => (await programsOf(id)).some((program) => program.includes("77776")));
  await world.runtime.kill(id, "SIGKILL");
  expect((await result).exitCode).not.toBe(0);
  await world.runtime.wait(id);
  await until("its groups are gone", () => world.cgroups().every((path) => !path.includes(id.slice(0, 32))));
  expect(await probe(id, "true")).toMatchObject({ exitCode: -1, output: `container ${id} is not running` });
});

test("a test that cannot be executed says why", async () => {
  const id = await world.startReady();
  const plan = { ...line(""), test: ["CMD", "/no/such/program"] };
  const result = await runProbe(world.runtime.inspect(id)!, plan, { execs: engine.execs, clock: systemClock }, 30_000, new AbortController().signal);
  expect(result.exitCode).toBe(-1);
  expect(result.output).toContain("/no/such/program");
  expect(world.cgroups().filter((path) => path.endsWith("swarm-probe"))).toEqual([]);
});

test("an earlier daemon's test, still running, is ended by the next one", async () => {
  const id = await world.startReady();
  const exec = { env: [], workingDir: "", user: "", isPrivileged: false, isTerminal: false, size: null, streams: null, isDisposable: true };
  await world.runtime.exec(id, { ...exec, args: ["sleep", "77778"] });
  expect(await probe(id, "true")).toMatchObject({ exitCode: 0 });
  expect((await programsOf(id)).filter((program) => program.includes("7777"))).toEqual([]);
});
