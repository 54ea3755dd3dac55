import type { Command } from "commander";
import { action, type CliContext } from "../context.js";
import { CommandFailure, EXIT } from "../failure.js";
import { encodeReference, openFile, sizeText, splitReference } from "../image-words.js";
import { forEachName } from "../for-each-name.js";
import { ago, type Column, type ListOptions, print, printList, shorten } from "../output.js";
import type { ImageSummary } from "../shapes.js";
import { addImageTransferCommands } from "./image-transfer.js";

interface ImportFlags {
  readonly change?: readonly string[];
  readonly message?: string;
  readonly platform?: string;
}

const collect = (value: string, values: readonly string[] | undefined) => [...(values ?? []), value];

/** image import, ls, tag and rm; the rest is in image-transfer.ts. */
export function addImageCommands(program: Command): void {
  const image = program.command("image").description("manage the images of this node");
  image
    .command("import")
    .description("make an image of a root file system tar")
    .argument("<file>", "tar, plain or gzipped; - is standard input")
    .argument("[reference]", "name[:tag] of the image")
    .option("-c, --change <instruction>", "Dockerfile instruction such as CMD or ENV; repeatable", collect)
    .option("-m, --message <text>", "comment")
    .option("--platform <platform>", "os[/arch[/variant]]")
    .action(action<[string, string | undefined, ImportFlags]>(importImage));
  image
    .command("ls")
    .alias("list")
    .description("list images")
    .option("--format <format>", "table, json, or a template such as {{.ID}}")
    .option("-q, --quiet", "print ids alone")
    .option("--no-trunc", "do not shorten ids")
    .action(action<[ListOptions & { trunc: boolean }]>(listImages));
  image.command("tag").description("give an image one more name").argument("<source>").argument("<target>").action(action<[string, string, object]>(tagImage));
  image
    .command("rm")
    .alias("remove")
    .description("remove names of images, and an image with its last name")
    .argument("<image...>")
    .option("-f, --force", "even if a container uses it")
    .action(action<[string[], { force?: boolean }]>(removeImages));
  addImageTransferCommands(image);
}

async function importImage({ api, signal }: CliContext, file: string, reference: string | undefined, flags: ImportFlags): Promise<void> {
  const [repo = "", tag = ""] = splitReference(reference ?? "");
  const query = { fromSrc: "-", repo, tag, message: flags.message, changes: flags.change, platform: flags.platform };
  const stream = file === "-" ? process.stdin : await openFile(file);
  const progress = await api.text({
    method: "POST",
    path: "/images/create",
    query: Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)),
    stream,
    signal,
  });
  for (const line of progress.split("\n").filter((text) => text.trim() !== "")) {
    const { status, error } = JSON.parse(line) as { readonly status?: string; readonly error?: string };
    if (error !== undefined) throw new CommandFailure(EXIT.refused, error);
    if (status !== undefined) print(status);
  }
}

interface Row {
  readonly image: ImageSummary;
  readonly name: string;
  readonly tag: string;
}

async function listImages({ api }: CliContext, options: ListOptions & { readonly trunc: boolean }): Promise<void> {
  const images = await api.call<readonly ImageSummary[]>({ method: "GET", path: "/images/json" });
  const rows = images.flatMap((image): Row[] => {
    const tags = image.RepoTags ?? [];
    return (tags.length > 0 ? tags : ["<none>:<none>"]).map((reference) => {
      const [name, tag] = splitReference(reference);
      return { image, name, tag };
    });
  });
  const columns: readonly Column<Row>[] = [
    { title: "REPOSITORY", key: "Repository", cell: (row) => row.name },
    { title: "TAG", key: "Tag", cell: (row) => row.tag },
    { title: "IMAGE ID", key: "ID", cell: ({ image }) => (options.trunc ? shorten(image.Id.replace("sha256:", "")) : image.Id) },
    { title: "CREATED", key: "CreatedSince", cell: ({ image }) => ago(new Date(image.Created * 1000).toISOString()) },
    { title: "SIZE", key: "Size", cell: ({ image }) => sizeText(image.Size) },
  ];
  printList(rows, columns, ({ image }) => (options.trunc ? shorten(image.Id.replace("sha256:", "")) : image.Id), options);
}

async function tagImage({ api }: CliContext, source: string, target: string): Promise<void> {
  const [repo, tag] = splitReference(target);
  await api.call({ method: "POST", path: `/images/${encodeReference(source)}/tag`, query: { repo, tag } });
}

async function removeImages({ api }: CliContext, names: readonly string[], options: { readonly force?: boolean }): Promise<void> {
  await forEachName(names, async (name) => {
    const removals = await api.call<readonly { readonly Untagged?: string; readonly Deleted?: string }[]>({
      method: "DELETE",
      path: `/images/${encodeReference(name)}`,
      query: options.force === true ? { force: "1" } : {},
    });
    for (const removal of removals) print(removal.Untagged === undefined ? `Deleted: ${removal.Deleted}` : `Untagged: ${removal.Untagged}`);
  });
}
