import type { Command } from "commander";
import { collect } from "../collect.js";
import { createdAt } from "../container/list.js";
import { action, type CliContext } from "../context.js";
import { misuse } from "../failure.js";
import { filtersOf } from "../filters.js";
import { sizeText, splitReference } from "../image-words.js";
import { ago, type Column, type ListOptions, printList, shorten } from "../output.js";
import type { ImageSummary } from "../shapes.js";

interface ListFlags extends ListOptions {
  readonly all?: boolean;
  readonly digests?: boolean;
  readonly filter?: readonly string[];
  /** commander's form of `--no-trunc`: false when it was given. */
  readonly trunc: boolean;
}

const NONE = "<none>";

/** ls, also as `swarm images`. */
export function addImageListCommand(parent: Command, name: "ls" | "images"): void {
  const command = parent.command(name).description("list the images of this node");
  if (name === "ls") command.alias("list");
  command
    .argument("[repository[:tag]]", "of this name alone")
    .option("-a, --all", "intermediate images too: there are none here")
    .option("--digests", "with the digests that registries know them by")
    .option("-f, --filter <key=value>", "dangling, label, before, since, reference or until; repeatable", collect)
    .option("--format <format>", "table, json, or a template such as {{.ID}}")
    .option("--no-trunc", "do not shorten ids")
    .option("-q, --quiet", "print ids alone")
    .addHelpText(
      "after",
      `
Examples:
  swarm ${name === "ls" ? "image ls" : name} --filter dangling=true           # those that lost their name
  swarm ${name === "ls" ? "image ls" : name} --filter 'reference=*/team/*:v*'  # * does not cross a slash
  swarm ${name === "ls" ? "image ls" : name} --filter since=web:v1 --format '{{.Repository}}:{{.Tag}}'`,
    )
    .action(action<[string | undefined, ListFlags]>(listImages));
}

async function listImages({ api }: CliContext, name: string | undefined, flags: ListFlags): Promise<void> {
  if (name === "") throw misuse("the name of a repository is empty");
  const filters = filtersOf(flags.filter, name === undefined ? {} : { reference: [name] });
  const images = await api.call<readonly ImageSummary[]>({ method: "GET", path: "/images/json", query: { filters } });
  const hasDigests = flags.digests === true || /\.Digest\b/.test(flags.format ?? "");
  const rows = images.flatMap((image) => rowsOf(image, hasDigests));
  const columns = imageColumns(!flags.trunc).map((column) => (column.key === "Digest" && flags.digests === true ? { ...column, title: "DIGEST" } : column));
  printList(rows, columns, ({ image }) => idOf(image, !flags.trunc), flags);
}

export interface ImageRow {
  readonly image: ImageSummary;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** A row for each name of an image; of one that has lost them, for each repository that still knows its digest. */
function rowsOf(image: ImageSummary, hasDigests: boolean): readonly ImageRow[] {
  const digests = (image.RepoDigests ?? []).map((text) => text.split("@") as [string, string]);
  const tags = (image.RepoTags ?? []).filter((tag) => tag !== `${NONE}:${NONE}`);
  const row = (repository: string, tag: string, digest: string): ImageRow => ({ image, repository, tag, digest });
  if (tags.length > 0)
    return tags.flatMap((reference) => {
      const [repository, tag] = splitReference(reference);
      const known = hasDigests ? digests.filter(([of]) => of === repository) : [];
      return known.length === 0 ? [row(repository, tag, NONE)] : known.map(([, digest]) => row(repository, tag, digest));
    });
  if (digests.length === 0) return [row(NONE, NONE, NONE)];
  if (hasDigests) return digests.map(([repository, digest]) => row(repository, NONE, digest));
  return [...new Set(digests.map(([repository]) => repository))].map((repository) => row(repository, NONE, NONE));
}

function imageColumns(isWhole: boolean): readonly Column<ImageRow>[] {
  return [
    { title: "REPOSITORY", key: "Repository", cell: ({ repository }) => repository },
    { title: "TAG", key: "Tag", cell: ({ tag }) => tag },
    { key: "Digest", cell: ({ digest }) => digest },
    { title: "IMAGE ID", key: "ID", cell: ({ image }) => idOf(image, isWhole) },
    { title: "CREATED", key: "CreatedSince", cell: ({ image }) => ago(new Date(image.Created * 1000).toISOString()) },
    { title: "SIZE", key: "Size", cell: ({ image }) => sizeText(image.Size) },
    { key: "CreatedAt", cell: ({ image }) => createdAt(image.Created) },
    { key: "VirtualSize", cell: ({ image }) => sizeText(image.Size) },
    { key: "SharedSize", cell: ({ image }) => countText(image.SharedSize, sizeText) },
    { key: "UniqueSize", cell: ({ image }) => countText(image.SharedSize, (shared) => sizeText(image.Size - shared)) },
    { key: "Containers", cell: ({ image }) => countText(image.Containers, String) },
  ];
}

/** The daemon says -1 of what nobody asked it to count. */
function countText(count: number, textOf: (count: number) => string): string {
  return count < 0 ? "N/A" : textOf(count);
}

function idOf({ Id }: ImageSummary, isWhole: boolean): string {
  return isWhole ? Id : shorten(Id.replace("sha256:", ""));
}
