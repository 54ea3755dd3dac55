import type { Command } from "commander";
import { action, type CliContext } from "../context.js";
import { CommandFailure, EXIT } from "../failure.js";
import { framesOf, STREAM } from "../multiplexed.js";
import { print, table } from "../output.js";
import type { ContainerInspect } from "../shapes.js";
import { parseTime } from "../time-flag.js";
import { misuse } from "../failure.js";
import { containerPath } from "./container-life.js";

interface LogFlags {
  readonly details?: boolean;
  readonly follow?: boolean;
  readonly since?: string;
  readonly tail: string;
  readonly timestamps?: boolean;
  readonly until?: string;
}

/** logs. */
export function addContainerLogsCommand(parent: Command): void {
  parent
    .command("logs")
    .description("show what a container's program wrote")
    .argument("<container>")
    .option("--details", "with the labels and variables that its log driver keeps")
    .option("-f, --follow", "go on with what comes")
    .option("--since <time>", "RFC 3339, seconds since the epoch, or how long ago: 42m")
    .option("-n, --tail <lines>", "lines from the end", "all")
    .option("-t, --timestamps", "show when each line was written")
    .option("--until <time>", "RFC 3339, seconds since the epoch, or how long ago: 42m")
    .addHelpText("after", "\nExample:\n  swarm logs -f --tail 100 --since 10m web 2>&1 | grep -i error      # what it wrote to stderr comes on stderr")
    .action(action<[string, LogFlags]>(logs));
}

/** top, port and diff. */
export function addContainerWatchCommands(container: Command): void {
  container
    .command("top")
    .description("list the processes of a container")
    .argument("<container>")
    .argument("[ps-options...]", "those of ps, as in -ef or -o pid,comm")
    .passThroughOptions()
    .allowUnknownOption()
    .action(action<[string, string[]]>(top));
  container
    .command("port")
    .description("list the published ports of a container, or where one of them is")
    .argument("<container>")
    .argument("[port[/protocol]]")
    .action(action<[string, string | undefined]>(port));
  container
    .command("diff")
    .description("list what a container changed in its files: Added, Changed, Deleted")
    .argument("<container>")
    .action(action<[string]>(diff));
}

async function logs({ api, signal }: CliContext, name: string, flags: LogFlags): Promise<void> {
  if (flags.tail !== "all" && !/^-?\d+$/.test(flags.tail)) throw misuse(`--tail "${flags.tail}" is neither a number nor all`);
  const { Id, Config } = await api.call<ContainerInspect>({ method: "GET", path: `${containerPath(name)}/json` });
  const on = (flag: boolean | undefined) => (flag === true ? "1" : undefined);
  const query = {
    stdout: "1",
    stderr: "1",
    follow: on(flags.follow),
    timestamps: on(flags.timestamps),
    details: on(flags.details),
    tail: flags.tail.startsWith("-") ? "all" : flags.tail,
    since: flags.since === undefined ? undefined : parseTime(flags.since, "since"),
    until: flags.until === undefined ? undefined : parseTime(flags.until, "until"),
  };
  const reply = await api.open({ method: "GET", path: `/containers/${Id}/logs`, query, signal });
  if (Config.Tty) {
    for await (const chunk of reply) process.stdout.write(chunk as Buffer);
    return;
  }
  for await (const { stream, payload } of framesOf(reply)) {
    if (stream === STREAM.systemError) throw new CommandFailure(EXIT.refused, payload.toString().trim());
    (stream === STREAM.stderr ? process.stderr : process.stdout).write(payload);
  }
}

const PROCESS_WIDTH_MIN = 20;

async function top({ api }: CliContext, name: string, options: readonly string[]): Promise<void> {
  const { Titles, Processes } = await api.call<{ readonly Titles: readonly string[]; readonly Processes: readonly (readonly string[])[] | null }>({
    method: "GET",
    path: `${containerPath(name)}/top`,
    query: { ps_args: options.length === 0 ? undefined : options.join(" ") },
  });
  process.stdout.write(table([Titles, ...(Processes ?? [])], PROCESS_WIDTH_MIN));
}

async function port({ api }: CliContext, name: string, wanted: string | undefined): Promise<void> {
  const { NetworkSettings } = await api.call<ContainerInspect>({ method: "GET", path: `${containerPath(name)}/json` });
  const where = ({ HostIp, HostPort }: { readonly HostIp: string; readonly HostPort: string }) =>
    `${HostIp.includes(":") ? `[${HostIp}]` : HostIp}:${HostPort}`;
  if (wanted === undefined) {
    const ports = Object.entries(NetworkSettings.Ports).toSorted(([a], [b]) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1));
    for (const [target, bindings] of ports) for (const binding of bindings ?? []) print(`${target} -> ${where(binding)}`);
    return;
  }
  const bindings = NetworkSettings.Ports[wanted.includes("/") ? wanted : `${wanted}/tcp`] ?? [];
  if (bindings.length === 0) throw new CommandFailure(EXIT.refused, `no public port '${wanted}' published for ${name}`);
  for (const binding of bindings) print(where(binding));
}

const CHANGES = ["C", "A", "D"] as const;

async function diff({ api }: CliContext, name: string): Promise<void> {
  const changes = await api.call<readonly { readonly Path: string; readonly Kind: number }[] | null>({ method: "GET", path: `${containerPath(name)}/changes` });
  for (const { Path, Kind } of changes ?? []) print(`${CHANGES[Kind] ?? Kind} ${Path}`);
}
