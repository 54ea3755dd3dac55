import type { Command } from "commander";
import { collect } from "../collect.js";
import { confirm } from "../confirm.js";
import { action, type CliContext } from "../context.js";
import { filtersOf } from "../filters.js";
import { sizeText } from "../image-words.js";
import { print } from "../output.js";

interface PruneFlags {
  readonly all?: boolean;
  readonly filter?: readonly string[];
  readonly force?: boolean;
}

/** What happened to an image: it lost a name, or is gone. */
export interface ImageRemoval {
  readonly Untagged?: string;
  readonly Deleted?: string;
}

/** image prune. */
export function addImagePruneCommand(image: Command): void {
  image
    .command("prune")
    .description("remove images that have no name and that no container uses, and downloads that broke off")
    .option("-a, --all", "also those that have a name")
    .option("--filter <key=value>", "until, label or label!; repeatable", collect)
    .option("-f, --force", "do not ask")
    .addHelpText(
      "after",
      "\nExample:\n  swarm image prune --all --force --filter until=240h --filter label!=keep    # made ten days ago or before, and not to be kept",
    )
    .action(action<[PruneFlags]>(prune));
}

async function prune({ api, signal }: CliContext, { all, filter, force }: PruneFlags): Promise<void> {
  const which = all === true ? "all images without at least one container associated to them" : "all dangling images";
  await confirm(`This will remove ${which}.`, force === true, signal);
  const outcome = await api.call<{ readonly ImagesDeleted: readonly ImageRemoval[] | null; readonly SpaceReclaimed: number }>({
    method: "POST",
    path: "/images/prune",
    query: { filters: filtersOf(filter, { dangling: [all === true ? "false" : "true"] }) },
    signal,
  });
  const removed = outcome.ImagesDeleted ?? [];
  if (removed.length > 0) print(["Deleted Images:", ...removed.map((removal) => removalWords(removal, "small")), ""].join("\n"));
  print(`Total reclaimed space: ${sizeText(outcome.SpaceReclaimed, 4)}`);
}

/** As docker writes it: `rmi` begins with a capital letter, `prune` does not. */
export function removalWords({ Untagged, Deleted }: ImageRemoval, style: "capital" | "small"): string {
  const [word, what] = Untagged === undefined ? (["Deleted", Deleted] as const) : (["Untagged", Untagged] as const);
  return `${style === "capital" ? word : word.toLowerCase()}: ${what}`;
}
