import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import type { CgroupLayout } from "./cgroup-layout.js";

/** Which limits this machine's kernel can keep for containers. Others are left out with a warning, as Docker does it. */
export interface ResourceAbilities {
  readonly cpuCount: number;
  /** Processors and memory nodes that containers may have, as the kernel lists them (`0-3,6`); empty where they cannot be chosen. */
  readonly cpuset: { readonly cpus: string; readonly memoryNodes: string };
  readonly hasMemory: boolean;
  readonly hasReservation: boolean;
  readonly hasSwap: boolean;
  readonly hasSwappiness: boolean;
  readonly hasOutOfMemoryControl: boolean;
  readonly hasKernelMemoryTcp: boolean;
  readonly hasPids: boolean;
  readonly hasShares: boolean;
  readonly hasQuota: boolean;
  readonly hasRealtime: boolean;
  readonly hasDiskRates: boolean;
  /** Files of a group that take the share of the disks' time, and that of single disks; empty where none does. */
  readonly diskWeight: { readonly file: string; readonly deviceFile: string };
}

const NO_WEIGHT = { file: "", deviceFile: "" };

/** Looks at the files of the groups of that path, which must be there in every hierarchy. What version 1 does not have is looked for in version 2. */
export function readAbilities(layout: Pick<CgroupLayout, "legacy" | "unified">, group: string): ResourceAbilities {
  const folderOf = (controller: string) => `${layout.legacy.get(controller) ?? layout.unified ?? ""}/${group}`;
  const has = (controller: string, ...files: readonly string[]) => files.some((file) => existsSync(`${folderOf(controller)}/${file}`));
  const list = (...files: readonly string[]) => {
    const file = files.find((name) => has("cpuset", name));
    return file === undefined ? "" : readFileSync(`${folderOf("cpuset")}/${file}`, "utf8").trim();
  };
  return {
    cpuCount: cpus().length,
    cpuset: { cpus: list("cpuset.effective_cpus", "cpuset.cpus.effective"), memoryNodes: list("cpuset.effective_mems", "cpuset.mems.effective") },
    hasMemory: has("memory", "memory.limit_in_bytes", "memory.max"),
    hasReservation: has("memory", "memory.soft_limit_in_bytes", "memory.low"),
    hasSwap: has("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
    hasSwappiness: has("memory", "memory.swappiness"),
    hasOutOfMemoryControl: has("memory", "memory.oom_control"),
    hasKernelMemoryTcp: has("memory", "memory.kmem.tcp.limit_in_bytes"),
    hasPids: has("pids", "pids.max"),
    hasShares: has("cpu", "cpu.shares", "cpu.weight"),
    hasQuota: has("cpu", "cpu.cfs_quota_us", "cpu.max"),
    hasRealtime: has("cpu", "cpu.rt_runtime_us"),
    hasDiskRates: has("blkio", "blkio.throttle.read_bps_device", "io.max"),
    diskWeight: WEIGHT_FILES.find(({ file }) => has("blkio", file)) ?? NO_WEIGHT,
  };
}

/** Of the bfq scheduler and of its forerunner on version 1; on version 2 of bfq and of the cost model. Version 2 has one file for both. */
const WEIGHT_FILES = [
  { file: "blkio.bfq.weight", deviceFile: "blkio.bfq.weight_device" },
  { file: "blkio.weight", deviceFile: "blkio.weight_device" },
  { file: "io.bfq.weight", deviceFile: "io.bfq.weight" },
  { file: "io.weight", deviceFile: "io.weight" },
];
