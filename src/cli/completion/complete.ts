import type { Command } from "commander";
import type { Api } from "../api.js";
import { type Candidates, operandCandidates } from "./candidates.js";
import { valueCandidates } from "./flag-values.js";
import { ObjectNames } from "./objects.js";
import { type Position, positionOf } from "./position.js";

/** A daemon that does not answer keeps nobody waiting at the prompt for longer. */
const PATIENCE_MS = 2000;

export interface Completion {
  readonly words: readonly string[];
  readonly hasFiles: boolean;
}

/** What the last of these words can become; `apiOf` makes the connection that the flags before it ask for. Whatever fails, there is just nothing to offer. */
export async function complete(program: Command, words: readonly string[], apiOf: (globals: ReadonlyMap<string, string>) => Api): Promise<Completion> {
  const position = positionOf(program, words);
  try {
    const names = new ObjectNames(apiOf(position.globals), position.typed, AbortSignal.timeout(PATIENCE_MS));
    const { words: found, hasFiles = false } = await candidatesAt(position, names);
    const fitting = [...new Set(found)].filter((word) => word.startsWith(position.typed)).toSorted((a, b) => (a < b ? -1 : 1));
    return { words: fitting.map((word) => position.prefix + word), hasFiles };
  } catch {
    // At a prompt nobody wants to read why: the command itself says it.
    return { words: [], hasFiles: false };
  }
}

async function candidatesAt(position: Position, names: ObjectNames): Promise<Candidates> {
  if (position.option !== undefined) return await valueCandidates(names, position);
  if (position.isFlag) return { words: flagsOf(position) };
  const children = shownIn(position.command);
  if (children.length > 0 && position.operands.length === 0) return { words: children };
  return await operandCandidates(names, position);
}

function flagsOf({ command }: Position): readonly string[] {
  return [...command.options.filter(({ hidden }) => !hidden).flatMap(({ long }) => long ?? []), "--help"];
}

/** Names of commands that help shows. */
function shownIn(command: Command): readonly string[] {
  const isGroup = command.commands.length > 0;
  return isGroup
    ? command
        .createHelp()
        .visibleCommands(command)
        .map((child) => child.name())
    : [];
}
