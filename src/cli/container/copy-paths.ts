import { lstatSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, posix, resolve } from "node:path";
import { systemCodeOf } from "../../base/errors.js";
import type { Api } from "../api.js";
import { CommandFailure, EXIT, misuse } from "../failure.js";

/** One side of a copy: a path of a container, a path of this host, or `-`, an archive on standard input or output. */
export type CopySide =
  | { readonly type: "container"; readonly container: string; readonly path: string }
  | { readonly type: "local"; readonly path: string }
  | { readonly type: "stream" };

/** `CONTAINER:PATH`, a path, or `-`. What begins like a path is one, colon or not. */
export function parseSide(text: string): CopySide {
  if (text === "-") return { type: "stream" };
  const at = text.indexOf(":");
  if (/^[./]/.test(text) || at < 1) return { type: "local", path: text };
  const path = text.slice(at + 1);
  if (path === "") throw misuse(`"${text}" names no path in the container`);
  return { type: "container", container: text.slice(0, at), path };
}

/** What is at a path: its name, and what it leads to. */
export interface PathStat {
  readonly name: string;
  readonly isFolder: boolean;
  /** Undefined for what is no link. */
  readonly linkTarget: string | undefined;
}

/** Bits of Go's file mode, in which the API has it. */
const MODE_FOLDER = 2 ** 31;
const MODE_LINK = 2 ** 27;

/** Undefined when there is nothing. */
export async function statInContainer(api: Api, container: string, path: string): Promise<PathStat | undefined> {
  try {
    const reply = await api.open({ method: "HEAD", path: `/containers/${encodeURIComponent(container)}/archive`, query: { path } });
    // Nothing comes, but the connection waits for it to be taken.
    reply.resume();
    const header = String(reply.headers["x-docker-container-path-stat"] ?? "");
    const stat = JSON.parse(Buffer.from(header, "base64").toString()) as { readonly name: string; readonly mode: number; readonly linkTarget: string };
    const has = (bit: number) => Math.floor(stat.mode / bit) % 2 === 1;
    return { name: stat.name, isFolder: has(MODE_FOLDER), linkTarget: has(MODE_LINK) ? stat.linkTarget : undefined };
  } catch (cause) {
    if (cause instanceof CommandFailure && cause.status === 404) return undefined;
    throw cause;
  }
}

/** Where a link in a container leads. */
export function linkedPath(path: string, target: string): string {
  return target.startsWith("/") ? target : posix.join(posix.dirname(path), target);
}

/** Undefined when there is nothing. */
export function statHere(path: string, isFollowing: boolean): PathStat | undefined {
  try {
    const stat = isFollowing ? statSync(path) : lstatSync(path);
    return { name: basename(resolve(path)), isFolder: stat.isDirectory(), linkTarget: stat.isSymbolicLink() ? "" : undefined };
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT" || systemCodeOf(cause) === "ENOTDIR") return undefined;
    throw cause;
  }
}

export interface Placement {
  /** Folder that the copy goes into. */
  readonly folder: string;
  /** What it is called there; empty when what is in it goes there, without itself. */
  readonly name: string;
}

/** Where a copy goes, by what is at its destination (docker's rules, after those of cp). Throws a CommandFailure. */
export function placementOf(
  source: { readonly path: string; readonly stat: PathStat },
  destination: { readonly path: string; readonly stat: PathStat | undefined },
): Placement {
  const refuse = (message: string) => new CommandFailure(EXIT.refused, message);
  const isContents = source.stat.isFolder && /(^|\/)\.$/.test(source.path);
  const { path, stat } = destination;
  if (stat?.isFolder === true) return { folder: path, name: isContents ? "" : source.stat.name };
  if (stat !== undefined && source.stat.isFolder) throw refuse(`cannot copy the directory ${source.path} over ${path}, which is none`);
  if (path.endsWith("/") && !source.stat.isFolder)
    throw refuse(stat === undefined ? `destination directory "${path}" must exist` : `${path} is not a directory`);
  const bare = path.replace(/(?<=[^/])\/+$/, "");
  const absolute = isAbsolute(bare) ? bare : join("/", bare);
  return { folder: destination.path.startsWith("/") ? dirname(absolute) : dirname(bare), name: basename(absolute) };
}
