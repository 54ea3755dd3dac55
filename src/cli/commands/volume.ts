import type { Command } from "commander";
import { collect } from "../collect.js";
import { confirm } from "../confirm.js";
import { action, type CliContext } from "../context.js";
import { filtersOf } from "../filters.js";
import { forEachName } from "../for-each-name.js";
import { inspectEach } from "../inspect-each.js";
import { sizeText } from "../image-words.js";
import { type Column, type ListOptions, print, printList } from "../output.js";
import { parsePair } from "../quantities.js";
import type { VolumeJson } from "../shapes.js";

interface CreateFlags {
  readonly driver?: string;
  readonly label?: readonly string[];
  readonly opt?: readonly string[];
}

interface PruneFlags {
  readonly all?: boolean;
  readonly filter?: readonly string[];
  readonly force?: boolean;
}

/** volume create, inspect, ls, prune and rm. */
export function addVolumeCommands(program: Command): void {
  const volume = program.command("volume").description("manage the volumes of this node");
  volume
    .command("create")
    .description("make a volume")
    .argument("[name]", "drawn when it is not given")
    .option("-d, --driver <name>", "driver (default local)")
    .option("--label <key=value>", "label; repeatable", collect)
    .option("-o, --opt <key=value>", "option of the driver: type, device or o; repeatable", collect)
    .addHelpText(
      "after",
      `
Examples:
  swarm volume create data
  swarm volume create -o type=tmpfs -o device=tmpfs -o o=size=64m scratch
  swarm volume create -o type=none -o device=/srv/data -o o=bind host-data`,
    )
    .action(action<[string | undefined, CreateFlags]>(createVolume));
  volume
    .command("inspect")
    .description("show all that is known of volumes")
    .argument("<volume...>")
    .option("-f, --format <format>", "json: one line each, or a template such as {{.Mountpoint}}")
    .action(action<[string[], { format?: string }]>(inspectVolumes));
  volume
    .command("ls")
    .alias("list")
    .description("list volumes")
    .option("-f, --filter <key=value>", "dangling, driver, label or name; repeatable", collect)
    .option("--format <format>", "table, json, or a template such as {{.Name}}")
    .option("-q, --quiet", "print names alone")
    .action(action<[ListOptions & { filter?: readonly string[] }]>(listVolumes));
  volume
    .command("prune")
    .description("remove anonymous volumes that no container has")
    .option("-a, --all", "also those that have a name")
    .option("--filter <key=value>", "label or label!; repeatable", collect)
    .option("-f, --force", "do not ask")
    .action(action<[PruneFlags]>(pruneVolumes));
  volume
    .command("rm")
    .alias("remove")
    .description("remove volumes with their content")
    .argument("<volume...>")
    .option("-f, --force", "also when there is none of that name")
    .action(action<[string[], { force?: boolean }]>(removeVolumes));
}

async function createVolume({ api }: CliContext, name: string | undefined, { driver, label = [], opt = [] }: CreateFlags): Promise<void> {
  const pairs = (texts: readonly string[], flag: string) => Object.fromEntries(texts.map((text) => parsePair(text, flag)));
  const body = { Name: name ?? "", Driver: driver ?? "local", DriverOpts: pairs(opt, "opt"), Labels: pairs(label, "label") };
  print((await api.call<VolumeJson>({ method: "POST", path: "/volumes/create", body })).Name);
}

async function inspectVolumes({ api }: CliContext, names: readonly string[], options: { readonly format?: string }): Promise<void> {
  await inspectEach(names, (name) => api.call<VolumeJson>({ method: "GET", path: pathOf(name) }), options);
}

const COLUMNS: readonly Column<VolumeJson>[] = [
  { title: "DRIVER", key: "Driver", cell: (volume) => volume.Driver },
  { title: "VOLUME NAME", key: "Name", cell: (volume) => volume.Name },
  { key: "Mountpoint", cell: (volume) => volume.Mountpoint },
  { key: "Scope", cell: (volume) => volume.Scope },
  {
    key: "Labels",
    cell: (volume) =>
      Object.entries(volume.Labels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(","),
  },
];

async function listVolumes({ api }: CliContext, options: ListOptions & { readonly filter?: readonly string[] }): Promise<void> {
  const query = { filters: filtersOf(options.filter) };
  const { Volumes } = await api.call<{ readonly Volumes: readonly VolumeJson[] | null }>({ method: "GET", path: "/volumes", query });
  printList(Volumes ?? [], COLUMNS, (volume) => volume.Name, options);
}

async function pruneVolumes({ api, signal }: CliContext, { all, filter, force }: PruneFlags): Promise<void> {
  const which = all === true ? "all volumes that no container has" : "anonymous volumes that no container has";
  await confirm(`This will remove ${which}, with their content.`, force === true, signal);
  const query = { filters: filtersOf(filter, all === true ? { all: ["true"] } : {}) };
  const { VolumesDeleted, SpaceReclaimed } = await api.call<{ readonly VolumesDeleted: readonly string[] | null; readonly SpaceReclaimed: number }>({
    method: "POST",
    path: "/volumes/prune",
    query,
  });
  if (VolumesDeleted !== null && VolumesDeleted.length > 0) print(`Deleted Volumes:\n${VolumesDeleted.join("\n")}\n`);
  print(`Total reclaimed space: ${sizeText(SpaceReclaimed)}`);
}

async function removeVolumes({ api }: CliContext, names: readonly string[], { force }: { readonly force?: boolean }): Promise<void> {
  await forEachName(names, async (name) => {
    await api.call({ method: "DELETE", path: pathOf(name), query: force === true ? { force: "1" } : {} });
    print(name);
  });
}

function pathOf(name: string): string {
  return `/volumes/${encodeURIComponent(name)}`;
}
