import type { Command } from "commander";
import { misuse } from "../failure.js";

/** Docker's groups of commands that are not built, and what is said of each. */
const NOT_BUILT: readonly (readonly [string, string])[] = [
  ["network", "networks cannot be created yet: services use bridge, host or none"],
  ["secret", "secrets are not supported yet"],
  ["config", "configs are not supported yet"],
  ["stack", "stacks are not supported yet"],
];

/** Known, not shown, and refused with a sentence, whatever follows: without them a command of a like name would be suggested. */
export function addNotBuiltCommands(program: Command): void {
  for (const [name, text] of NOT_BUILT) {
    program
      .command(name, { hidden: true })
      .argument("[words...]")
      .helpOption(false)
      .passThroughOptions()
      .allowUnknownOption()
      .action(() => {
        throw misuse(text);
      });
  }
}
