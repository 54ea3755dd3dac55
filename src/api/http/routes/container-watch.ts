import { readFile } from "node:fs/promises";
import type { FastifyInstance } from "fastify";
import { systemCodeOf } from "../../../base/errors.js";
import type { ContainerInfo, ContainerUsage, DiskUsage } from "../../../runtime/container-runtime.js";
import { sendJson } from "../answer.js";
import type { RouteContext } from "../context.js";
import { HttpError, notFound, notSupported } from "../errors.js";
import type { Json } from "../json.js";
import { stringifyJson } from "../json.js";
import { Query } from "../query.js";
import { sendStream } from "../stream.js";

interface ById {
  Params: { readonly id: string };
}

const STATS_INTERVAL_MS = 1_000;
/** Parts of a second that the kernel counts processor time in (sysconf _SC_CLK_TCK, on every architecture of Linux that Node.js runs on). */
const TICKS_PER_SECOND = 100;

interface Sample {
  readonly usage: ContainerUsage;
  readonly atMs: number;
  readonly systemNs: bigint;
}

/** What a container uses, and its processes. */
export function containerWatchRoutes(app: FastifyInstance, context: RouteContext): void {
  const { backend, clock } = context;
  const { containers } = backend;

  app.get<ById>("/containers/:id/stats", async (request, reply) => {
    const query = new Query(request);
    const { config } = found(request.params.id);
    const isStream = query.text("stream") === "" || query.flag("stream");
    const take = async (): Promise<Sample> => ({ usage: await containers.usage(config.id), atMs: clock.now(), systemNs: await systemNs() });
    await sendStream(context, request, reply, { contentType: "application/json" }, async (writer, signal) => {
      let before: Sample | null = null;
      for (;;) {
        if (containers.inspect(config.id) === undefined) return;
        const now = await take();
        // One that is asked for once is compared with a moment ago, unless asked not to be.
        if (isStream || before !== null || query.flag("one-shot")) await writer.write(`${stringifyJson(statsToDocker(found(config.id), now, before))}\n`);
        if (!isStream && (before !== null || query.flag("one-shot"))) return;
        before = now;
        await clock.sleep(STATS_INTERVAL_MS, signal);
      }
    });
    return reply;
  });

  app.get<ById>("/containers/:id/top", async (request, reply) => {
    const arguments_ = new Query(request).text("ps_args");
    if (!["", "-ef"].includes(arguments_)) throw notSupported(`the arguments "${arguments_}" of top are not supported yet: -ef is`);
    const container = found(request.params.id);
    if (container.state !== "running") throw new HttpError(409, `Container ${container.config.id} is not running`);
    const rows = await Promise.all((await containers.processes(container.config.id)).map(processRow));
    const Titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    return sendJson(reply, { Titles, Processes: rows.filter((row) => row !== null) });
  });

  function found(reference: string): ContainerInfo {
    const container = containers.inspect(reference);
    if (container === undefined) throw notFound(`No such container: ${reference}`);
    return container;
  }

  function statsToDocker({ config }: ContainerInfo, now: Sample, before: Sample | null): Json {
    const { usage } = now;
    const networks = Object.entries(usage.networks).map(([name, network]): [string, Json] => [
      name,
      {
        rx_bytes: network.receivedBytes,
        rx_packets: network.receivedPackets,
        rx_errors: network.receivedErrors,
        rx_dropped: network.receivedDropped,
        tx_bytes: network.sentBytes,
        tx_packets: network.sentPackets,
        tx_errors: network.sentErrors,
        tx_dropped: network.sentDropped,
      },
    ]);
    return {
      id: config.id,
      name: `/${config.name}`,
      read: new Date(now.atMs).toISOString(),
      preread: before === null ? "0001-01-01T00:00:00Z" : new Date(before.atMs).toISOString(),
      num_procs: 0,
      pids_stats: { current: usage.pids },
      cpu_stats: cpuToDocker(now),
      precpu_stats: before === null ? { cpu_usage: { total_usage: 0 }, system_cpu_usage: 0, online_cpus: 0 } : cpuToDocker(before),
      memory_stats: {
        usage: usage.memoryBytes,
        limit: usage.memoryLimitBytes || backend.host.memoryBytes,
        stats: { total_inactive_file: usage.cacheBytes, inactive_file: usage.cacheBytes },
      },
      blkio_stats: { io_service_bytes_recursive: usage.disks.length === 0 ? null : usage.disks.flatMap(diskToDocker) },
      networks: Object.fromEntries(networks),
    };
  }

  function cpuToDocker({ usage, systemNs }: Sample): Json {
    return { cpu_usage: { total_usage: usage.cpuNs }, system_cpu_usage: systemNs, online_cpus: backend.host.cpuCount };
  }
}

function diskToDocker({ major, minor, readBytes, writtenBytes }: DiskUsage): readonly Json[] {
  return [
    { major, minor, op: "read", value: readBytes },
    { major, minor, op: "write", value: writtenBytes },
  ];
}

/** Time of all processors together (proc_stat(5)). */
async function systemNs(): Promise<bigint> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n", 1);
  const ticks = line
    .split(/\s+/)
    .slice(1, 9)
    .reduce((total, field) => total + Number(field), 0);
  return (BigInt(ticks) * 1_000_000_000n) / BigInt(TICKS_PER_SECOND);
}

/** As `ps -ef` prints it; null for a process that has ended meanwhile. */
async function processRow(pid: number): Promise<readonly string[] | null> {
  try {
    const [status, stat, commandLine] = await Promise.all(["status", "stat", "cmdline"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8")));
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status ?? "")?.[1] ?? "";
    const [, , , , terminal = "0", , , , , , , user = "0", system = "0"] = (stat ?? "").slice((stat ?? "").lastIndexOf(")") + 2).split(" ");
    const seconds = Math.floor((Number(user) + Number(system)) / TICKS_PER_SECOND);
    const time = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
    const command = (commandLine ?? "").split("\0").join(" ").trim() || `[${field("Name")}]`;
    return [field("Uid"), `${pid}`, field("PPid"), "0", "-", terminal === "0" ? "?" : "pts", time, command];
  } catch (cause) {
    const code = systemCodeOf(cause);
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw cause;
  }
}
