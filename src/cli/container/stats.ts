import { sizeText } from "../image-words.js";
import type { Column } from "../output.js";
import { shorten } from "../output.js";

interface CpuJson {
  readonly cpu_usage?: { readonly total_usage?: number | bigint; readonly percpu_usage?: readonly unknown[] | null };
  readonly system_cpu_usage?: number | bigint;
  readonly online_cpus?: number;
}

/** One sample of GET /containers/{id}/stats. */
export interface StatsJson {
  readonly id?: string;
  readonly name?: string;
  readonly read?: string;
  readonly cpu_stats?: CpuJson;
  readonly precpu_stats?: CpuJson;
  readonly memory_stats?: { readonly usage?: number; readonly limit?: number; readonly stats?: Readonly<Record<string, number>> | null };
  readonly pids_stats?: { readonly current?: number };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>> | null;
  readonly blkio_stats?: { readonly io_service_bytes_recursive?: readonly { readonly op: string; readonly value: number }[] | null };
}

/** What a container uses, ready to be shown; null before it is known, as for a container that does not run. */
export interface StatsRow {
  readonly id: string;
  readonly name: string;
  readonly sample: StatsJson | null;
}

/** Percent of one processor, by what was used between two samples of the same container. */
export function cpuPercent({ cpu_stats: now = {}, precpu_stats: before = {} }: StatsJson): number {
  const used = Number(now.cpu_usage?.total_usage ?? 0) - Number(before.cpu_usage?.total_usage ?? 0);
  const passed = Number(now.system_cpu_usage ?? 0) - Number(before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || now.cpu_usage?.percpu_usage?.length || 1;
  return used > 0 && passed > 0 ? (used / passed) * cpus * 100 : 0;
}

/** Memory without the file cache that can be dropped at once: cgroup v1 calls it total_inactive_file, v2 inactive_file. */
export function memoryBytes({ memory_stats: { usage = 0, stats } = {} }: StatsJson): number {
  const cache = stats?.total_inactive_file ?? stats?.inactive_file ?? 0;
  return cache < usage ? usage - cache : usage;
}

/** Columns of `stats`, with docker's names for templates. */
export function statsColumns(isWhole: boolean): readonly Column<StatsRow>[] {
  return [
    { title: "CONTAINER ID", key: "ID", cell: ({ id }) => shorten(id, isWhole) || "--" },
    { title: "NAME", key: "Name", cell: ({ name }) => name || "--" },
    { title: "CPU %", key: "CPUPerc", cell: ({ sample }) => (sample === null ? "--" : percent(cpuPercent(sample))) },
    { title: "MEM USAGE / LIMIT", key: "MemUsage", cell: ({ sample }) => (sample === null ? "-- / --" : memoryWords(sample)) },
    { title: "MEM %", key: "MemPerc", cell: ({ sample }) => (sample === null ? "--" : percent(memoryPercent(sample))) },
    { title: "NET I/O", key: "NetIO", cell: ({ sample }) => (sample === null ? "--" : networkWords(sample)) },
    { title: "BLOCK I/O", key: "BlockIO", cell: ({ sample }) => (sample === null ? "--" : diskWords(sample)) },
    { title: "PIDS", key: "PIDs", cell: ({ sample }) => (sample === null ? "--" : String(sample.pids_stats?.current ?? 0)) },
    { key: "Container", cell: ({ id }) => shorten(id, isWhole) },
  ];
}

function percent(value: number): string {
  return `${value.toFixed(2)}%`;
}

function memoryPercent(sample: StatsJson): number {
  const limit = sample.memory_stats?.limit ?? 0;
  return limit > 0 ? (memoryBytes(sample) / limit) * 100 : 0;
}

function memoryWords(sample: StatsJson): string {
  return `${binarySizeText(memoryBytes(sample))} / ${binarySizeText(sample.memory_stats?.limit ?? 0)}`;
}

function networkWords({ networks }: StatsJson): string {
  const total = (key: "rx_bytes" | "tx_bytes") => Object.values(networks ?? {}).reduce((sum, network) => sum + network[key], 0);
  return `${sizeText(total("rx_bytes"))} / ${sizeText(total("tx_bytes"))}`;
}

function diskWords({ blkio_stats }: StatsJson): string {
  const total = (kind: string) =>
    (blkio_stats?.io_service_bytes_recursive ?? []).filter(({ op }) => op.toLowerCase() === kind).reduce((sum, { value }) => sum + value, 0);
  return `${sizeText(total("read"))} / ${sizeText(total("write"))}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Four digits, in powers of 1024: `1.234MiB`. */
export function binarySizeText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toPrecision(4))}${UNITS[power]}`;
}
