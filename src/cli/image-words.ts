import { once } from "node:events";
import { createReadStream, fstatSync } from "node:fs";
import type { Readable } from "node:stream";
import { messageOf, systemCodeOf } from "../base/errors.js";
import { CommandFailure, EXIT } from "./failure.js";

/** The tag is what follows the last colon that has no slash after it: a registry's port is none. */
export function splitReference(reference: string): readonly [string, string] {
  const at = reference.lastIndexOf(":");
  return at > reference.lastIndexOf("/") ? [reference.slice(0, at), reference.slice(at + 1)] : [reference, ""];
}

/** Slashes stay: they are part of an image's name and of the path alike. */
export function encodeReference(reference: string): string {
  return reference.split("/").map(encodeURIComponent).join("/");
}

/** In powers of 1000, with this many digits: `1.23MB`. */
export function sizeText(bytes: number, digits = 3): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(digits))}${units[power]}`;
}

/** A file that cannot be read is told before the daemon is asked for anything. */
export async function openFile(path: string): Promise<Readable> {
  const stream = createReadStream(path);
  try {
    const [descriptor] = (await once(stream, "open")) as [number];
    if (fstatSync(descriptor).isDirectory()) throw new Error("it is a folder");
  } catch (cause) {
    const isMissing = systemCodeOf(cause) === "ENOENT";
    throw new CommandFailure(EXIT.misuse, `cannot read ${path}: ${isMissing ? "there is no such file" : messageOf(cause)}`, { cause });
  }
  return stream;
}
