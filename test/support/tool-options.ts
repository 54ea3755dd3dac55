import { parseArgs, type ParseArgsConfig } from "node:util";
import { messageOf } from "../../src/base/errors.js";

/** What a tool cannot do: one sentence. */
export class Misuse extends Error {}

/**
 * Options of one of this folder's tools. `--help` prints the usage and ends the process with 0; an option that is not known, or one that `check` throws Misuse for, is said in a
 * sentence with the usage below it, and ends it with 2.
 */
export function toolOptions<T extends ParseArgsConfig, R>(
  { name, usage }: { readonly name: string; readonly usage: string },
  config: T,
  check: (parsed: ReturnType<typeof parseArgs<T>>) => R,
): R {
  const args = config.args ?? process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    console.log(`usage: ${usage}`);
    process.exit(0);
  }
  try {
    return check(parseArgs(config));
  } catch (cause) {
    if (!(cause instanceof Misuse) && !isOfParseArgs(cause)) throw cause;
    // Of Node.js's text, the first sentence: the others are about options that begin like arguments.
    console.error(`${name}: ${messageOf(cause).split(". ")[0]}\nusage: ${usage}`);
    process.exit(2);
  }
}

/** A whole number. Throws Misuse. */
export function countOf(text: string, what: string, min = 1): number {
  const count = Number(text);
  if (text === "" || !Number.isSafeInteger(count) || count < min) throw new Misuse(`"${text}" ${what}: a whole number from ${min} is needed`);
  return count;
}

const isOfParseArgs = (cause: unknown): boolean => cause instanceof Error && "code" in cause && String(cause.code).startsWith("ERR_PARSE_ARGS");
