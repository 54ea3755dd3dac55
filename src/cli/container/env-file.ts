import { readFileSync } from "node:fs";
import { messageOf } from "../../base/errors.js";
import { misuse } from "../failure.js";

/**
 * The lines of `--env-file` and `--label-file`, without comments and empty ones. A name alone gets the value of this process, and is left out where there is none. Throws a
 * CommandFailure that names the file and the line.
 */
export function readPairFiles(paths: readonly string[], flag: string): readonly string[] {
  return paths.flatMap((path) =>
    textOf(path, flag)
      .replace(/^\uFEFF/, "")
      .split(/\r?\n/)
      .map((line) => line.trimStart())
      .filter((line) => line !== "" && !line.startsWith("#"))
      .flatMap((line) => pairOf(line, path, flag)),
  );
}

/** A variable without a value takes the one of this process; without that either, it is the name alone, which takes it out of the image's. */
export function withOwnValue(entry: string): string {
  return entry.includes("=") || process.env[entry] === undefined ? entry : `${entry}=${process.env[entry]}`;
}

function pairOf(line: string, path: string, flag: string): readonly string[] {
  const [name = ""] = line.split("=", 1);
  if (name === "" || /\s/.test(name)) throw misuse(`--${flag} ${path}: "${line}" is not name=value`);
  if (line.includes("=") || flag !== "env-file") return [line];
  return process.env[name] === undefined ? [] : [`${name}=${process.env[name]}`];
}

function textOf(path: string, flag: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw misuse(`--${flag}: ${messageOf(cause)}`);
  }
}
