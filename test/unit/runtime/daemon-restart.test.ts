import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ContainerWorld, containerConfig } from "../../support/container-world.js";
import { until } from "../../support/until.js";

let world: ContainerWorld;
beforeEach(async () => {
  world = await ContainerWorld.open();
});
afterEach(() => world[Symbol.asyncDispose]());

const isAlive = (pid: number) => existsSync(`/proc/${pid}`);

test("a container runs on without the daemon and is found again", async () => {
  const id = await world.startReady();
  const before = world.runtime.inspect(id);
  await world.reopen();
  expect(world.runtime.inspect(id)).toEqual(before);
  const exit = world.runtime.wait(id);
  await world.runtime.kill(id, "SIGUSR1");
  expect(await exit).toMatchObject({ exitCode: 7 });
});

test("an exit that happened without the daemon has its real status and time", async () => {
  const id = await world.startReady({ command: ["sh", "-c", "echo ready; sleep 0.2; echo end; exit 5"] });
  const started = world.runtime.inspect(id);
  await world.closeRuntime();
  await until("the shim is gone", () => !isAlive(started?.pid ?? 0));
  const record = await until("the exit is recorded", () => existsSync(join(world.folder, "data/containers", id, "exit")));
  expect(record).toBe(true);
  const endedBefore = Date.now();
  await world.reopen();
  const info = world.runtime.inspect(id);
  expect(info).toMatchObject({ state: "exited", pid: 0, startedAtMs: started?.startedAtMs, exit: { exitCode: 5, isOutOfMemory: false } });
  expect(info?.exit?.finishedAtMs).toBeLessThanOrEqual(endedBefore);
  expect(info?.exit?.finishedAtMs).toBeGreaterThanOrEqual(started?.startedAtMs ?? 0);
  expect(await world.output(id)).toBe("ready\nend\n");
});

test("a container that was only created is found again, and can be started", async () => {
  const id = await world.create();
  await world.reopen();
  expect(world.runtime.inspect(id)).toMatchObject({ state: "created", exit: null });
  await world.runtime.start(id);
  expect(world.runtime.inspect(id)?.state).toBe("running");
});

test("a start that failed leaves a created container also after a restart", async () => {
  const id = await world.create({ command: ["no-such-program"] });
  await expect(world.runtime.start(id)).rejects.toThrow("not found");
  await world.reopen();
  expect(world.runtime.inspect(id)?.state).toBe("created");
});

test("killing the spawner harms no container, and the next start works", async () => {
  const first = await world.startReady();
  process.kill(world.runtime.spawnerPid, "SIGKILL");
  await until("the spawner is gone", () => world.runtime.spawnerPid === 0);
  const second = await world.startReady();
  expect(world.runtime.list().map((info) => info.state)).toEqual(["running", "running"]);
  for (const id of [first, second]) {
    await world.runtime.stop(id, 10_000);
    expect(world.runtime.inspect(id)?.exit?.exitCode).toBe(0);
  }
});

test("starts under way when the spawner is killed fail or succeed, and none is lost", async () => {
  const warm = await world.startReady();
  const ids = await Promise.all(Array.from({ length: 12 }, () => world.create()));
  const starts = ids.map((id) => world.runtime.start(id));
  process.kill(world.runtime.spawnerPid, "SIGKILL");
  const results = await Promise.allSettled(starts);
  for (const [index, result] of results.entries()) {
    expect(world.runtime.inspect(ids[index]!)?.state).toBe(result.status === "fulfilled" ? "running" : "created");
  }
  for (const id of [warm, ...ids]) await world.runtime.remove(id, { force: true });
  await until("every shim is gone", () => world.shims().length === 0);
});

test("killing a shim ends its container, whose end is unknown", async () => {
  const id = await world.startReady();
  const pid = world.runtime.inspect(id)?.pid ?? 0;
  const exit = world.runtime.wait(id);
  for (const shim of world.shims()) process.kill(shim, "SIGKILL");
  expect(await exit).toMatchObject({ exitCode: 137, isOutOfMemory: false });
  await until("the program is gone", () => !isAlive(pid));
  await world.runtime.remove(id);
  expect(world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)))).toEqual([]);
});

test("a shim that was killed and left a damaged record of its end costs neither the daemon nor the container's removal", async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (cause: unknown) => unhandled.push(cause);
  process.on("unhandledRejection", onUnhandled);
  const id = await world.startReady();
  const pid = world.runtime.inspect(id)?.pid ?? 0;
  writeFileSync(join(world.folder, "data/containers", id, "exit"), "{");
  for (const shim of world.shims()) process.kill(shim, "SIGKILL");
  expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 137 });
  await until("the program is gone", () => !isAlive(pid));
  await world.runtime.remove(id);
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
  expect(world.runtime.inspect(id)).toBeUndefined();
  expect(world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)))).toEqual([]);
});

test("after a power cut, what was running has ended as killed", async () => {
  const id = await world.startReady();
  const { pid, startedAtMs } = world.runtime.inspect(id) ?? { pid: 0, startedAtMs: 0 };
  const shims = world.shims();
  await world.closeRuntime();
  for (const shim of shims) process.kill(shim, "SIGKILL");
  await until("the program is gone", () => !isAlive(pid));
  await world.reopen();
  const info = world.runtime.inspect(id);
  expect(info).toMatchObject({ state: "exited", exit: { exitCode: 137 } });
  expect(Math.abs((info?.startedAtMs ?? 0) - startedAtMs)).toBeLessThan(10_000);
  expect(world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)))).toEqual([]);
});

test("what belongs to no container is removed at start: folders, cgroups, and shims with their programs", async () => {
  const id = await world.startReady();
  const pid = world.runtime.inspect(id)?.pid ?? 0;
  await world.closeRuntime();
  rmSync(join(world.folder, "data/containers", id, "record.json"));
  await world.reopen();
  expect(world.runtime.list()).toEqual([]);
  await until("the program is gone", () => !isAlive(pid));
  expect(readdirSync(join(world.folder, "data/containers"))).toEqual([]);
  expect(readdirSync(join(world.folder, "run/shims"))).toEqual([]);
  expect(world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)))).toEqual([]);
});

const flipped = (whole: string) => whole.replace('"version":1', '"version":1,"x":0');

test.each<string | ((whole: string) => string)>(["", "{", '{"version":2}', flipped])(
  "a container whose record is damaged (%j) is left alone with all that is in it, and is found again with its record",
  async (damaged) => {
    const id = await world.startReady();
    const before = world.runtime.inspect(id);
    const path = join(world.folder, "data/containers", id, "record.json");
    const whole = readFileSync(path, "utf8");
    await world.closeRuntime();
    writeFileSync(path, typeof damaged === "string" ? damaged : damaged(whole));
    await world.reopen();
    expect(world.runtime.list()).toEqual([]);
    expect(world.runtime.leftAlone()).toEqual([{ id, createdAtMs: expect.closeTo(before?.createdAtMs ?? 0, -5) }]);
    expect(isAlive(before?.pid ?? 0)).toBe(true);
    await world.closeRuntime();
    writeFileSync(path, whole);
    await world.reopen();
    expect(world.runtime.inspect(id)).toEqual(before);
    expect(world.runtime.leftAlone()).toEqual([]);
  },
);

test("the socket of a program's shim that was killed is removed at start", async () => {
  const id = await world.startReady();
  const inUse = await world.exec(id, "sleep", "1000");
  const sockets = () => readdirSync(join(world.folder, "run/shims")).toSorted();
  const living = sockets();
  const before = new Set(world.shims());
  await world.exec(id, "sleep", "1000");
  for (const shim of world.shims()) if (!before.has(shim)) process.kill(shim, "SIGKILL");
  await until("its shim is gone", () => world.shims().length === before.size);
  expect(sockets()).toHaveLength(living.length + 1);
  await world.reopen();
  expect(sockets()).toEqual(living);
  await inUse.kill("SIGKILL");
});

test("nothing is left of a removed container", async () => {
  const mounts = () =>
    readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(world.folder));
  const id = await world.startReady({ mounts: [{ type: "tmpfs", source: "", target: "/x", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 }] });
  const pid = world.runtime.inspect(id)?.pid ?? 0;
  expect(mounts()).toEqual([]);
  await world.runtime.remove(id, { force: true });
  expect(isAlive(pid)).toBe(false);
  await until("the shim is gone", () => world.shims().length === 0);
  expect(mounts()).toEqual([]);
  expect(readdirSync(join(world.folder, "data/containers"))).toEqual([]);
  expect(readdirSync(join(world.folder, "run/shims"))).toEqual([]);
  expect(world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)))).toEqual([]);
  await world.closeRuntime();
  await until("the owner's cgroups are gone", () => world.cgroups().length === 0);
  await world.reopen();
});

test("changes are told, and a container taken over is not told again as started", async () => {
  const seen: string[] = [];
  const stop = world.runtime.onChange((change, info) => seen.push(`${change} ${info.state}`));
  const config = containerConfig();
  await world.runtime.create(config);
  await world.runtime.start(config.id);
  await world.runtime.remove(config.id, { force: true });
  expect(seen).toEqual(["create created", "start running", "exit exited", "remove exited"]);
  stop();
});

test("the resident shim is small", async () => {
  const ids = [];
  for (let index = 0; index < 8; index++) ids.push(await world.startReady());
  const sizes = world.shims().map((pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const sizeOf = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1]);
    return { residentKb: sizeOf("Rss"), proportionalKb: sizeOf("Pss") };
  });
  expect(sizes).toHaveLength(8);
  for (const size of sizes) {
    expect(size.residentKb).toBeLessThan(3072);
    expect(size.proportionalKb).toBeLessThan(1536);
  }
  for (const id of ids) await world.runtime.remove(id, { force: true });
});
