import { createWriteStream } from "node:fs";
import { chmod, lchown, link, lstat, lutimes, mkdir, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract, type Header } from "tar-stream";
import { messageOf, systemCodeOf } from "../../base/errors.js";
import { CommandFailure, EXIT } from "../failure.js";
import { feed } from "./feed.js";
import { makeNode } from "./make-node.js";

export interface UnpackOptions {
  /** What the archive's first entry, and all below it, becomes. */
  readonly target: string;
  /** Users and groups by their numbers in the archive; else they are this process's. */
  readonly keepsOwners: boolean;
}

/** What has no mode of its own, or gets it last. */
const UNCHANGED: ReadonlySet<string> = new Set(["directory", "symlink", "link"]);

/**
 * Unpacks what a container gave, which is not believed: nothing is written outside of the target, nor through a link below it. Throws a CommandFailure that names the path.
 */
export async function unpackTree(archive: Readable, { target, keepsOwners }: UnpackOptions): Promise<void> {
  const entries = extract();
  // What goes wrong with the archive goes wrong with its entries.
  const feeding = feed(archive, entries);
  const folders: { readonly path: string; readonly header: Header }[] = [];
  using _ = { [Symbol.dispose]: () => void archive.destroy() };
  for await (const entry of entries) {
    const { header } = entry;
    const path = pathBelow(target, header.name);
    try {
      if (path !== target) await assertNoLinks(target, dirname(path));
      if (header.type === "directory") folders.push({ path, header });
      await make(path, header, Readable.from(entry), target);
      if (keepsOwners) await lchown(path, header.uid ?? 0, header.gid ?? 0);
      if (!UNCHANGED.has(header.type ?? "file")) await chmod(path, header.mode ?? 0o644);
      if (header.type !== "directory" && header.type !== "link") await setTime(path, header);
    } catch (cause) {
      throw cause instanceof CommandFailure ? cause : new CommandFailure(EXIT.refused, `cannot write ${path}: ${messageOf(cause)}`, { cause });
    }
    entry.resume();
  }
  await feeding;
  // Once they are full: a folder that cannot be written would not take its files, and its time would move on.
  for (const { path, header } of folders.toReversed()) {
    await chmod(path, header.mode ?? 0o755);
    await setTime(path, header);
  }
}

function pathBelow(target: string, name: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  // What the first entry is called is the first part of all names, except where it is the folder itself.
  const below = /^\.(\/|$)/.test(name) ? parts : parts.slice(1);
  if (below.includes("..")) throw new CommandFailure(EXIT.refused, `the container's archive has "${name}", which leads out of it`);
  return join(target, ...below);
}

async function assertNoLinks(target: string, folder: string): Promise<void> {
  for (let path = folder; path.length > target.length; path = dirname(path)) {
    if ((await lstat(path)).isSymbolicLink()) throw new CommandFailure(EXIT.refused, `${path} is a link: nothing is written through it`);
  }
}

async function make(path: string, header: Header, content: Readable, target: string): Promise<void> {
  const there = await lstat(path).catch((cause: unknown) => {
    if (systemCodeOf(cause) === "ENOENT") return null;
    throw cause;
  });
  if (header.type === "directory") {
    if (there !== null && !there.isDirectory()) throw new CommandFailure(EXIT.refused, `cannot overwrite ${path}, which is no directory, with a directory`);
    if (there === null) await mkdir(path, { mode: 0o700 });
    return;
  }
  if (there?.isDirectory() === true) throw new CommandFailure(EXIT.refused, `cannot overwrite the directory ${path}`);
  if (there !== null) await rm(path);
  if (header.type === "symlink") return await symlink(header.linkname ?? "", path);
  if (header.type === "link") {
    const original = pathBelow(target, header.linkname ?? "");
    await assertNoLinks(target, dirname(original));
    return await link(original, path);
  }
  if (await makeNode(path, header)) return;
  if (header.type !== "file" && header.type !== "contiguous-file") throw new CommandFailure(EXIT.refused, `${path} is a ${header.type}: it cannot be copied`);
  await pipeline(content, createWriteStream(path, { flags: "wx", mode: 0o600 }));
}

async function setTime(path: string, { mtime }: Header): Promise<void> {
  if (mtime !== undefined) await lutimes(path, mtime, mtime);
}
