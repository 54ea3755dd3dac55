import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { canonicalReference, parseReference } from "../../model/image-reference.js";
import { action, type CliContext } from "../context.js";
import { assertNoContentTrust, type ContentTrustFlag, contentTrustOption } from "../content-trust.js";
import { misuse } from "../failure.js";
import { pullImage } from "../image-pull.js";
import { encodeReference, openFile, splitReference } from "../image-words.js";
import { OutputFile } from "../output-file.js";
import { print } from "../output.js";
import { registryHeaders } from "../registry-auth.js";
import { showProgress } from "../transfer-progress.js";

interface QuietFlag {
  readonly quiet?: boolean;
}

interface PullFlags extends QuietFlag, ContentTrustFlag {
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
    .addOption(contentTrustOption())
    .option("-q, --quiet", "the whole name of the image alone")
    .addHelpText("after", "\nExamples:\n  swarm pull registry.example:5000/team/web:v1\n  IMAGE=$(swarm pull -q web)")
    .action(action<[string, PullFlags]>(pull));
  parent
    .command("push")
    .description("send an image to the registry of its name")
    .argument("<image>", "name[:tag]")
    .option("-a, --all-tags", "every tag of it that is here")
    .addOption(contentTrustOption())
    .option("-q, --quiet", "the whole name of the image alone")
    .action(action<[string, PullFlags]>(push));
}

/** save and load, also without the word `image`. */
export function addArchiveCommands(parent: Command): void {
  parent
    .command("save")
    .description("write images into an archive")
    .argument("<image...>")
    .option("-o, --output <file>", "instead of standard output; - is that, too")
    .addHelpText("after", "\nExample: an image for a host that reaches no registry\n  swarm save web:v1 | ssh other swarm load")
    .action(action<[string[], { output?: string }]>(save));
  parent
    .command("load")
    .description("bring the images of an archive to this node")
    .option("-i, --input <file>", "what save wrote, or an OCI layout, instead of standard input; - is that, too")
    .option("-q, --quiet", "print names alone")
    .action(action<[{ input?: string; quiet?: boolean }]>(load));
}

async function pull(context: CliContext, name: string, { platform, quiet, allTags, ...trust }: PullFlags): Promise<void> {
  assertNoContentTrust(trust);
  await pullImage(context, name, { platform, isQuiet: quiet === true, isAll: allTags === true, output: "stdout" });
  print(wholeName(name, allTags === true));
}

async function push({ api, signal }: CliContext, name: string, { quiet, allTags, ...trust }: PullFlags): Promise<void> {
  assertNoContentTrust(trust);
  const [repository, tag] = splitReference(name);
  if (allTags === true && tag !== "") throw misuse(`--all-tags takes a name without a tag, and not "${name}"`);
  const path = `/images/${encodeReference(repository)}/push`;
  const query = { tag: allTags === true ? undefined : tag || "latest" };
  const reply = await api.open({ method: "POST", path, query, headers: await registryHeaders(name), signal });
  await showProgress(reply, { isQuiet: quiet === true });
  if (quiet === true) print(wholeName(name, allTags === true));
}

/** With registry and tag, for the script that goes on with it: `IMAGE=$(swarm pull -q web)`. */
function wholeName(name: string, isEveryTag: boolean): string {
  const reference = parseReference(name);
  return isEveryTag ? `${reference.domain}/${reference.path}` : canonicalReference(reference);
}

async function save({ api, signal }: CliContext, names: readonly string[], { output = "-" }: { readonly output?: string }): Promise<void> {
  if (output === "-" && process.stdout.isTTY) throw misuse("an archive is not for a terminal: give -o a file, or pipe it");
  const open = () => api.open({ method: "GET", path: "/images/get", query: { names }, signal });
  if (output === "-") return await pipeline(await open(), process.stdout, { end: false });
  await using file = await OutputFile.open(output, 0o666);
  await file.fill(await open(), signal);
}

async function load({ api, signal }: CliContext, { input = "-", quiet }: { readonly input?: string; readonly quiet?: boolean }): Promise<void> {
  if (input === "-" && process.stdin.isTTY) throw misuse("an archive is not typed at a terminal: give -i a file, or pipe one in");
  const stream = input === "-" ? process.stdin : await openFile(input);
  await showProgress(await api.open({ method: "POST", path: "/images/load", stream, signal }), { isQuiet: quiet === true });
}
