import type { Command } from "commander";
import { collect } from "../collect.js";
import { confirm } from "../confirm.js";
import { type DiskUsageJson, USAGE_COLUMNS, usageRows, type VolumeUsage } from "../container/disk-usage.js";
import { containerColumns } from "../container/list.js";
import { action, type CliContext } from "../context.js";
import { CommandFailure } from "../failure.js";
import { filtersOf } from "../filters.js";
import { sizeText, splitReference } from "../image-words.js";
import { ago, type Column, type ListOptions, print, printList, shorten } from "../output.js";
import type { ContainerSummary, ImageSummary } from "../shapes.js";
import { type ImageRemoval, removalWords } from "./image-prune.js";

interface DiskFlags extends ListOptions {
  readonly verbose?: boolean;
}

interface PruneFlags {
  readonly all?: boolean;
  readonly filter?: readonly string[];
  readonly force?: boolean;
  readonly volumes?: boolean;
}

/** system df and prune. */
export function addDiskCommands(system: Command): void {
  system
    .command("df")
    .description("show what takes place on the disk, and how much of it could be had back")
    .option("--format <format>", "table, json, or a template such as {{.Type}} {{.Size}}")
    .option("-v, --verbose", "each image, container and volume")
    .action(action<[DiskFlags]>(showUsage));
  system
    .command("prune")
    .description("remove what nothing uses")
    .option("-a, --all", "also images that have a name")
    .option("--filter <key=value>", "until or label; repeatable", collect)
    .option("-f, --force", "do not ask")
    .option("--volumes", "also volumes without a name")
    .addHelpText("after", "\nExample:\n  swarm system prune --all --force --filter until=24h      # nothing that is younger than a day")
    .action(action<[PruneFlags]>(prune));
}

async function showUsage({ api, signal }: CliContext, flags: DiskFlags): Promise<void> {
  const usage = await api.call<DiskUsageJson>({ method: "GET", path: "/system/df", signal });
  if (flags.verbose !== true) {
    printList(usageRows(usage), USAGE_COLUMNS, ({ type }) => type, flags);
    return;
  }
  print("Images space usage:\n");
  printList(usage.Images ?? [], IMAGE_COLUMNS, ({ Id }) => Id, flags);
  print("\nContainers space usage:\n");
  printList(usage.Containers ?? [], CONTAINER_COLUMNS, ({ Id }) => Id, flags);
  print("\nLocal Volumes space usage:\n");
  printList(usage.Volumes ?? [], VOLUME_COLUMNS, ({ Name }) => Name, flags);
}

const nameOf = ({ RepoTags }: ImageSummary) => splitReference(RepoTags?.[0] ?? "<none>:<none>");

const IMAGE_COLUMNS: readonly Column<ImageSummary>[] = [
  { title: "REPOSITORY", key: "Repository", cell: (image) => nameOf(image)[0] },
  { title: "TAG", key: "Tag", cell: (image) => nameOf(image)[1] },
  { title: "IMAGE ID", key: "ID", cell: ({ Id }) => shorten(Id.replace("sha256:", "")) },
  { title: "CREATED", key: "CreatedSince", cell: ({ Created }) => ago(new Date(Created * 1000).toISOString()) },
  { title: "SIZE", key: "Size", cell: ({ Size }) => sizeText(Size) },
  { title: "SHARED SIZE", key: "SharedSize", cell: ({ SharedSize }) => (SharedSize < 0 ? "N/A" : sizeText(SharedSize)) },
  { title: "UNIQUE SIZE", key: "UniqueSize", cell: ({ Size, SharedSize }) => (SharedSize < 0 ? "N/A" : sizeText(Size - SharedSize)) },
  { title: "CONTAINERS", key: "Containers", cell: ({ Containers }) => (Containers < 0 ? "N/A" : String(Containers)) },
];

const CONTAINER_COLUMNS: readonly Column<ContainerSummary>[] = ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"].flatMap(
  (key) => {
    const titles: Readonly<Record<string, string>> = { LocalVolumes: "LOCAL VOLUMES", Size: "SIZE" };
    return containerColumns({ isWhole: false, hasSize: true })
      .filter((column) => column.key === key)
      .map((column) => ({ ...column, title: column.title ?? titles[key] ?? key.toUpperCase() }));
  },
);

const VOLUME_COLUMNS: readonly Column<VolumeUsage>[] = [
  { title: "VOLUME NAME", key: "Name", cell: ({ Name }) => Name },
  { title: "LINKS", key: "Links", cell: ({ UsageData }) => String(UsageData?.RefCount ?? "N/A") },
  {
    title: "SIZE",
    key: "Size",
    cell: ({ UsageData }) => (UsageData === undefined || UsageData === null || UsageData.Size < 0 ? "N/A" : sizeText(UsageData.Size)),
  },
];

type Removed = string | ImageRemoval;

/** What is pruned, in the order in which one sets the next free; `key` is that of the answer's list. */
const KINDS = [
  { path: "/containers/prune", key: "ContainersDeleted", title: "Deleted Containers:", word: "all stopped containers" },
  { path: "/networks/prune", key: "NetworksDeleted", title: "Deleted Networks:", word: "all networks not used by at least one container" },
  { path: "/volumes/prune", key: "VolumesDeleted", title: "Deleted Volumes:", word: "all volumes without a name that no container uses" },
  { path: "/images/prune", key: "ImagesDeleted", title: "Deleted Images:", word: "all dangling images" },
] as const;

async function prune({ api, signal }: CliContext, flags: PruneFlags): Promise<void> {
  const kinds = KINDS.filter(({ path }) => path !== "/volumes/prune" || flags.volumes === true);
  const wordOf = ({ path, word }: (typeof KINDS)[number]) =>
    path === "/images/prune" && flags.all === true ? "all images without at least one container" : word;
  await confirm(`This will remove:\n${kinds.map((kind) => `  - ${wordOf(kind)}\n`).join("")}`, flags.force === true, signal);
  let freedBytes = 0;
  for (const { path, key, title } of kinds) {
    const filters = filtersOf(flags.filter, path === "/images/prune" ? { dangling: [flags.all === true ? "false" : "true"] } : {});
    const outcome = await api.call<Readonly<Record<string, unknown>>>({ method: "POST", path, query: { filters }, signal }).catch(ignoreUnbuilt);
    const removed = (outcome[key] as readonly Removed[] | null | undefined) ?? [];
    if (removed.length > 0) print([title, ...removed.map(removedWords), ""].join("\n"));
    freedBytes += Number(outcome.SpaceReclaimed ?? 0);
  }
  print(`Total reclaimed space: ${sizeText(freedBytes, 4)}`);
}

/** What the daemon does not have, it has nothing of. */
function ignoreUnbuilt(cause: unknown): Readonly<Record<string, unknown>> {
  if (cause instanceof CommandFailure && (cause.status === 501 || cause.status === 404)) return {};
  throw cause;
}

function removedWords(removed: Removed): string {
  return typeof removed === "string" ? removed : removalWords(removed, "small");
}
