import { readFile } from "node:fs/promises";
import { systemCodeOf } from "../base/errors.js";
import type { CgroupGroup, CgroupPlan } from "./cgroup-plan.js";
import type { ContainerUsage, DiskUsage, NetworkUsage } from "./container-runtime.js";

export const NO_USAGE: ContainerUsage = { cpuNs: 0n, memoryBytes: 0, cacheBytes: 0, memoryLimitBytes: 0, pids: 0, disks: [], networks: {} };

/** Version 1 has no word for "no limit", but a number near the highest. */
const UNLIMITED_BYTES = 2 ** 60;

/** What is in the groups of a container, and what its network interfaces count. `pid` is its first process. */
export async function readUsage(plan: CgroupPlan, pid: number): Promise<ContainerUsage> {
  const find = (file: string) => firstNumber(plan.groups, file);
  const memoryLimit = (await find("memory.limit_in_bytes")) ?? (await find("memory.max")) ?? 0;
  const statistics = (await firstText(plan.groups, "memory.stat")) ?? "";
  return {
    cpuNs: await cpuNsOf(plan.groups),
    memoryBytes: (await find("memory.usage_in_bytes")) ?? (await find("memory.current")) ?? 0,
    cacheBytes: valueIn(statistics, "total_inactive_file") ?? valueIn(statistics, "inactive_file") ?? 0,
    memoryLimitBytes: memoryLimit >= UNLIMITED_BYTES ? 0 : memoryLimit,
    pids: (await find("pids.current")) ?? 0,
    disks: parseDisks((await firstText(plan.groups, "io.stat")) ?? ""),
    networks: parseNetworks((await textOf(`/proc/${pid}/net/dev`)) ?? ""),
  };
}

/** Members of the container's groups, as the host counts them. */
export async function readProcesses(plan: CgroupPlan): Promise<readonly number[]> {
  const text = (await firstText(plan.groups, "cgroup.procs")) ?? "";
  return text
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 0);
}

/** Lines of io.stat of version 2: `254:0 rbytes=4096 wbytes=0 rios=1 …`; a device that was not used yet has no figures. */
export function parseDisks(text: string): readonly DiskUsage[] {
  return text.split("\n").flatMap((line) => {
    const [device = "", ...figures] = line.split(" ");
    const [major, minor] = device.split(":").map(Number);
    const values = new Map(figures.map((figure): [string, number] => [figure.split("=")[0] ?? "", Number(figure.split("=")[1])]));
    const readBytes = values.get("rbytes");
    if (major === undefined || minor === undefined || readBytes === undefined) return [];
    return [{ major, minor, readBytes, writtenBytes: values.get("wbytes") ?? 0 }];
  });
}

/** Interfaces of /proc/PID/net/dev (proc_pid_net(5)) but for loopback. */
function parseNetworks(text: string): Readonly<Record<string, NetworkUsage>> {
  const networks: Record<string, NetworkUsage> = {};
  for (const line of text.split("\n").slice(2)) {
    const [name = "", rest = ""] = line.trim().split(/:\s*/, 2);
    if (name === "" || name === "lo") continue;
    const fields = rest.split(/\s+/).map(Number);
    const field = (index: number) => fields[index] ?? 0;
    networks[name] = {
      receivedBytes: field(0),
      receivedPackets: field(1),
      receivedErrors: field(2),
      receivedDropped: field(3),
      sentBytes: field(8),
      sentPackets: field(9),
      sentErrors: field(10),
      sentDropped: field(11),
    };
  }
  return networks;
}

async function cpuNsOf(groups: readonly CgroupGroup[]): Promise<bigint> {
  const legacy = await firstText(groups, "cpuacct.usage");
  if (legacy !== undefined) return BigInt(legacy.trim());
  return BigInt(valueIn((await firstText(groups, "cpu.stat")) ?? "", "usage_usec") ?? 0) * 1000n;
}

async function firstNumber(groups: readonly CgroupGroup[], file: string): Promise<number | undefined> {
  const text = (await firstText(groups, file))?.trim();
  return text === undefined ? undefined : text === "max" ? 0 : Number(text);
}

async function firstText(groups: readonly CgroupGroup[], file: string): Promise<string | undefined> {
  for (const { path } of groups) {
    const text = await textOf(`${path}/${file}`);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** Undefined for a file that is not there (any more). */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = systemCodeOf(cause);
    if (code === "ENOENT" || code === "ENODEV" || code === "ESRCH" || code === "EINVAL") return undefined;
    throw cause;
  }
}

function valueIn(text: string, key: string): number | undefined {
  const line = text.split("\n").find((each) => each.startsWith(`${key} `));
  return line === undefined ? undefined : Number(line.slice(key.length + 1));
}
