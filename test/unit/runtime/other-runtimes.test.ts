import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeContainerRuntime } from "../../conformance/container-runtime.js";
import { ContainerWorld, containerConfig, SHIM_PATH, PLAIN_EXEC } from "../../support/container-world.js";
import { until } from "../../support/until.js";

const PEERS = ["runc", "crun"].map(
  (name) => [name, execFileSync("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${name}`], { encoding: "utf8" }).trim()] as const,
);
/** Our own command line, called as any other. */
const PROGRAMS = [...PEERS, ["swarm-oci", resolve(SHIM_PATH, "../swarm-oci")] as const];
const runtimesOf = (defaultName: string) => ({ byName: Object.fromEntries(PROGRAMS.map(([name, path]) => [name, { path, args: [] }])), defaultName });

for (const [name] of PROGRAMS) {
  describeContainerRuntime(`local runtime over ${name}`, async () => {
    const world = await ContainerWorld.open({ runtimes: runtimesOf("swarm-shim") });
    const config = () => containerConfig({ runtime: name });
    const broken = () => containerConfig({ runtime: name, command: ["no-such-program"] });
    return { runtime: world.runtime, config, brokenConfig: broken, dispose: () => world[Symbol.asyncDispose]() };
  });
}

describe.each(PROGRAMS)("containers of %s", (name) => {
  let world: ContainerWorld;
  beforeAll(async () => {
    world = await ContainerWorld.open({ runtimes: runtimesOf(name) });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test("are made by it, with the default of when they were created", async () => {
    const id = await world.startReady();
    expect(world.runtime.inspect(id)?.config.runtime).toBe(name);
    expect(readdirSync(join(world.folder, "run/oci", `state-${name}`))).toEqual([id.slice(0, 32)]);
    await world.runtime.remove(id, { force: true });
    expect(readdirSync(join(world.folder, "run/oci", `state-${name}`))).toEqual([]);
    expect(existsSync(join(world.folder, "run/oci", id.slice(0, 32)))).toBe(false);
  });

  test("have the same identity, limits, mounts and protection as our own", async () => {
    const script =
      "exec 2>&1; id; hostname; ulimit -n; pwd; grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status; cat /proc/self/oom_score_adj; cat /sys/fs/cgroup/memory/memory.limit_in_bytes; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ls /dev | sort; head -c1 /proc/kcore 2>/dev/null | wc -c; touch /proc/sys/kernel/x 2>&1; grep ' /data ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1; ip -o link | wc -l; cat /proc/1/cgroup | wc -l >/dev/null; mknod /tmp/k c 1 11 && cat /tmp/k";
    const settings = {
      user: "web:staff",
      groups: ["extra"],
      hostname: "box",
      noNewPrivileges: true,
      oomScoreAdj: 100,
      workingDir: "/made/for/it",
      resources: { memoryBytes: 64 << 20, nanoCpus: 0, pids: 50 },
      mounts: [{ type: "bind", source: world.folder, target: "/data", isReadOnly: true, propagation: "", sizeBytes: 0, mode: 0 }],
    } as const;
    const asRoot = { ...settings, user: "" };
    for (const each of [settings, asRoot]) {
      const own = await world.run(script, { ...each, runtime: "swarm-shim" });
      const other = await world.run(script, each);
      // A link in /dev that only one of them makes.
      const text = (output: string) => output.replace(/^(core|console)\n/gm, "");
      expect(text(other.output)).toBe(text(own.output));
      expect(other.exit.exitCode).toBe(own.exit.exitCode);
    }
  });

  test("say why a program cannot be executed, and leave nothing", async () => {
    const id = await world.create({ command: ["no-such-program"] });
    await expect(world.runtime.start(id)).rejects.toThrow(/^unable to start container process: .*(not found|No such file)/);
    await world.runtime.remove(id);
    expect(world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)))).toEqual([]);
  });

  test("run more programs, with streams and exit code, as who they are told", async () => {
    const id = await world.startReady();
    const base = { ...PLAIN_EXEC, env: ["A=1"], workingDir: "/tmp" };
    const streams = { stdin: true, stdout: true, stderr: true };
    const process = await world.runtime.exec(id, { ...base, args: ["sh", "-c", "id -un; pwd; echo $A; cat; exit 9"], user: "web", streams });
    process.stream?.end("input\n");
    const chunks: Buffer[] = [];
    for await (const chunk of process.stream ?? []) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/web\n[\s\S]*\/tmp\n[\s\S]*1\n[\s\S]*input\n/);
    expect(await process.ended).toBe(9);
    await expect(world.runtime.exec(id, { ...base, args: ["nothing"], user: "", streams: null })).rejects.toThrow(
      /unable to start container process: .*nothing/,
    );
    await world.runtime.remove(id, { force: true });
    await until("bundles are gone", () => readdirSync(join(world.folder, "run/oci")).every((entry) => entry.startsWith("state-")));
  });

  test("have a terminal", async () => {
    const id = await world.create({
      command: ["sh", "-c", "read line; tty; stty size; echo got $line"],
      terminal: { isTerminal: true, hasInput: true, isInputOnce: false },
    });
    const attachment = world.runtime.attach(id, { stdin: true, stdout: true, stderr: true });
    await world.runtime.start(id);
    const stream = await attachment.stream;
    await world.runtime.resize(id, { rows: 33, columns: 99 });
    stream.write("something\n");
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/\/dev\/(pts\/0|console)\r\n33 99\r\n[\s\S]*got something/);
    await world.runtime.remove(id, { force: true });
  });

  test("out of memory is told, and pause holds them", async () => {
    const { exit } = await world.run("x=$(dd if=/dev/zero bs=1M count=200 | tr '\\0' x); echo survived", {
      resources: { memoryBytes: 16 << 20, nanoCpus: 0, pids: 0 },
    });
    expect(exit).toMatchObject({ isOutOfMemory: true });
    const id = await world.startReady();
    await world.runtime.pause(id);
    expect(world.runtime.inspect(id)?.isPaused).toBe(true);
    await world.runtime.unpause(id);
    await world.runtime.stop(id, 10_000);
    expect(world.runtime.inspect(id)?.exit?.exitCode).toBe(0);
    await world.runtime.remove(id);
  });

  test("outlive the daemon, which finds them and their ends again", async () => {
    const living = await world.startReady();
    const ending = await world.startReady({
      command: ["sh", "-c", "echo ready; while [ ! -e /data/end ]; do sleep 0.05; done; exit 5"],
      mounts: [dataMount(world)],
    });
    await world.closeRuntime();
    execFileSync("touch", [join(world.folder, "end")]);
    await until("it has ended", () => existsSync(join(world.folder, "data/containers", ending, "exit")));
    await world.reopen();
    expect(world.runtime.inspect(living)).toMatchObject({ state: "running", exit: null });
    expect(world.runtime.inspect(ending)).toMatchObject({ state: "exited", exit: { exitCode: 5 } });
    await world.runtime.kill(living, "SIGUSR1");
    expect(await world.runtime.wait(living)).toMatchObject({ exitCode: 7 });
    await world.runtime.start(living);
    for (const id of [living, ending]) await world.runtime.remove(id, { force: true });
  });

  test("end with their shim", async () => {
    const id = await world.startReady();
    const { pid } = world.runtime.inspect(id) ?? { pid: 0 };
    for (const shim of world.shims()) process.kill(shim, "SIGKILL");
    expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 137 });
    await until("its program is gone", () => !existsSync(`/proc/${pid}`));
    await world.runtime.start(id);
    await world.runtime.remove(id, { force: true });
  });

  test("leave no cgroup behind, in hierarchies that we do not use either", async () => {
    for (const { config } of world.runtime.list()) await world.runtime.remove(config.id, { force: true });
    await world.closeRuntime();
    await until("all are gone", () => world.cgroups().length === 0);
    await world.reopen();
  });

  test("may be privileged, or have a device", async () => {
    const script =
      "head -c1 /dev/kmsg >/dev/null 2>&1; grep CapEff /proc/self/status; [ -e /dev/kmsg ] && echo there; dd if=/dev/zero of=/dev/null count=1 2>&1 | head -1";
    const own = await world.run(script, { isPrivileged: true, runtime: "swarm-shim" });
    const other = await world.run(script, { isPrivileged: true });
    expect(other.output).toBe(own.output);
    const device = { source: "/dev/kmsg", target: "/dev/sub/log", permissions: "w" };
    const tried = await world.run("echo test > /dev/sub/log && echo written; head -c1 /dev/sub/log", { devices: [device] });
    expect(tried.output).toMatch(/^written\n.*not permitted/);
  });
});

test("a runtime that is not configured is refused by name", async () => {
  await using world = await ContainerWorld.open();
  await expect(world.create({ runtime: "kata" })).rejects.toMatchObject({ code: "invalid_argument", message: "unknown or invalid runtime name: kata" });
});

function dataMount(world: ContainerWorld) {
  return { type: "bind", source: world.folder, target: "/data", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 } as const;
}
