import type { Command } from "commander";
import { addCreateFlags, type CreateFlags } from "../container/create-flags.js";
import { createContainer } from "../container/create.js";
import type { Attachment } from "../container/create-body.js";
import { startExitCode } from "../container/exit-code.js";
import { runSession } from "../container/session.js";
import { assertTerminal } from "../container/terminal.js";
import { action, type CliContext } from "../context.js";
import { misusedAsDocker } from "../docker-command.js";
import { clientConfig } from "../client-config.js";
import { EXIT, failingWith, misuse } from "../failure.js";
import { print } from "../output.js";

interface RunFlags extends CreateFlags {
  readonly detach?: boolean;
  readonly detachKeys?: string;
  readonly sigProxy: boolean;
}

const NOBODY: Attachment = { stdin: false, stdout: false, stderr: false };

/** create and run. */
export function addRunCommand(parent: Command): void {
  const run = misusedAsDocker(parent.command("run"))
    .description("make a container and start it; ends as its program does")
    .argument("<image>")
    .argument("[command...]", "command and arguments")
    // What follows the image belongs to the program, flags included.
    .passThroughOptions()
    .option("-d, --detach", "print its id and leave it running")
    .option("--detach-keys <keys>", "keys that leave it running: ctrl-p,ctrl-q")
    .option("--no-sig-proxy", "do not pass signals on to the program")
    .addHelpText(
      "after",
      `
Examples:
  swarm run --rm -it web:v1 sh                               # a shell, gone when it ends; flags come before the image
  swarm run -d --name web -p 8080:80 --restart unless-stopped web:v1
  swarm run --rm -v "$PWD:/work" -w /work -u "$(id -u)" tools:v1 make
Exit codes: those of the program; 125 it could not be made, 126 not be run, 127 not be found.`,
    );
  addCreateFlags(run);
  // As docker spells it: --sig-proxy=false.
  run.option("--sig-proxy", "pass signals on to the program (default true)");
  run.action(action<[string, string[], RunFlags]>((...args) => failingWith(ownCode, () => runContainer(...args)), { ownSignals: true }));
}

export function addCreateCommand(parent: Command): void {
  const create = parent
    .command("create")
    .description("make a container without starting it")
    .argument("<image>")
    .argument("[command...]", "command and arguments")
    .passThroughOptions();
  addCreateFlags(create);
  create.action(
    action<[string, string[], CreateFlags]>(async (context, image, words, flags) => {
      const attachment = attachmentOf(flags, false);
      print(await createContainer(context, image, words, { flags, attachment }));
    }),
  );
}

/** What the command line itself has to say is never mistaken for the program's words. */
function ownCode({ exitCode }: { readonly exitCode: number }): number {
  return exitCode === EXIT.notExecutable || exitCode === EXIT.notFound ? exitCode : EXIT.ownFault;
}

async function runContainer(context: CliContext, image: string, words: readonly string[], flags: RunFlags): Promise<void> {
  const { api } = context;
  const isDetached = flags.detach === true;
  if (isDetached && flags.attach !== undefined) throw misuse("--attach and --detach do not go together");
  const streams = attachmentOf(flags, isDetached);
  assertTerminal(flags.tty === true && streams.stdin);
  const id = await createContainer(context, image, words, { flags, attachment: streams });
  const start = () => failingWith(startExitCode, () => api.call<void>({ method: "POST", path: `/containers/${id}/start` }));
  if (isDetached) {
    await start();
    print(id);
    return;
  }
  await runSession(api, {
    id,
    isTerminal: flags.tty === true,
    streams,
    detachKeys: flags.detachKeys ?? clientConfig().detachKeys ?? "",
    hasSignalProxy: flags.sigProxy,
    condition: flags.rm === true ? "removed" : "next-exit",
    start,
  });
}

function attachmentOf({ attach, interactive }: CreateFlags, isDetached: boolean): Attachment {
  if (isDetached) return NOBODY;
  const names = attach?.map((name) => name.toLowerCase());
  const wrong = names?.find((name) => !["stdin", "stdout", "stderr"].includes(name));
  if (wrong !== undefined) throw misuse(`--attach "${wrong}" is none of stdin, stdout, stderr`);
  if (names === undefined) return { stdin: interactive === true, stdout: true, stderr: true };
  return { stdin: names.includes("stdin"), stdout: names.includes("stdout"), stderr: names.includes("stderr") };
}
