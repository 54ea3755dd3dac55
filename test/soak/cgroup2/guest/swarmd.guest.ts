import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type Docker from "dockerode";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../support/until.js";
import { answers, docker, removeContainers, run as runHere, startSwarmd, stopSwarmd } from "./swarmd.js";

const MB = 1 << 20;
const systemctl = (...words: string[]) => runHere("systemctl", ...words);
const PATIENT = ["sh", "-c", "trap 'exit 7' USR1; trap 'exit 0' TERM; echo ready; while :; do sleep 1 & wait $!; done"];

/** The version 2 group of a container. */
function groupOf(id: string): string {
  const name = id.slice(0, 32);
  const found = readdirSync("/sys/fs/cgroup/swarm", { recursive: true, encoding: "utf8" }).find((path) => path.endsWith(`/${name}`));
  return join("/sys/fs/cgroup/swarm", found ?? `no group of ${name}`);
}

const setting = (id: string, file: string) => readFileSync(join(groupOf(id), file), "utf8").trim();
const counted = (id: string, file: string, key: string) => Number(new RegExp(`^${key} (\\d+)$`, "m").exec(setting(id, file))?.[1]);

async function run(command: readonly string[], HostConfig: Docker.HostConfig = {}): Promise<Docker.Container> {
  const container = await docker.createContainer({ Image: "bb:v1", Cmd: [...command], HostConfig: { NetworkMode: "none", ...HostConfig } });
  await container.start();
  return container;
}

/** Without the frames of 8 bytes before each part. */
function textOf(framed: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= framed.length; at += 8 + framed.readUInt32BE(at + 4)) parts.push(framed.subarray(at + 8, at + 8 + framed.readUInt32BE(at + 4)));
  return Buffer.concat(parts).toString();
}

async function logOf(container: Docker.Container): Promise<string> {
  return textOf(await container.logs({ stdout: true, stderr: true, follow: false }));
}

async function outputOf(command: readonly string[], HostConfig?: Docker.HostConfig): Promise<string> {
  const container = await run(command, HostConfig);
  await container.wait();
  const output = await logOf(container);
  await container.remove();
  return output;
}

async function pidOf(container: Docker.Container): Promise<number> {
  return (await container.inspect()).State.Pid;
}

/** swarmd as its systemd unit starts it, on a host with version 2 alone. */
describe("swarmd under systemd", () => {
  beforeAll(startSwarmd);

  afterAll(stopSwarmd);

  // Also after a test that failed: what it left would take the one processor from the next.
  afterEach(async () => {
    if (await answers()) await removeContainers();
  });

  test("limits are the kernel's, and are changed while the container runs", async () => {
    const container = await run(PATIENT, { Memory: 64 * MB, NanoCpus: 250_000_000, PidsLimit: 32 });
    const limits = () => ["memory.max", "memory.swap.max", "cpu.max", "pids.max"].map((file) => setting(container.id, file));
    expect(limits()).toEqual([String(64 * MB), String(64 * MB), "25000 100000", "32"]);
    await container.update({ Memory: 96 * MB, MemorySwap: 192 * MB, NanoCpus: 500_000_000, PidsLimit: 48 });
    expect(limits()).toEqual([String(96 * MB), String(96 * MB), "50000 100000", "48"]);
    await container.remove({ force: true });
  });

  test("limits of processor time and processes are kept", async () => {
    const container = await run(["sh", "-c", "while :; do :; done"], { NanoCpus: 100_000_000 });
    await until("it was throttled", () => counted(container.id, "cpu.stat", "nr_throttled") > 2, 60);
    await container.remove({ force: true });
    expect(await outputOf(["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all"], { PidsLimit: 4 })).toMatch(/can't fork/);
  });

  test("lack of memory is told as such, and another SIGKILL is not", async () => {
    const hungry = await run(["grep", "-c", "x", "/dev/zero"], { Memory: 16 * MB });
    expect(await hungry.wait()).toMatchObject({ StatusCode: 137 });
    expect((await hungry.inspect()).State).toMatchObject({ OOMKilled: true, ExitCode: 137, Status: "exited" });
    const killed = await run(PATIENT, { Memory: 16 * MB });
    await killed.kill();
    expect(await killed.wait()).toMatchObject({ StatusCode: 137 });
    expect((await killed.inspect()).State).toMatchObject({ OOMKilled: false });
    await Promise.all([hungry.remove(), killed.remove()]);
  });

  test("devices are filtered: the usual ones, one's own, and all for a privileged container", async () => {
    const numbers = readFileSync("/sys/class/block/vda/dev", "utf8").trim().replace(":", " ");
    const script = `echo x >/dev/null && echo null; mknod /tmp/d b ${numbers} && echo made; head -c 1 /tmp/d | wc -c; true >>/tmp/d && echo opened`;
    const refused = "/tmp/d: Operation not permitted\n";
    expect(await outputOf(["sh", "-c", script])).toBe(`null\nmade\nhead: ${refused}0\nsh: can't create ${refused}`);
    const device = { PathOnHost: "/dev/vda", PathInContainer: "/dev/disk", CgroupPermissions: "rm" };
    expect(await outputOf(["sh", "-c", script], { Devices: [device] })).toBe(`null\nmade\n1\nsh: can't create ${refused}`);
    expect(await outputOf(["sh", "-c", script], { Privileged: true })).toBe("null\nmade\n1\nopened\n");
  });

  test("stop, kill and exec", async () => {
    const container = await run(PATIENT, { PidsLimit: 40 });
    const exec = await container.exec({ Cmd: ["cat", "/proc/self/cgroup", "/sys/fs/cgroup/pids.max"], AttachStdout: true });
    const stream = await exec.start({});
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    expect(textOf(Buffer.concat(parts))).toBe("0::/\n40\n");
    await container.stop({ t: 30 });
    expect((await container.inspect()).State).toMatchObject({ ExitCode: 0, Status: "exited" });
    await container.start();
    await until("it is ready", async () => (await logOf(container)).split("ready").length === 3, 60);
    await container.kill({ signal: "SIGUSR1" });
    expect(await container.wait()).toMatchObject({ StatusCode: 7 });
    await container.remove();
  });

  test("pause freezes the group, and what is frozen can be removed", async () => {
    const container = await run(PATIENT);
    await container.pause();
    await until("it is frozen", () => counted(container.id, "cgroup.events", "frozen") === 1);
    expect((await container.inspect()).State).toMatchObject({ Status: "paused", Paused: true });
    await container.unpause();
    await until("it is thawed", () => counted(container.id, "cgroup.events", "frozen") === 0);
    await container.pause();
    const group = groupOf(container.id);
    await container.remove({ force: true });
    expect(existsSync(group)).toBe(false);
  });

  test("what a container uses is told", async () => {
    const script = "dd if=/dev/zero of=/held bs=1M count=20 conv=fsync 2>/dev/null; head -c 20000000 /dev/zero >/dev/shm/held; echo ready; while :; do :; done";
    const container = await run(["sh", "-c", script], { Memory: 256 * MB });
    await until("it has what it shall have", async () => (await logOf(container)).includes("ready"), 120);
    const first = await container.stats({ stream: false, "one-shot": true });
    expect(first.memory_stats.usage).toBeGreaterThan(20_000_000);
    expect(first.memory_stats.limit).toBe(256 * MB);
    expect(first.pids_stats?.current).toBe(1);
    const writes = first.blkio_stats?.io_service_bytes_recursive.filter(({ op }) => op.toLowerCase() === "write").map(({ value }) => value);
    expect(Math.max(...(writes ?? []))).toBeGreaterThanOrEqual(20 * MB);
    const later = await until("it has used the processor", async () => {
      const now = await container.stats({ stream: false, "one-shot": true });
      return now.cpu_stats.cpu_usage.total_usage > first.cpu_stats.cpu_usage.total_usage && now;
    });
    expect(later.cpu_stats.system_cpu_usage).toBeGreaterThan(first.cpu_stats.system_cpu_usage);
    await container.remove({ force: true });
  });

  test("nothing is left of removed containers", async () => {
    const containers = await Promise.all([run(PATIENT), run(PATIENT, { Privileged: true }), run(["true"])]);
    const groups = containers.slice(0, 2).map(({ id }) => groupOf(id));
    expect(groups.every((path) => existsSync(path))).toBe(true);
    await Promise.all(containers.map((container) => container.remove({ force: true })));
    const left = readdirSync("/sys/fs/cgroup/swarm", { recursive: true, encoding: "utf8" }).filter((path) => /[0-9a-f]{32}$/.test(path));
    expect(left.filter((path) => containers.some(({ id }) => path.endsWith(id.slice(0, 32))))).toEqual([]);
    await until("their shims are gone", () => !execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }).includes(containers[0]?.id ?? ""));
  });

  test.each([
    ["is killed", () => systemctl("kill", "--signal=KILL", "--kill-whom=main", "swarmd")],
    ["is restarted", () => systemctl("restart", "swarmd")],
    ["is stopped for a while", () => [systemctl("stop", "swarmd"), systemctl("start", "swarmd")]],
  ])("containers live on when the unit %s", async (_what, strike) => {
    const plain = await run(PATIENT, { Memory: 64 * MB });
    const privileged = await run(PATIENT, { Privileged: true });
    const brief = await run(["sh", "-c", "trap 'exit 5' USR1; echo ready; while :; do sleep 1 & wait $!; done"]);
    const before = await Promise.all([plain.inspect(), privileged.inspect()]);
    const daemon = systemctl("show", "--property=MainPID", "--value", "swarmd");
    const own = readFileSync(`/proc/${await pidOf(plain)}/cgroup`, "utf8");
    expect(own).not.toContain("system.slice");
    const signalled = await pidOf(brief);
    strike();
    // Whether the daemon is there or not: its end is known afterwards.
    process.kill(signalled, "SIGUSR1");
    await until("another daemon is there", () => !["0", daemon].includes(systemctl("show", "--property=MainPID", "--value", "swarmd")), 60);
    await until("it answers", answers, 120);
    expect(systemctl("is-active", "swarmd")).toBe("active");
    for (const [index, container] of [plain, privileged].entries()) {
      const { Pid, StartedAt, Status } = (await container.inspect()).State;
      expect({ Pid, StartedAt, Status }).toMatchObject({ Pid: before[index]?.State.Pid, StartedAt: before[index]?.State.StartedAt, Status: "running" });
    }
    expect(await brief.wait()).toMatchObject({ StatusCode: 5 });
    await plain.stop({ t: 30 });
    expect((await plain.inspect()).State.ExitCode).toBe(0);
    await Promise.all([plain, privileged, brief].map((container) => container.remove({ force: true })));
  });
});
