import type { CliContext } from "../context.js";
import { CommandFailure, EXIT, misuse } from "../failure.js";
import type { Api } from "../api.js";
import { framesOf, STREAM } from "../multiplexed.js";
import { shorten } from "../output.js";
import type { NodeInfo, ServiceInfo, TaskInfo } from "../shapes.js";
import { parseTime } from "../time-flag.js";

export interface LogFlags {
  readonly follow?: boolean;
  readonly tail: string;
  readonly timestamps?: boolean;
  readonly since?: string;
  readonly raw?: boolean;
  readonly details?: boolean;
  /** commander's forms of `--no-resolve`, `--no-task-ids` and `--no-trunc`: false when they were given. */
  readonly resolve: boolean;
  readonly taskIds: boolean;
  readonly trunc: boolean;
}

/** Lines of a service's tasks, each with the task and node that wrote it as docker has it; stderr of the tasks goes to stderr. */
export async function printServiceLogs({ api, signal }: CliContext, name: string, flags: LogFlags): Promise<void> {
  if (flags.tail !== "all" && !/^\d+$/.test(flags.tail)) throw misuse(`--tail "${flags.tail}" is neither a number nor all`);
  const path = await logPath(api, name);
  const query = {
    stdout: "1",
    stderr: "1",
    tail: flags.tail,
    // Who wrote a line comes with its details.
    details: flags.raw === true && flags.details !== true ? "0" : "1",
    ...(flags.follow === true ? { follow: "1" } : {}),
    ...(flags.timestamps === true ? { timestamps: "1" } : {}),
    ...(flags.since === undefined ? {} : { since: parseTime(flags.since, "since") }),
  };
  const names = new LogNames(api, flags);
  if (flags.raw !== true) await names.load();
  const reply = await api.open({ method: "GET", path, query, signal });
  for await (const { stream, payload } of framesOf(reply)) {
    // What the daemon could not get of the logs, said at the end.
    if (stream === STREAM.systemError) throw new CommandFailure(EXIT.refused, payload.toString().trim());
    (stream === STREAM.stderr ? process.stderr : process.stdout).write(flags.raw === true ? payload : await names.described(payload.toString()));
  }
}

async function logPath(api: Api, name: string): Promise<string> {
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

const CONTEXT = /^com\.docker\.swarm\.(task|service|node)\.id$/;

/** The API puts who wrote a line before it, as ids: people want names. */
class LogNames {
  readonly #api: Api;
  readonly #flags: LogFlags;
  readonly #services = new Map<string, string>();
  readonly #nodes = new Map<string, string>();
  readonly #slots = new Map<string, number | undefined>();
  #width = 0;

  constructor(api: Api, flags: LogFlags) {
    this.#api = api;
    this.#flags = flags;
  }

  async load(): Promise<void> {
    const [services, nodes, tasks] = await Promise.all([
      this.#api.call<readonly ServiceInfo[]>({ method: "GET", path: "/services" }),
      this.#api.call<readonly NodeInfo[]>({ method: "GET", path: "/nodes" }),
      this.#api.call<readonly TaskInfo[]>({ method: "GET", path: "/tasks" }),
    ]);
    for (const service of services) this.#services.set(service.ID, service.Spec.Name);
    for (const node of nodes) this.#nodes.set(node.ID, node.Description.Hostname);
    for (const task of tasks) this.#slots.set(task.ID, task.Slot);
  }

  /** `web.1.x2fkq1bgf4ts@node-1    | text`; with --details what else is known of the line stands before its text. */
  async described(line: string): Promise<string> {
    const hasTime = this.#flags.timestamps === true;
    const [, timestamp = "", details = "", text = line] = (hasTime ? /^(\S+ )(\S+) ([\s\S]*)$/ : /^()(\S+) ([\s\S]*)$/).exec(line) ?? [];
    const pairs = details.split(",").map((pair) => pair.split("=").map(decodeURIComponent) as [string, string]);
    const labels = new Map(pairs);
    const id = (kind: string) => labels.get(`com.docker.swarm.${kind}.id`) ?? "";
    // A task that came while the log was followed.
    if (!this.#slots.has(id("task"))) await this.load();
    const prefix = this.#prefix(id("service"), id("task"), id("node"));
    // Those of one service are nearly equally long: what stands below each other is easier to read.
    this.#width = Math.max(this.#width, prefix.length);
    const others = pairs.filter(([key]) => !CONTEXT.test(key)).map((pair) => pair.join("="));
    const shown = this.#flags.details === true && others.length > 0 ? `${others.join(",")} ` : "";
    return `${timestamp}${prefix.padEnd(this.#width)}    | ${shown}${text}`;
  }

  #prefix(service: string, task: string, node: string): string {
    const { resolve, taskIds, trunc } = this.#flags;
    const slot = this.#slots.get(task) || (resolve ? (this.#nodes.get(node) ?? node) : node);
    const name = `${resolve ? (this.#services.get(service) ?? service) : service}.${slot}`;
    return `${name}${taskIds ? `.${shorten(task, !trunc)}` : ""}@${resolve ? (this.#nodes.get(node) ?? node) : node}`;
  }
}
