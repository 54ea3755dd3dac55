import type { CliContext } from "./context.js";
import { CommandFailure, EXIT, misuse } from "./failure.js";
import { framesOf, STREAM } from "./multiplexed.js";
import type { NodeInfo, ServiceInfo, TaskInfo } from "./shapes.js";

export interface LogFlags {
  readonly follow?: boolean;
  readonly tail: string;
  readonly timestamps?: boolean;
  readonly since?: string;
  readonly raw?: boolean;
}

/** Lines of a service's tasks, each with the task and node that wrote it; stderr of the tasks goes to stderr. */
export async function printServiceLogs({ api, signal }: CliContext, name: string, flags: LogFlags): Promise<void> {
  if (flags.tail !== "all" && !/^\d+$/.test(flags.tail)) throw misuse(`--tail "${flags.tail}" is neither a number nor all`);
  const path = await logPath(api, name);
  const query = {
    stdout: "1",
    stderr: "1",
    tail: flags.tail,
    details: flags.raw === true ? "0" : "1",
    ...(flags.follow === true ? { follow: "1" } : {}),
    ...(flags.timestamps === true ? { timestamps: "1" } : {}),
    ...(flags.since === undefined ? {} : { since: sinceOf(flags.since) }),
  };
  const describe = flags.raw === true ? (line: string) => line : await describer(api, flags.timestamps === true);
  const reply = await api.open({ method: "GET", path, query, signal });
  for await (const { stream, payload } of framesOf(reply)) {
    // What the daemon could not get of the logs, said at the end.
    if (stream === STREAM.systemError) throw new CommandFailure(EXIT.refused, payload.toString().trim());
    (stream === STREAM.stderr ? process.stderr : process.stdout).write(describe(payload.toString()));
  }
}

async function logPath(api: CliContext["api"], name: string): Promise<string> {
  const encoded = encodeURIComponent(name);
  try {
    await api.call({ method: "GET", path: `/services/${encoded}` });
    return `/services/${encoded}/logs`;
  } catch (cause) {
    if (!(cause instanceof CommandFailure) || cause.exitCode !== EXIT.refused) throw cause;
    await api.call({ method: "GET", path: `/tasks/${encoded}` });
    return `/tasks/${encoded}/logs`;
  }
}

function sinceOf(text: string): string {
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw misuse(`--since "${text}" is neither RFC 3339 nor seconds since the epoch`);
  return String(ms / 1000);
}

/** The API puts who wrote a line before it, as ids: people want names. */
async function describer(api: CliContext["api"], hasTimestamps: boolean): Promise<(line: string) => string> {
  const [services, nodes, tasks] = await Promise.all([
    api.call<readonly ServiceInfo[]>({ method: "GET", path: "/services" }),
    api.call<readonly NodeInfo[]>({ method: "GET", path: "/nodes" }),
    api.call<readonly TaskInfo[]>({ method: "GET", path: "/tasks" }),
  ]);
  const serviceNames = new Map(services.map((service) => [service.ID, service.Spec.Name]));
  const nodeNames = new Map(nodes.map((node) => [node.ID, node.Description.Hostname]));
  const slots = new Map(tasks.map((task) => [task.ID, task.Slot]));
  return (line) => {
    const [, timestamp = "", details = "", text = line] = (hasTimestamps ? /^(\S+ )(\S+) ([\s\S]*)$/ : /^()(\S+) ([\s\S]*)$/).exec(line) ?? [];
    const labels = new Map(details.split(",").map((pair) => pair.split("=").map(decodeURIComponent) as [string, string]));
    const task = labels.get("com.docker.swarm.task.id") ?? "";
    const service = labels.get("com.docker.swarm.service.id") ?? "";
    const node = labels.get("com.docker.swarm.node.id") ?? "";
    return `${timestamp}${serviceNames.get(service) ?? service}.${slots.get(task) || task}@${nodeNames.get(node) ?? node} | ${text}`;
  };
}
