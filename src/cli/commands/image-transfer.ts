import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { messageOf } from "../../base/errors.js";
import { action, type CliContext } from "../context.js";
import { CommandFailure, EXIT, misuse } from "../failure.js";
import { pullImage } from "../image-pull.js";
import { encodeReference, openFile, sizeText, splitReference } from "../image-words.js";
import { ago, type Column, type ListOptions, print, printList } from "../output.js";
import { registryHeaders } from "../registry-auth.js";
import { showProgress } from "../transfer-progress.js";

interface QuietFlag {
  readonly quiet?: boolean;
}

interface PullFlags extends QuietFlag {
  readonly allTags?: boolean;
  readonly platform?: string;
}

/** pull and push, also without the word `image`. */
export function addTransferCommands(parent: Command): void {
  parent
    .command("pull")
    .description("bring an image from its registry to this node")
    .argument("<image>", "name[:tag] or name@digest")
    .option("-a, --all-tags", "every tag that the registry has of it")
    .option("--platform <platform>", "os[/arch[/variant]] (default this node's)")
    .option("-q, --quiet", "no progress")
    .action(action<[string, PullFlags]>(pull));
  parent
    .command("push")
    .description("send an image to the registry of its name")
    .argument("<image>", "name[:tag]")
    .option("-a, --all-tags", "every tag of it that is here")
    .option("-q, --quiet", "no progress")
    .action(action<[string, PullFlags]>(push));
}

/** image pull, push, save, load, history and prune. */
export function addImageTransferCommands(image: Command): void {
  addTransferCommands(image);
  image
    .command("save")
    .description("write images into an archive")
    .argument("<image...>")
    .requiredOption("-o, --output <file>", "- is standard output")
    .action(action<[string[], { output: string }]>(save));
  image
    .command("load")
    .description("bring the images of an archive to this node")
    .requiredOption("-i, --input <file>", "what save wrote, or an OCI layout; - is standard input")
    .action(action<[{ input: string }]>(load));
  image
    .command("history")
    .description("show how an image came about")
    .argument("<image>")
    .option("--format <format>", "table, json, or a template such as {{.ID}}")
    .option("--no-trunc", "do not shorten what created a layer")
    .action(action<[string, ListOptions & { trunc: boolean }]>(history));
  image
    .command("prune")
    .description("remove images that have no name and that no container uses, and downloads that broke off")
    .option("-a, --all", "also those that have a name")
    .action(action<[{ all?: boolean }]>(prune));
}

async function pull(context: CliContext, name: string, { platform, quiet, allTags }: PullFlags): Promise<void> {
  await pullImage(context, name, { platform, isQuiet: quiet === true, isAll: allTags === true, output: "stdout" });
}

async function push({ api, signal }: CliContext, name: string, { quiet, allTags }: PullFlags): Promise<void> {
  const [repository, tag] = splitReference(name);
  if (allTags === true && tag !== "") throw misuse(`--all-tags takes a name without a tag, and not "${name}"`);
  const path = `/images/${encodeReference(repository)}/push`;
  const query = { tag: allTags === true ? undefined : tag || "latest" };
  const reply = await api.open({ method: "POST", path, query, headers: await registryHeaders(name), signal });
  await showProgress(reply, { isQuiet: quiet === true });
}

/** Into a file beside it first: what has the name is whole. */
async function save({ api, signal }: CliContext, names: readonly string[], { output }: { readonly output: string }): Promise<void> {
  if (output === "-" && process.stdout.isTTY) throw misuse("an archive is not for a terminal: give -o a file");
  const reply = await api.open({ method: "GET", path: "/images/get", query: { names }, signal });
  if (output === "-") return await pipeline(reply, process.stdout, { end: false });
  const aside = `${output}.part`;
  try {
    await pipeline(reply, createWriteStream(aside));
    await rename(aside, output);
  } catch (cause) {
    await rm(aside, { force: true });
    throw signal.aborted ? signal.reason : new CommandFailure(EXIT.refused, `cannot write ${output}: ${messageOf(cause)}`, { cause });
  }
}

async function load({ api, signal }: CliContext, { input }: { readonly input: string }): Promise<void> {
  const stream = input === "-" ? process.stdin : await openFile(input);
  await showProgress(await api.open({ method: "POST", path: "/images/load", stream, signal }), { isQuiet: false });
}

interface Step {
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Size: number;
  readonly Comment: string;
}

async function history({ api }: CliContext, name: string, options: ListOptions & { readonly trunc: boolean }): Promise<void> {
  const steps = await api.call<readonly Step[]>({ method: "GET", path: `/images/${encodeReference(name)}/history` });
  const brief = (text: string) => (options.trunc && text.length > 60 ? `${text.slice(0, 59)}…` : text);
  const columns: readonly Column<Step>[] = [
    { title: "CREATED", key: "CreatedSince", cell: ({ Created }) => (Created === 0 ? "" : ago(new Date(Created * 1000).toISOString())) },
    { title: "CREATED BY", key: "CreatedBy", cell: (step) => brief(step.CreatedBy) },
    { title: "SIZE", key: "Size", cell: (step) => sizeText(step.Size) },
    { title: "COMMENT", key: "Comment", cell: (step) => step.Comment },
  ];
  printList(steps, columns, (step) => step.Id, options);
}

async function prune({ api }: CliContext, { all }: { readonly all?: boolean }): Promise<void> {
  const filters = JSON.stringify({ dangling: [all === true ? "false" : "true"] });
  const outcome = await api.call<{
    readonly ImagesDeleted: readonly { readonly Untagged?: string; readonly Deleted?: string }[] | null;
    readonly SpaceReclaimed: number;
  }>({
    method: "POST",
    path: "/images/prune",
    query: { filters },
  });
  for (const removal of outcome.ImagesDeleted ?? []) print(removal.Untagged === undefined ? `Deleted: ${removal.Deleted}` : `Untagged: ${removal.Untagged}`);
  print(`${sizeText(outcome.SpaceReclaimed)} freed`);
}
