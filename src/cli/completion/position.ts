import type { Command, Option } from "commander";

/** What the word at the cursor is: a command or flag, the value of a flag, or an operand. */
export interface Position {
  readonly command: Command;
  /** Names of the command and its groups, without the program: `container rm`. */
  readonly path: string;
  readonly isFlag: boolean;
  /** The flag whose value is being typed. */
  readonly option: Option | undefined;
  /** What has been typed of the word, without `--flag=`. */
  readonly typed: string;
  /** `--flag=` where the value stands in the same word. */
  readonly prefix: string;
  /** Operands before this word. */
  readonly operands: readonly string[];
  /** Flags that were given before this word, by their long names, with their values. */
  readonly given: ReadonlyMap<string, string>;
  /** The same of the program's own flags, which stand before the command. */
  readonly globals: ReadonlyMap<string, string>;
  /** What is typed belongs to the program in a container. */
  readonly isForeign: boolean;
}

/** Commands whose first operand ends their own flags. */
const PASSING_ON = /(^|\s)(run|create|exec|top)$/;

/** Finds out where in the command line the last of these words stands. */
export function positionOf(program: Command, words: readonly string[]): Position {
  let command = program;
  let path = "";
  let option: Option | undefined;
  const operands: string[] = [];
  const [globals, given] = [new Map<string, string>(), new Map<string, string>()];
  let isOver = false;
  for (const word of words.slice(0, -1)) {
    const flags = command === program ? globals : given;
    if (option !== undefined) {
      flags.set(option.long ?? "", word);
      option = undefined;
    } else if (word === "--" && !isOver) isOver = true;
    else if (!isOver && word.startsWith("-") && word !== "-") {
      const [flag = "", value] = word.split(/=(.*)/s, 2);
      const found = optionNamed(command, flag);
      if (found?.required === true && value === undefined) option = found;
      else flags.set(found?.long ?? flag, value ?? "");
    } else {
      const child = operands.length === 0 ? command.commands.find((each) => each.name() === word || each.aliases().includes(word)) : undefined;
      if (child === undefined) operands.push(word);
      else [command, path] = [child, `${path} ${child.name()}`.trim()];
      isOver ||= operands.length > 0 && PASSING_ON.test(path) && command !== program;
    }
  }
  const last = words.at(-1) ?? "";
  const [, prefix = "", typed = last] = /^(--[a-z-]+=)(.*)$/s.exec(last) ?? [];
  if (prefix !== "" && !isOver) option ??= optionNamed(command, prefix.slice(0, -1));
  const isForeign = isOver && operands.length > 0 && PASSING_ON.test(path);
  return { command, path, isFlag: !isOver && option === undefined && last.startsWith("-"), option, typed, prefix, operands, given, globals, isForeign };
}

/** By its long or short form; of several short ones in one word, as in `-it`, the last may take the value. */
function optionNamed(command: Command, flag: string): Option | undefined {
  const last = /^-[a-zA-Z]{2,}$/.test(flag) ? `-${flag.slice(-1)}` : flag;
  return command.options.find(({ long, short }) => long === flag || short === flag || short === last);
}
