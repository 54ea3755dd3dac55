import type { Command } from "commander";
import { confirm } from "../confirm.js";
import { collect } from "../collect.js";
import { addResourceFlags, type ResourceFlags, resourcesOf } from "../container/resource-flags.js";
import { watchExit } from "../container/wait.js";
import { action, type CliContext } from "../context.js";
import { withoutDefaults } from "../docker-command.js";
import { CommandFailure, misuse } from "../failure.js";
import { filtersOf } from "../filters.js";
import { forEachName } from "../for-each-name.js";
import { sizeText } from "../image-words.js";
import { note, print } from "../output.js";
import { parseInteger } from "../container/resource-flags.js";

interface StopFlags {
  readonly time?: string;
  readonly signal?: string;
}

interface RemoveFlags {
  readonly force?: boolean;
  readonly link?: boolean;
  readonly volumes?: boolean;
}

export interface PruneFlags {
  readonly filter?: readonly string[];
  readonly force?: boolean;
}

/** stop, restart, kill, pause, unpause, wait, rename and rm, also without the word `container`. */
export function addContainerLifeCommands(container: Command): void {
  for (const [name, description] of [
    ["stop", "ask containers to end, and end them when they do not"],
    ["restart", "stop containers and start them again"],
  ] as const) {
    container
      .command(name)
      .description(description)
      .argument("<container...>")
      .option("-t, --time <seconds>", "time to end by themselves; -1 is no limit")
      .option("-s, --signal <signal>", "signal that asks them")
      .action(action<[string[], StopFlags]>((context, names, flags) => eachByName(context, names, name, { t: timeOf(flags), signal: flags.signal })));
  }
  container
    .command("kill")
    .description("send a signal to containers")
    .argument("<container...>")
    .option("-s, --signal <signal>", "signal", "KILL")
    .action(action<[string[], { signal: string }]>((context, names, { signal }) => eachByName(context, names, "kill", { signal })));
  for (const [name, description] of [
    ["pause", "let all processes of containers stand still"],
    ["unpause", "let them go on"],
  ] as const)
    container
      .command(name)
      .description(description)
      .argument("<container...>")
      .action(action<[string[], object]>((context, names) => eachByName(context, names, name, {})));
  container
    .command("wait")
    .description("wait for the end of containers and print their exit codes")
    .argument("<container...>")
    .action(action<[string[]]>(wait));
  container.command("rename").description("give a container another name").argument("<container>").argument("<name>").action(action<[string, string]>(rename));
  container
    .command("rm")
    .alias("remove")
    .description("remove containers")
    .argument("<container...>")
    .option("-f, --force", "end it first if it runs")
    .option("-l, --link", "remove a link alone")
    .option("-v, --volumes", "remove the volumes without a name that were made with it")
    .action(action<[string[], RemoveFlags]>(remove));
}

/** container update and prune. Without the word `container`, `update` is that of the swarm. */
export function addContainerUpkeepCommands(container: Command): void {
  const update = container.command("update").description("change the limits and restart policy of containers").argument("<container...>");
  addResourceFlags(update);
  withoutDefaults(update);
  update.addHelpText("after", "\nExample:\n  swarm container update --memory 512m --memory-swap 512m --restart unless-stopped web");
  update.action(action<[string[], ResourceFlags]>(updateContainers));
  container
    .command("prune")
    .description("remove all containers that do not run")
    .option("--filter <key=value>", "until or label; repeatable", collect)
    .option("-f, --force", "do not ask")
    .action(action<[PruneFlags]>(prune));
}

export function containerPath(name: string): string {
  return `/containers/${encodeURIComponent(name)}`;
}

async function eachByName(
  { api, signal }: CliContext,
  names: readonly string[],
  verb: string,
  query: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  await forEachName(names, async (name) => {
    await api.call({ method: "POST", path: `${containerPath(name)}/${verb}`, query, signal });
    print(name);
  });
}

function timeOf({ time }: StopFlags): string | undefined {
  return time === undefined ? undefined : String(parseInteger(time, "time"));
}

async function wait({ api }: CliContext, names: readonly string[]): Promise<void> {
  await forEachName(names, async (name) => {
    const { exitCode } = await watchExit(api, name, "not-running");
    print(String(await exitCode));
  });
}

async function rename({ api }: CliContext, name: string, newName: string): Promise<void> {
  await api.call({ method: "POST", path: `${containerPath(name)}/rename`, query: { name: newName } });
}

async function updateContainers({ api }: CliContext, names: readonly string[], flags: ResourceFlags): Promise<void> {
  const body = resourcesOf(flags);
  if (Object.keys(body).length === 0) throw misuse("nothing to change was given: --help shows what can be");
  await forEachName(names, async (name) => {
    const { Warnings } = await api.call<{ readonly Warnings: readonly string[] | null }>({ method: "POST", path: `${containerPath(name)}/update`, body });
    for (const warning of Warnings ?? []) note(`WARNING: ${warning}`);
    print(name);
  });
}

async function remove({ api }: CliContext, names: readonly string[], { force, link, volumes }: RemoveFlags): Promise<void> {
  const query = { force: force === true ? "1" : undefined, link: link === true ? "1" : undefined, v: volumes === true ? "1" : undefined };
  await forEachName(names, async (name) => {
    const path = containerPath(name.replace(/^\//, ""));
    await api.call({ method: "DELETE", path, query }).catch((cause: unknown) => {
      // Whom force removes need not be there.
      if (!(force === true && cause instanceof CommandFailure && cause.status === 404)) throw cause;
    });
    print(name);
  });
}

async function prune({ api, signal }: CliContext, { filter, force }: PruneFlags): Promise<void> {
  await confirm("This will remove all stopped containers.", force === true, signal);
  const outcome = await api.call<{ readonly ContainersDeleted: readonly string[] | null; readonly SpaceReclaimed: number }>({
    method: "POST",
    path: "/containers/prune",
    query: { filters: filtersOf(filter) },
  });
  const removed = outcome.ContainersDeleted ?? [];
  if (removed.length > 0) print(["Deleted Containers:", ...removed, ""].join("\n"));
  print(`Total reclaimed space: ${sizeText(outcome.SpaceReclaimed)}`);
}
