import { type Command, CommanderError } from "commander";
import { messageOf } from "../base/errors.js";
import { addAutolockCommands } from "./commands/autolock.js";
import { addBackupCommands } from "./commands/backup.js";
import { addCaCommand } from "./commands/ca.js";
import { addCompletionCommand } from "./commands/completion.js";
import { addContainerCommands } from "./commands/container.js";
import { addImageCommands } from "./commands/image.js";
import { addInitCommand } from "./commands/init.js";
import { addInspectCommand } from "./commands/inspect.js";
import { addLoginCommands } from "./commands/login.js";
import { addMembershipCommands } from "./commands/membership.js";
import { addNodeCommands } from "./commands/node.js";
import { addNotBuiltCommands } from "./commands/not-built.js";
import { addServiceCommands } from "./commands/service.js";
import { addSwarmUpdateCommand } from "./commands/swarm-update.js";
import { addSystemCommands } from "./commands/system.js";
import { addVolumeCommands } from "./commands/volume.js";
import { DockerCommand } from "./docker-command.js";
import { CommandFailure, EXIT, ProgramEnd } from "./failure.js";
import { note } from "./output.js";

export function createProgram(version: string): Command {
  const program = new DockerCommand("swarm")
    .description("Manages a swarm: a cluster of hosts that keep containers running.")
    .version(version, "-v, --version")
    .option("-H, --host <url>", "unix:///PATH or tcp://HOST:PORT of the daemon to talk to (default $SWARM_HOST, $DOCKER_HOST, or unix:///run/swarmd.sock)")
    .option("--config <folder>", "where credentials and keys to detach are kept (default $DOCKER_CONFIG or ~/.docker)")
    .option("--tls", "as --tlsverify")
    .option("--tlsverify", "of a tcp host, verify the certificate: it always is")
    .option("--tlscacert <file>", "root that a tcp host's certificate is of (default ca.pem in $DOCKER_CERT_PATH)")
    .option("--tlscert <file>", "certificate of this client (default cert.pem there)")
    .option("--tlskey <file>", "its key (default key.pem there)")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError("--help shows how it is used")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "swarm: ")) });
  program.commandsGroup("The swarm:");
  // For who writes `docker swarm init`, too.
  for (const parent of [program, program.command("swarm", { hidden: true }).description("the same commands as without this word")]) {
    addInitCommand(parent);
    addMembershipCommands(parent);
    addSwarmUpdateCommand(parent);
    addAutolockCommands(parent);
    addCaCommand(parent);
  }
  addBackupCommands(program);
  addNodeCommands(program);
  addServiceCommands(program);
  program.commandsGroup("Containers of this node:");
  addContainerCommands(program);
  program.commandsGroup("Images and volumes of this node:");
  addImageCommands(program);
  addLoginCommands(program);
  addVolumeCommands(program);
  program.commandsGroup("This node and this command line:");
  addInspectCommand(program);
  addSystemCommands(program, version);
  addCompletionCommand(program);
  addNotBuiltCommands(program);
  program.helpCommand(true);
  return program;
}

/** Runs one command line; resolves with its exit code (README.md). Failures are one sentence on stderr. */
export async function runCommandLine(argv: readonly string[], version: string): Promise<number> {
  try {
    await createProgram(version).parseAsync([...argv]);
    return 0;
  } catch (cause) {
    // commander has printed its own message, or the help that was asked for.
    if (cause instanceof CommanderError && cause.code === "commander.help") return 0;
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? 0 : EXIT.misuse;
    if (cause instanceof ProgramEnd) return cause.exitCode;
    if (messageOf(cause) !== "") note(`swarm: ${messageOf(cause)}`);
    return cause instanceof CommandFailure ? cause.exitCode : EXIT.refused;
  }
}
