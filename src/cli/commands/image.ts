import type { Command } from "commander";
import { collect } from "../collect.js";
import { action, type CliContext } from "../context.js";
import { CommandFailure, EXIT } from "../failure.js";
import { forEachName } from "../for-each-name.js";
import { encodeReference, openFile, splitReference } from "../image-words.js";
import { inspectEach } from "../inspect-each.js";
import { print } from "../output.js";
import { addImageListCommand } from "./image-list.js";
import { addImagePruneCommand, type ImageRemoval, removalWords } from "./image-prune.js";
import { addArchiveCommands, addTransferCommands } from "./image-transfer.js";
import { addHistoryCommand } from "./image-history.js";

interface ImportFlags {
  readonly change?: readonly string[];
  readonly message?: string;
  readonly platform?: string;
}

interface RemoveFlags {
  readonly force?: boolean;
  /** commander's form of `--no-prune`: false when it was given. */
  readonly prune: boolean;
}

/** The group `image`, and what is used most without the word `image`. */
export function addImageCommands(program: Command): void {
  const image = program.command("image").description("manage the images of this node");
  addImageListCommand(image, "ls");
  addRemoveCommand(image, "rm");
  image
    .command("inspect")
    .description("show all that is known of images")
    .argument("<image...>")
    .option("-f, --format <format>", "json: one line each, or a template such as {{.Config.Cmd}}")
    .action(action<[string[], { format?: string }]>(inspectImages));
  addImagePruneCommand(image);
  addImageListCommand(program, "images");
  addRemoveCommand(program, "rmi");
  for (const parent of [image, program]) {
    addTagCommand(parent);
    addImportCommand(parent);
    addHistoryCommand(parent);
    addTransferCommands(parent);
    addArchiveCommands(parent);
  }
}

function addImportCommand(parent: Command): void {
  parent
    .command("import")
    .description("make an image of a root file system tar")
    .argument("<file>", "tar, plain or gzipped; - is standard input")
    .argument("[reference]", "name[:tag] of the image")
    .option("-c, --change <instruction>", "Dockerfile instruction such as CMD or ENV; repeatable", collect)
    .option("-m, --message <text>", "comment")
    .option("--platform <platform>", "os[/arch[/variant]]")
    .addHelpText("after", `\nExample:\n  tar -C rootfs -c . | swarm import --change 'CMD ["/web"]' --change 'ENV MODE=live' - web:v1`)
    .action(action<[string, string | undefined, ImportFlags]>(importImage));
}

function addTagCommand(parent: Command): void {
  parent.command("tag").description("give an image one more name").argument("<source>").argument("<target>").action(action<[string, string, object]>(tagImage));
}

function addRemoveCommand(parent: Command, name: "rm" | "rmi"): void {
  const command = parent.command(name).description("remove names of images, and an image with its last name");
  if (name === "rm") command.aliases(["remove", "rmi"]);
  command
    .argument("<image...>")
    .option("-f, --force", "even if a container uses it")
    .option("--no-prune", "leave the images below it: an image has none here")
    .action(action<[string[], RemoveFlags]>(removeImages));
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

async function inspectImages({ api }: CliContext, names: readonly string[], options: { readonly format?: string }): Promise<void> {
  await inspectEach(names, (name) => api.call({ method: "GET", path: `/images/${encodeReference(name)}/json` }), options);
}

async function tagImage({ api }: CliContext, source: string, target: string): Promise<void> {
  const [repo, tag] = splitReference(target);
  await api.call({ method: "POST", path: `/images/${encodeReference(source)}/tag`, query: { repo, tag } });
}

async function removeImages({ api }: CliContext, names: readonly string[], { force, prune }: RemoveFlags): Promise<void> {
  await forEachName(names, async (name) => {
    const query = { force: force === true ? "1" : undefined, noprune: prune ? undefined : "1" };
    const removals = await api.call<readonly ImageRemoval[]>({ method: "DELETE", path: `/images/${encodeReference(name)}`, query });
    for (const removal of removals) print(removalWords(removal, "capital"));
  });
}
