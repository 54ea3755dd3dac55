import type { Command } from "commander";
import { misuse } from "../failure.js";
import { parseBytes, parseCount, parseCpus } from "../quantities.js";

/** Limits that `create`, `run` and `update` share, as they were given. */
export interface ResourceFlags {
  readonly blkioWeight?: string;
  readonly cpuPeriod?: string;
  readonly cpuQuota?: string;
  readonly cpuRtPeriod?: string;
  readonly cpuRtRuntime?: string;
  readonly cpuShares?: string;
  readonly cpus?: string;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly memory?: string;
  readonly memoryReservation?: string;
  readonly memorySwap?: string;
  readonly pidsLimit?: string;
  readonly restart?: string;
}

export function addResourceFlags(command: Command): void {
  command
    .option("--blkio-weight <n>", "share of the disks' time, 10 to 1000")
    .option("--cpu-period <n>", "microseconds in which --cpu-quota is counted")
    .option("--cpu-quota <n>", "microseconds of processor time in a period")
    .option("--cpu-rt-period <n>", "microseconds in which --cpu-rt-runtime is counted")
    .option("--cpu-rt-runtime <n>", "microseconds of real-time processor time in a period")
    .option("-c, --cpu-shares <n>", "share of the processors when they are busy")
    .option("--cpus <n>", "most processors, as in 0.5")
    .option("--cpuset-cpus <list>", "processors that may be used: 0-3 or 0,1")
    .option("--cpuset-mems <list>", "memory nodes that may be used: 0-3 or 0,1")
    .option("-m, --memory <size>", "most memory")
    .option("--memory-reservation <size>", "memory that stays when it is short")
    .option("--memory-swap <size>", "most memory and swap together; -1 is no limit")
    .option("--pids-limit <n>", "most processes; -1 is no limit")
    .option("--restart <policy>", "no, on-failure[:retries], always or unless-stopped (default no)");
}

/** The same as fields of a HostConfig. Throws a CommandFailure that names the flag. */
export function resourcesOf(flags: ResourceFlags): Readonly<Record<string, unknown>> {
  const fields: Record<string, unknown> = {};
  const put = <T>(field: string, value: T | undefined, parse: (value: T) => unknown) => {
    if (value !== undefined) fields[field] = parse(value);
  };
  const count = (flag: string) => (text: string) => parseCount(text, flag);
  put("BlkioWeight", flags.blkioWeight, count("blkio-weight"));
  put("CpuPeriod", flags.cpuPeriod, count("cpu-period"));
  put("CpuQuota", flags.cpuQuota, (text) => parseInteger(text, "cpu-quota"));
  put("CpuRealtimePeriod", flags.cpuRtPeriod, count("cpu-rt-period"));
  put("CpuRealtimeRuntime", flags.cpuRtRuntime, count("cpu-rt-runtime"));
  put("CpuShares", flags.cpuShares, count("cpu-shares"));
  put("NanoCpus", flags.cpus, (text) => parseCpus(text, "cpus"));
  put("CpusetCpus", flags.cpusetCpus, (text) => text);
  put("CpusetMems", flags.cpusetMems, (text) => text);
  put("Memory", flags.memory, (text) => parseBytes(text, "memory"));
  put("MemoryReservation", flags.memoryReservation, (text) => parseBytes(text, "memory-reservation"));
  put("MemorySwap", flags.memorySwap, (text) => (text === "-1" ? -1 : parseBytes(text, "memory-swap")));
  put("PidsLimit", flags.pidsLimit, (text) => parseInteger(text, "pids-limit"));
  put("RestartPolicy", flags.restart, parseRestart);
  return fields;
}

export function parseInteger(text: string, flag: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw misuse(`--${flag} "${text}" is not a whole number`);
  return Number(text);
}

function parseRestart(text: string) {
  const [, name = "", retries = "0"] = /^(no|always|unless-stopped|on-failure)(?::(\d{1,9}))?$/.exec(text || "no") ?? [];
  if (name === "" || (name !== "on-failure" && retries !== "0"))
    throw misuse(`--restart "${text}" is not one of no, on-failure[:retries], always, unless-stopped`);
  return { Name: name, MaximumRetryCount: Number(retries) };
}
