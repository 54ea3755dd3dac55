import type { Command } from "commander";
import type { Api } from "../api.js";
import { clientConfig } from "../client-config.js";
import { collect } from "../collect.js";
import { parseDetachKeys } from "../container/detach-keys.js";
import { readPairFiles, withOwnValue } from "../container/env-file.js";
import { withoutUndefined } from "../container/host-config.js";
import { joinStreams } from "../container/streams.js";
import { assertTerminal, followSize, terminalSize } from "../container/terminal.js";
import { action, type CliContext } from "../context.js";
import { misusedAsDocker } from "../docker-command.js";
import { EXIT, failingWith, ProgramEnd } from "../failure.js";

interface ExecFlags {
  readonly detach?: boolean;
  readonly detachKeys?: string;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly interactive?: boolean;
  readonly privileged?: boolean;
  readonly tty?: boolean;
  readonly user?: string;
  readonly workdir?: string;
}

/** exec: one more program in a running container. */
export function addExecCommand(parent: Command): void {
  misusedAsDocker(parent.command("exec"))
    .description("run one more program in a running container; ends as the program does")
    .argument("<container>")
    .argument("<command...>", "command and arguments")
    .passThroughOptions()
    .option("-d, --detach", "leave it running")
    .option("--detach-keys <keys>", "keys that leave it running: ctrl-p,ctrl-q")
    .option("-e, --env <name[=value]>", "environment variable; repeatable", collect)
    .option("--env-file <file>", "file with a variable a line; repeatable", collect)
    .option("-i, --interactive", "pass the input on")
    .option("--privileged", "everything that the host's root may do")
    .option("-t, --tty", "give it a terminal")
    .option("-u, --user <user>", "user[:group], by name or number")
    .option("-w, --workdir <path>", "working directory")
    .addHelpText(
      "after",
      `
Examples:
  swarm exec -it web sh
  swarm exec web sh -c 'echo "$HOSTNAME" | wc -c'            # pipes and variables of the container need a shell there
Exit codes: those of the program; 1 the daemon refused it, 125 the command line is wrong, 126 it could not be run, 127 not be found.`,
    )
    .action(action<[string, string[], ExecFlags]>((...args) => failingWith(ownCode, () => execute(...args)), { ownSignals: true }));
}

function ownCode({ exitCode }: { readonly exitCode: number }): number {
  return exitCode === EXIT.misuse ? EXIT.ownFault : EXIT.refused;
}

async function execute({ api }: CliContext, name: string, command: readonly string[], flags: ExecFlags): Promise<void> {
  const isDetached = flags.detach === true;
  const isTerminal = flags.tty === true;
  const hasInput = flags.interactive === true && !isDetached;
  assertTerminal(isTerminal && hasInput);
  const detachKeys = flags.detachKeys ?? clientConfig().detachKeys ?? "";
  const keys = parseDetachKeys(detachKeys);
  const size = isTerminal ? terminalSize() : undefined;
  const start = withoutUndefined({ Detach: isDetached, Tty: isTerminal, ConsoleSize: size });
  const env = [...readPairFiles(flags.envFile ?? [], "env-file"), ...(flags.env ?? []).map(withOwnValue)];
  const settings = withoutUndefined({
    Cmd: command,
    Env: env,
    User: flags.user,
    WorkingDir: flags.workdir,
    Privileged: flags.privileged,
    Tty: isTerminal,
    AttachStdin: hasInput,
    AttachStdout: !isDetached,
    AttachStderr: !isDetached,
    DetachKeys: detachKeys === "" ? undefined : detachKeys,
  });
  const { Id: id } = await api.call<{ readonly Id: string }>({ method: "POST", path: `/containers/${encodeURIComponent(name)}/exec`, body: settings });
  if (isDetached) return await api.call<void>({ method: "POST", path: `/exec/${id}/start`, body: start });
  const { socket } = await api.upgrade({ method: "POST", path: `/exec/${id}/start`, body: start });
  using _ = isTerminal ? followSize(api, `/exec/${id}/resize`) : null;
  if (await joinStreams(socket, { hasInput, isTerminal, detachKeys: keys })) return;
  throw new ProgramEnd(await exitCodeOf(api, id));
}

async function exitCodeOf(api: Api, id: string): Promise<number> {
  const { ExitCode } = await api.call<{ readonly ExitCode: number | null }>({ method: "GET", path: `/exec/${id}/json` });
  return ExitCode ?? EXIT.refused;
}
