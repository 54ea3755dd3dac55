import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ContainerResources } from "../../../src/runtime/container-config.js";
import { deviceNumbers } from "../../../src/runtime/devices.js";
import { ContainerWorld } from "../../support/container-world.js";
import { until } from "../../support/until.js";

const NONE = { nanoCpus: 0, memoryBytes: 0, pids: 0 };
/** A disk of this machine: the one that has the containers' files, if one has them. */
const OWN_DISK = diskOf(tmpdir());
const DISK = OWN_DISK ?? readdirSync("/sys/class/block").find((name) => existsSync(join("/dev", name)) && existsSync(join("/sys/block", name, "device"))) ?? "";
const DISK_NUMBERS = DISK === "" ? "" : readFileSync(join("/sys/class/block", DISK, "dev"), "utf8").trim();
const hasLegacyMemory = existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes");

function diskOf(path: string): string | undefined {
  const { major, minor } = deviceNumbers(statSync(path, { bigint: true }).dev);
  const folder = `/sys/dev/block/${major}:${minor}`;
  // The kernel limits whole disks.
  return existsSync(folder) && !existsSync(join(folder, "partition")) ? basename(realpathSync(folder)) : undefined;
}

/** Limits of real containers, in whatever hierarchies this machine has. */
describe("limits that are not always there", () => {
  let world: ContainerWorld;
  beforeAll(async () => {
    world = await ContainerWorld.open();
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  const groupsOf = (id: string) => world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)));
  /** What is in the first of these files that a group of the container has. */
  function settingOf(id: string, ...files: readonly string[]): string {
    const paths = groupsOf(id).flatMap((group) => files.map((file) => join(group, file)));
    const path = paths.find((candidate) => existsSync(candidate));
    return path === undefined ? `none of ${files.join(", ")}` : readFileSync(path, "utf8").trim();
  }
  const allowedOf = (pid: number, what: string) => new RegExp(`^${what}_allowed_list:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  const start = (resources: Partial<ContainerResources>) => world.startReady({ resources: { ...NONE, ...resources } });
  const update = (id: string, resources: Partial<ContainerResources>) => world.runtime.update(id, { resources: { ...NONE, ...resources } });

  async function removeAndLook(id: string): Promise<void> {
    await world.runtime.remove(id, { force: true });
    expect(groupsOf(id)).toEqual([]);
  }

  test("processors and memory nodes: at start, in exec, and changed while it runs", async () => {
    const { cpus } = world.runtime.abilities.cpuset;
    const last = String(cpus.split(/[-,]/).at(-1));
    const id = await start({ cpusetCpus: last, cpusetMems: "0" });
    expect([settingOf(id, "cpuset.cpus"), settingOf(id, "cpuset.mems")]).toEqual([last, "0"]);
    const pid = world.runtime.inspect(id)?.pid ?? 0;
    expect([allowedOf(pid, "Cpus"), allowedOf(pid, "Mems")]).toEqual([last, "0"]);
    await update(id, { cpusetCpus: "0" });
    expect([settingOf(id, "cpuset.cpus"), allowedOf(pid, "Cpus")]).toEqual(["0", "0"]);
    await removeAndLook(id);
  });

  test("a container that had none gets them with all its processes, and leaves nothing when it ends", async () => {
    const id = await world.startReady({ command: ["sh", "-c", "trap 'exit 3' USR1; sleep 1000 & sleep 1000 & echo ready; wait"] });
    await update(id, { cpusetCpus: "0" });
    const processes = await world.runtime.processes(id);
    expect(processes).toHaveLength(3);
    for (const process of processes) expect(allowedOf(process, "Cpus")).toBe("0");
    expect(settingOf(id, "cpuset.cpus")).toBe("0");
    // What a daemon that comes later finds is the same.
    await world.reopen();
    await world.runtime.kill(id, "SIGUSR1");
    expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 3 });
    await until("its groups are gone", () => groupsOf(id).length === 0);
    await world.runtime.start(id);
    await until("it has printed again", async () => (await world.output(id)).split("ready").length === 3);
    expect(settingOf(id, "cpuset.cpus")).toBe("0");
    await removeAndLook(id);
  });

  test.runIf(DISK !== "")("rates of a disk are changed while it runs, and taken back", async () => {
    const path = `/dev/${DISK}`;
    const id = await start({ disks: { readBytes: [{ path, value: 1 << 20 }], writeOperations: [{ path, value: 77 }] } });
    const rates = () => settingOf(id, "blkio.throttle.read_bps_device", "io.max");
    expect(rates()).toMatch(new RegExp(`^${DISK_NUMBERS} (rbps=)?1048576( |$)`));
    expect(settingOf(id, "blkio.throttle.write_iops_device", "io.max")).toMatch(/(wiops=| )77$/);
    await update(id, { disks: { readBytes: [{ path, value: 2 << 20 }] } });
    expect(rates()).toMatch(/(rbps=| )2097152( |$)/);
    await update(id, { disks: { readBytes: [{ path, value: 0 }], writeOperations: [{ path, value: 0 }] } });
    expect(rates()).toBe("");
    await removeAndLook(id);
  });

  test.runIf(OWN_DISK !== undefined)("rates of a disk are kept", async () => {
    const script = "dd if=/dev/zero of=/file bs=64k count=48 oflag=direct 2>/dev/null && echo done";
    const begun = performance.now();
    expect((await world.run(script, { resources: { ...NONE, disks: { writeBytes: [{ path: `/dev/${DISK}`, value: 1 << 20 }] } } })).output).toBe("done\n");
    // 3 MB at 1 MB/s; as fast as it can, it takes some milliseconds.
    expect(performance.now() - begun).toBeGreaterThan(1000);
  });

  test("limits of what is no disk are refused at start, with the path", async () => {
    const id = await world.create({ resources: { ...NONE, disks: { readBytes: [{ path: "/dev/null", value: 1 }] } } });
    await expect(world.runtime.start(id)).rejects.toMatchObject({ message: expect.stringContaining('limits of the device "/dev/null" cannot be set') });
    await world.runtime.remove(id);
  });

  test("the share of the disks' time", async () => {
    const { file } = world.runtime.abilities.diskWeight;
    if (file === "") return;
    const id = await start({ diskWeight: 505 });
    expect(settingOf(id, file)).toMatch(file === "io.weight" ? /^default 5000/ : /505$/m);
    await update(id, { diskWeight: 10 });
    expect(settingOf(id, file)).toMatch(file === "io.weight" ? /^default 1$/m : /10$/m);
    await removeAndLook(id);
  });

  test.runIf(hasLegacyMemory)("swappiness, no end by lack of memory, memory of TCP: of version 1", async () => {
    const all = { memoryBytes: 16 << 20, memorySwappiness: 7, isOutOfMemoryKillDisabled: true, kernelMemoryTcpBytes: 1 << 20 };
    const id = await start(all);
    expect(settingOf(id, "memory.swappiness")).toBe("7");
    expect(settingOf(id, "memory.oom_control")).toContain("oom_kill_disable 1");
    expect(settingOf(id, "memory.kmem.tcp.limit_in_bytes")).toBe(String(1 << 20));
    await update(id, { ...all, memorySwappiness: 9, isOutOfMemoryKillDisabled: false });
    expect([settingOf(id, "memory.swappiness"), settingOf(id, "memory.oom_control").split("\n")[0]]).toEqual(["9", "oom_kill_disable 0"]);
    await removeAndLook(id);
  });

  test.runIf(hasLegacyMemory)("a program without memory waits instead of being ended, until there is more", async () => {
    const resources = { memoryBytes: 8 << 20, memorySwapBytes: 8 << 20, isOutOfMemoryKillDisabled: true };
    // In memory that the program itself touches: calls of the kernel fail instead of waiting.
    const script = `awk 'BEGIN { s = "x"; while (length(s) < 16777216) s = s s; print length(s) }'; sleep 1000`;
    const id = await world.start({ resources: { ...NONE, ...resources }, command: ["sh", "-c", script] });
    await until("it waits", () => settingOf(id, "memory.oom_control").includes("under_oom 1"));
    expect(world.runtime.inspect(id)?.state).toBe("running");
    await update(id, { ...resources, memoryBytes: 128 << 20, memorySwapBytes: 128 << 20 });
    await until("it goes on", async () => (await world.output(id)).includes("16777216"));
    await removeAndLook(id);
  });
});
