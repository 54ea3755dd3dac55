import type { Command } from "commander";
import { addContainerImageCommands, addCopyCommand } from "./container-copy.js";
import { addExecCommand } from "./container-exec.js";
import { addContainerLifeCommands } from "./container-life.js";
import { addContainerInspectCommand, addContainerListCommand } from "./container-list.js";
import { addCreateCommand, addRunCommand } from "./container-run.js";
import { addContainerStartCommands } from "./container-start.js";
import { addContainerLogsCommand, addContainerWatchCommands } from "./container-watch.js";
import { addStatsCommand } from "./stats.js";

/** The containers of one host, and what is used most without the word `container`. */
export function addContainerCommands(program: Command): void {
  const container = program.command("container").description("manage the containers of this node");
  addCreateCommand(container);
  addRunCommand(container);
  addContainerStartCommands(container);
  addContainerLifeCommands(container);
  addContainerListCommand(container, "ls");
  addContainerInspectCommand(container);
  addContainerLogsCommand(container);
  addContainerWatchCommands(container);
  addCopyCommand(container);
  addContainerImageCommands(container);
  addStatsCommand(container);
  addExecCommand(container);
  addRunCommand(program);
  addExecCommand(program);
  addContainerListCommand(program, "ps");
  addContainerLogsCommand(program);
  addStatsCommand(program);
  addCopyCommand(program);
}
