import type { ContainerInfo, ContainerUsage, DiskUsage, NetworkUsage } from "../../../runtime/container-runtime.js";
import type { HostDescription } from "../backend.js";
import type { Json } from "../json.js";
import { ZERO_TIME } from "./time.js";
import { unlessZero } from "./zero-values.js";

/** What a container used until a moment. */
export interface StatsSample {
  readonly usage: ContainerUsage;
  readonly atMs: number;
  /** Of all processors of the host together. */
  readonly systemNs: bigint;
}

/** Counters of disks that Docker has names for and kernels no figures any more. */
const UNCOUNTED = {
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
} as const;

/** The answer to GET /containers/{id}/stats; `before` is what processor time is compared with, null for the first of a stream. */
export function statsToDocker({ config, state }: ContainerInfo, host: HostDescription, now: StatsSample, before: StatsSample | null): Json {
  const { usage } = now;
  const isRunning = state === "running";
  return {
    id: config.id,
    name: `/${config.name}`,
    read: new Date(now.atMs).toISOString(),
    preread: before === null ? ZERO_TIME : new Date(before.atMs).toISOString(),
    num_procs: 0,
    pids_stats: { current: unlessZero(usage.pids), limit: unlessZero(usage.pidsLimit) },
    cpu_stats: cpuToDocker(isRunning ? now : null, host),
    precpu_stats: cpuToDocker(isRunning ? before : null, host),
    memory_stats: isRunning ? memoryToDocker(usage, host) : {},
    storage_stats: {},
    blkio_stats: { io_service_bytes_recursive: isRunning ? usage.disks.flatMap(diskToDocker) : null, ...UNCOUNTED },
    networks: isRunning ? Object.fromEntries(Object.entries(usage.networks).map(([name, network]) => [name, networkToDocker(network)])) : undefined,
  };
}

function cpuToDocker(sample: StatsSample | null, host: HostDescription): Json {
  const usage = sample?.usage;
  return {
    cpu_usage: {
      total_usage: usage?.cpuNs ?? 0,
      percpu_usage: usage === undefined || usage.cpuNsByProcessor.length === 0 ? undefined : usage.cpuNsByProcessor,
      usage_in_kernelmode: usage?.cpuKernelNs ?? 0,
      usage_in_usermode: usage?.cpuUserNs ?? 0,
    },
    ...(sample === null ? {} : { system_cpu_usage: sample.systemNs, online_cpus: host.cpuCount }),
    throttling_data: {
      periods: usage?.throttling.periods ?? 0,
      throttled_periods: usage?.throttling.throttledPeriods ?? 0,
      throttled_time: usage?.throttling.throttledNs ?? 0,
    },
  };
}

function memoryToDocker(usage: ContainerUsage, host: HostDescription): Json {
  return {
    usage: usage.memoryBytes,
    max_usage: unlessZero(usage.memoryPeakBytes),
    stats: usage.memoryStatistics,
    limit: usage.memoryLimitBytes || host.memoryBytes,
  };
}

function networkToDocker(network: NetworkUsage): Json {
  return {
    rx_bytes: network.receivedBytes,
    rx_packets: network.receivedPackets,
    rx_errors: network.receivedErrors,
    rx_dropped: network.receivedDropped,
    tx_bytes: network.sentBytes,
    tx_packets: network.sentPackets,
    tx_errors: network.sentErrors,
    tx_dropped: network.sentDropped,
  };
}

function diskToDocker({ major, minor, readBytes, writtenBytes }: DiskUsage): readonly Json[] {
  return [
    { major, minor, op: "read", value: readBytes },
    { major, minor, op: "write", value: writtenBytes },
  ];
}
