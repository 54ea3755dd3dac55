import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openKernel } from "../../../src/kernel/native-kernel.js";
import { RecordingKernel } from "../../../src/kernel/recording-kernel.js";

const SCENARIO = resolve(import.meta.dirname, "../../support/kernel-scenario.ts");

async function play<T>(name: string, ...args: string[]): Promise<T> {
  const { stdout } = await promisify(execFile)("unshare", ["--net", process.execPath, "--import", "tsx", SCENARIO, name, ...args]);
  return JSON.parse(stdout) as T;
}

interface SeenLink {
  readonly name: string;
  readonly kind: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly macAddress: string;
  readonly master: number;
  readonly index: number;
}

test("bridges are made, changed, listed and removed", async () => {
  const seen = await play<{
    made: SeenLink[];
    addresses: [{ addr_info: { family: string; local: string; broadcast?: string }[] }];
    down: SeenLink[];
    failures: string[];
    deleted: boolean[];
    left: [];
  }>("links");
  expect(seen.made).toMatchObject([{ name: "sw-br0", kind: "bridge", mtu: 1450, isUp: true, macAddress: "02:42:0a:4d:00:01", master: 0 }]);
  expect(seen.addresses[0].addr_info.filter((address) => address.family === "inet").map((address) => address.local)).toEqual(["10.77.0.1", "10.77.1.1"]);
  expect(seen.addresses[0].addr_info.find((address) => address.local === "10.77.1.1")?.broadcast).toBe("10.77.1.255");
  expect(seen.down).toMatchObject([{ isUp: false }]);
  expect(seen.failures).toEqual([
    "already_exists: link lo is not a bridge",
    'invalid_argument: "a-name-that-is-too-long" is not a name for a link',
    'invalid_argument: "10.77.0.300/24" is not an IP address',
    "not_found: link sw-none: no such device",
  ]);
  expect([seen.deleted, seen.left]).toEqual([[true, false], []]);
});

test("a container has its end of a veth pair, its address and its way out", async () => {
  const seen = await play<{
    ports: SeenLink[];
    inside: { output: string };
    again: { output: string };
    none: { output: string };
    host: { output: string };
    left: SeenLink[];
  }>("containers");
  expect(seen.ports).toMatchObject([{ name: "sw-v2", kind: "veth", isUp: true, mtu: 1450 }]);
  expect(seen.ports[0]?.master).toBeGreaterThan(0);
  const { output } = seen.inside;
  expect(output).toMatch(/eth0@\S+ <[^>]*,UP,[^>]*> mtu 1450 .*02:42:0a:4d:00:03/);
  expect(output).toMatch(/lo: <LOOPBACK,UP,LOWER_UP>/);
  expect(output).toMatch(/10\.77\.0\.3\/24/);
  expect(output).toMatch(/^default via 10\.77\.0\.1 dev eth0/m);
  expect(output.match(/1 packets received, 0% packet loss/g)).toHaveLength(2);
  expect(output).toMatch(/10\.77\.0\.3\tbox\n$/);
  expect(seen.again.output).toMatch(/10\.77\.0\.4\/24/);
  expect(seen.none.output).toMatch(/lo: <LOOPBACK,UP/);
  expect(seen.none.output).not.toMatch(/eth0/);
  expect(seen.host.output).toMatch(/sw-br0/);
  expect(seen.left).toEqual([]);
});

test("a file is locked once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "swarm-kernel-"));
  expect(await play<string>("locks", folder)).toBe(`failed_precondition: ${join(folder, "lock")} is locked by another process`);
  rmSync(folder, { recursive: true });
});

test("all that are in a cgroup and below it are killed, and nobody else", async () => {
  const mounts = readFileSync("/proc/mounts", "utf8");
  const root = mounts.match(/ (\S+) cgroup \S*\bpids\b/)?.[1] ?? mounts.match(/ (\S+) cgroup2 /)?.[1] ?? "";
  const group = join(root, `test-${randomBytes(4).toString("hex")}`);
  const children = [group, join(group, "inner"), root].map((path) => {
    mkdirSync(path, { recursive: true });
    const child = spawn("sleep", ["1000"], { stdio: "ignore" });
    if (path !== root) writeFileSync(join(path, "cgroup.procs"), String(child.pid));
    return { child, gone: new Promise<string | null>((resolve) => child.once("exit", (_, signal) => resolve(signal))) };
  });
  const [outer, inner, other] = children;
  try {
    await openKernel().killGroup(group);
    expect(await Promise.all([outer?.gone, inner?.gone])).toEqual(["SIGKILL", "SIGKILL"]);
    expect(other?.child.kill(0)).toBe(true);
  } finally {
    for (const { child } of children) child.kill("SIGKILL");
    await Promise.all(children.map(({ gone }) => gone));
    for (const path of [join(group, "inner"), group]) rmdirSync(path);
  }
  await openKernel().killGroup(group);
});

test("an addon that was not built is named", () => {
  expect(() => openKernel("/no/such/addon.node")).toThrow(/\/no\/such\/addon\.node cannot be loaded \(npm run build makes it\)/);
});

test("the recording kernel refuses what the real one refuses", async () => {
  const kernel = new RecordingKernel();
  kernel.plugIn("eth0", "");
  await expect(kernel.createBridge({ name: "eth0", address: "10.0.0.1/24", mtu: 1500 })).rejects.toMatchObject({ code: "already_exists" });
  await expect(kernel.addAddress("none", "10.0.0.1/24")).rejects.toMatchObject({ code: "not_found" });
  const lock = kernel.lockFile("/x");
  expect(() => kernel.lockFile("/x")).toThrow("is locked by another process");
  lock.release();
  kernel.lockFile("/x");
  expect(await kernel.deleteLink("eth0")).toBe(true);
  expect(await kernel.deleteLink("eth0")).toBe(false);
});
