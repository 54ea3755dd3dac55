import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { collect } from "../collect.js";
import { type CopySide, linkedPath, type PathStat, parseSide, placementOf, statHere, statInContainer } from "../container/copy-paths.js";
import { packTree } from "../container/pack-tree.js";
import { unpackTree } from "../container/unpack-tree.js";
import { action, type CliContext } from "../context.js";
import { CommandFailure, EXIT, misuse } from "../failure.js";
import { splitReference } from "../image-words.js";
import { OutputFile } from "../output-file.js";
import { print } from "../output.js";
import { containerPath } from "./container-life.js";

interface CopyFlags {
  readonly archive?: boolean;
  readonly followLink?: boolean;
}

interface CommitFlags {
  readonly author?: string;
  readonly change?: readonly string[];
  readonly message?: string;
  /** commander's form of `--no-pause`: false when it was given. */
  readonly pause: boolean;
}

type InContainer = Extract<CopySide, { readonly type: "container" }>;

/** cp, also without the word `container`. */
export function addCopyCommand(parent: Command): void {
  parent
    .command("cp")
    .description("copy files between a container and this host")
    .argument("<source>", "container:path, a path, or - for an archive on standard input")
    .argument("<destination>", "container:path, a path, or - for an archive on standard output")
    .option("-a, --archive", "keep users and groups by their numbers")
    .option("-L, --follow-link", "copy what the source leads to, if it is a link")
    .option("-q, --quiet", "nothing is said anyway")
    .addHelpText(
      "after",
      `
Examples:
  swarm cp web:/etc/hosts .                  # the file, into this folder
  swarm cp ./site/. web:/srv                 # what is in site; without /. the folder itself
  swarm cp web:/var/log - | tar -x           # an archive
A running container and one that has ended will do.`,
    )
    .action(action<[string, string, CopyFlags]>(copy));
}

/** export and commit. */
export function addContainerImageCommands(container: Command): void {
  container
    .command("export")
    .description("write the files of a container into an archive")
    .argument("<container>")
    .option("-o, --output <file>", "instead of standard output")
    .action(action<[string, { output?: string }]>(exportFiles));
  container
    .command("commit")
    .description("make an image of a container")
    .argument("<container>")
    .argument("[image]", "name[:tag]")
    .option("-a, --author <author>", "who made it")
    .option("-c, --change <instruction>", "Dockerfile instruction such as CMD or ENV; repeatable", collect)
    .option("-m, --message <text>", "comment")
    .option("--no-pause", "do not let it stand still meanwhile")
    .option("-p, --pause", "let it stand still meanwhile (default true)")
    .action(action<[string, string | undefined, CommitFlags]>(commit));
}

async function copy(context: CliContext, sourceText: string, destinationText: string, flags: CopyFlags): Promise<void> {
  const [source, destination] = [parseSide(sourceText), parseSide(destinationText)];
  if (source.type === "container" && destination.type === "container") throw misuse("copying between containers is not supported: copy to this host first");
  if (source.type === "container") return await copyOut(context, source, destination, flags);
  if (destination.type === "container") return await copyIn(context, source, destination, flags);
  throw misuse("one of source and destination must be container:path");
}

async function copyOut({ api, signal }: CliContext, source: InContainer, destination: CopySide, flags: CopyFlags): Promise<void> {
  const { container } = source;
  let { path } = source;
  let stat = await statInContainer(api, container, path);
  if (stat?.linkTarget !== undefined && flags.followLink === true) {
    path = linkedPath(path, stat.linkTarget);
    const { name } = stat;
    const followed = await statInContainer(api, container, path);
    // It keeps the name under which it was asked for.
    stat = followed === undefined ? undefined : { ...followed, name };
  }
  if (destination.type === "stream" && process.stdout.isTTY) throw misuse("an archive is not for a terminal");
  const target = destination.type === "local" && stat !== undefined ? targetOf(source.path, stat, destination.path) : null;
  const archive = await api.open({ method: "GET", path: `${containerPath(container)}/archive`, query: { path }, signal });
  if (target !== null) return await unpackTree(archive, { target, keepsOwners: flags.archive === true });
  if (destination.type === "stream") return await pipeline(archive, process.stdout, { end: false });
  archive.destroy();
  throw new CommandFailure(EXIT.refused, `${path} in ${container} came while it was looked for: try again`);
}

function targetOf(path: string, stat: PathStat, destination: string): string {
  const { folder, name } = placementOf({ path, stat }, { path: destination, stat: statHere(destination, true) });
  if (statHere(folder, true)?.isFolder !== true) throw new CommandFailure(EXIT.refused, `the directory ${folder} does not exist`);
  return resolve(join(folder, name));
}

async function copyIn({ api, signal }: CliContext, source: CopySide, destination: InContainer, flags: CopyFlags): Promise<void> {
  const { container } = destination;
  let { path } = destination;
  let stat = await statInContainer(api, container, path);
  if (stat?.linkTarget !== undefined) {
    path = linkedPath(path, stat.linkTarget);
    stat = await statInContainer(api, container, path);
  }
  const put = (folder: string, stream: NodeJS.ReadableStream & Parameters<typeof api.call>[0]["stream"]) => {
    const query = { path: folder, noOverwriteDirNonDir: "true", copyUIDGID: flags.archive === true ? "true" : undefined };
    return api.call<void>({ method: "PUT", path: `${containerPath(container)}/archive`, query, stream, signal });
  };
  if (source.type !== "local") {
    if (stat?.isFolder !== true) throw new CommandFailure(EXIT.refused, `destination "${container}:${destination.path}" must be a directory`);
    return await put(path, process.stdin);
  }
  const here = statHere(source.path, flags.followLink === true);
  if (here === undefined) throw new CommandFailure(EXIT.refused, `there is no ${source.path}`);
  const { folder, name } = placementOf({ path: source.path, stat: here }, { path, stat });
  await put(folder, packTree(source.path, name, flags.followLink === true));
}

async function exportFiles({ api, signal }: CliContext, name: string, { output }: { readonly output?: string }): Promise<void> {
  if (output === undefined && process.stdout.isTTY) throw misuse("an archive is not for a terminal: give -o a file");
  const open = () => api.open({ method: "GET", path: `${containerPath(name)}/export`, signal });
  if (output === undefined) return await pipeline(await open(), process.stdout, { end: false });
  await using file = await OutputFile.open(output, 0o666);
  await file.fill(await open(), signal);
}

async function commit({ api, signal }: CliContext, container: string, image: string | undefined, flags: CommitFlags): Promise<void> {
  const [repo = "", tag = ""] = splitReference(image ?? "");
  const query = {
    container,
    repo: repo || undefined,
    tag: tag || undefined,
    comment: flags.message,
    author: flags.author,
    changes: flags.change,
    pause: flags.pause ? "1" : "0",
  };
  const { Id } = await api.call<{ readonly Id: string }>({ method: "POST", path: "/commit", query, body: {}, signal });
  print(Id);
}
