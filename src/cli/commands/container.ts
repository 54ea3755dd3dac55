import type { Command } from "commander";
import { addContainerImageCommands, addCopyCommand } from "./container-copy.js";
import { addExecCommand } from "./container-exec.js";
import { addContainerLifeCommands, addContainerUpkeepCommands } from "./container-life.js";
import { addContainerInspectCommand, addContainerListCommand } from "./container-list.js";
import { addCreateCommand, addRunCommand } from "./container-run.js";
import { addContainerStartCommands } from "./container-start.js";
import { addContainerLogsCommand, addContainerWatchCommands } from "./container-watch.js";
import { addStatsCommand } from "./stats.js";

/** The containers of one host: in a group of their own, and most commands without the word `container`, too. */
export function addContainerCommands(program: Command): void {
  const container = program.command("container").description("manage the containers of this node");
  for (const parent of [container, program]) {
    addCreateCommand(parent);
    addRunCommand(parent);
    addContainerStartCommands(parent);
    addContainerLifeCommands(parent);
    addExecCommand(parent);
    addContainerLogsCommand(parent);
    addContainerWatchCommands(parent);
    addCopyCommand(parent);
    addContainerImageCommands(parent);
    addStatsCommand(parent);
  }
  addContainerListCommand(container, "ls");
  addContainerListCommand(program, "ps");
  addContainerInspectCommand(container);
  addContainerUpkeepCommands(container);
}
