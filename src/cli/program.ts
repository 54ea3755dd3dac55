import { type Command, CommanderError } from "commander";
import { messageOf } from "../base/errors.js";
import { addAutolockCommands } from "./commands/autolock.js";
import { addBackupCommands } from "./commands/backup.js";
import { addCaCommand } from "./commands/ca.js";
import { addClusterCommands } from "./commands/cluster.js";
import { addCompletionCommand } from "./commands/completion.js";
import { addContainerCommands } from "./commands/container.js";
import { addImageCommands } from "./commands/image.js";
import { addTransferCommands } from "./commands/image-transfer.js";
import { addLoginCommands } from "./commands/login.js";
import { addNodeCommands } from "./commands/node.js";
import { addServiceCommands } from "./commands/service.js";
import { addSystemCommands } from "./commands/system.js";
import { addVolumeCommands } from "./commands/volume.js";
import { DockerCommand } from "./docker-command.js";
import { CommandFailure, EXIT, ProgramEnd } from "./failure.js";
import { note } from "./output.js";

export function createProgram(version: string): Command {
  const program = new DockerCommand("swarm")
    .description("Manages a swarm: a cluster of hosts that keep containers running.")
    .version(version, "-v, --version")
    .option("-H, --host <url>", "daemon to talk to (default $SWARM_HOST, $DOCKER_HOST, or unix:///run/swarmd.sock)")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError("--help shows how it is used")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "swarm: ")) });
  addClusterCommands(program);
  addAutolockCommands(program);
  addCaCommand(program);
  addBackupCommands(program);
  addNodeCommands(program);
  addServiceCommands(program);
  addContainerCommands(program);
  addImageCommands(program);
  addTransferCommands(program);
  addLoginCommands(program);
  addVolumeCommands(program);
  addSystemCommands(program, version);
  addCompletionCommand(program);
  return program;
}

/** Runs one command line; resolves with its exit code (README.md). Failures are one sentence on stderr. */
export async function runCommandLine(argv: readonly string[], version: string): Promise<number> {
  try {
    await createProgram(version).parseAsync([...argv]);
    return 0;
  } catch (cause) {
    // commander has printed its own message, or the help that was asked for.
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? 0 : EXIT.misuse;
    if (cause instanceof ProgramEnd) return cause.exitCode;
    if (messageOf(cause) !== "") note(`swarm: ${messageOf(cause)}`);
    return cause instanceof CommandFailure ? cause.exitCode : EXIT.refused;
  }
}
