import type { Command } from "commander";
import { collect } from "../collect.js";
import { containerColumns } from "../container/list.js";
import { action, type CliContext } from "../context.js";
import { filtersOf } from "../filters.js";
import { inspectEach } from "../inspect-each.js";
import { type ListOptions, printList, shorten } from "../output.js";
import { parseInteger } from "../container/resource-flags.js";
import type { ContainerSummary } from "../shapes.js";
import { containerPath } from "./container-life.js";

interface ListFlags extends ListOptions {
  readonly all?: boolean;
  readonly filter?: readonly string[];
  readonly last?: string;
  readonly latest?: boolean;
  readonly size?: boolean;
  /** commander's form of `--no-trunc`: false when it was given. */
  readonly trunc: boolean;
}

/** ls, also as `swarm ps`. */
export function addContainerListCommand(parent: Command, name: "ls" | "ps"): void {
  const command = parent.command(name).description("list the containers of this node");
  if (name === "ls") command.aliases(["list", "ps"]);
  command
    .option("-a, --all", "also those that do not run")
    .option("-f, --filter <key=value>", "status, name, label, id, ancestor, …; repeatable", collect)
    .option("--format <format>", "table, json, or a template such as {{.Names}}")
    .option("-n, --last <n>", "the newest ones, whatever their state")
    .option("-l, --latest", "the newest one, whatever its state")
    .option("--no-trunc", "do not shorten ids and commands")
    .option("-q, --quiet", "print ids alone")
    .option("-s, --size", "show what each has written")
    .addHelpText(
      "after",
      `
Examples:
  swarm ${name === "ls" ? "container ls" : name} -a --filter status=exited --filter label=tier=front
  swarm rm $(swarm ps -aq --filter status=exited)
  swarm ${name === "ls" ? "container ls" : name} --format 'table {{.Names}}\\t{{.Status}}\\t{{.Ports}}'`,
    )
    .action(action<[ListFlags]>(list));
}

/** inspect. */
export function addContainerInspectCommand(container: Command): void {
  container
    .command("inspect")
    .description("show all that is known of containers")
    .argument("<container...>")
    .option("-f, --format <format>", "json: one line each, or a template such as {{.State.Status}}")
    .option("-s, --size", "with the sizes of its files")
    .action(action<[string[], { format?: string; size?: boolean }]>(inspect));
}

async function list({ api }: CliContext, flags: ListFlags): Promise<void> {
  const limit = flags.latest === true ? "1" : flags.last === undefined ? undefined : String(Math.max(parseInteger(flags.last, "last"), 0));
  const hasSize = flags.size === true || (flags.size === undefined && /\.Size\b/.test(flags.format ?? ""));
  const query = { all: flags.all === true ? "1" : undefined, limit, size: hasSize ? "1" : undefined, filters: filtersOf(flags.filter) };
  const containers = await api.call<readonly ContainerSummary[]>({ method: "GET", path: "/containers/json", query });
  printList(containers, containerColumns({ isWhole: !flags.trunc, hasSize }), ({ Id }) => shorten(Id, !flags.trunc), flags);
}

async function inspect({ api }: CliContext, names: readonly string[], flags: { readonly format?: string; readonly size?: boolean }): Promise<void> {
  const query = { size: flags.size === true ? "1" : undefined };
  await inspectEach(names, (name) => api.call({ method: "GET", path: `${containerPath(name)}/json`, query }), flags);
}
