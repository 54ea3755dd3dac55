import type { Command } from "commander";
import { clientConfig } from "../client-config.js";
import { runSession } from "../container/session.js";
import { action, type CliContext } from "../context.js";
import { CommandFailure, EXIT, misuse } from "../failure.js";
import { forEachName } from "../for-each-name.js";
import { print } from "../output.js";
import type { ContainerInspect } from "../shapes.js";
import { containerPath } from "./container-life.js";

interface StartFlags {
  readonly attach?: boolean;
  readonly detachKeys?: string;
  readonly interactive?: boolean;
}

interface AttachFlags {
  readonly detachKeys?: string;
  /** commander's form of `--no-stdin`: false when it was given. */
  readonly stdin: boolean;
  readonly sigProxy: boolean;
}

/** start and attach. */
export function addContainerStartCommands(container: Command): void {
  container
    .command("start")
    .description("start containers; with -a it ends as the program does")
    .argument("<container...>")
    .option("-a, --attach", "show the output and pass signals on")
    .option("--detach-keys <keys>", "keys that leave it running: ctrl-p,ctrl-q")
    .option("-i, --interactive", "pass the input on")
    .action(action<[string[], StartFlags]>(start, { ownSignals: true }));
  container
    .command("attach")
    .description("join the input and output of a running container's program; ends as the program does")
    .argument("<container>")
    .option("--detach-keys <keys>", "keys that leave it running: ctrl-p,ctrl-q")
    .option("--no-stdin", "pass no input on")
    .addHelpText(
      "after",
      "\nAn interrupt goes to the program. To look on and leave: --sig-proxy=false, or with a terminal the keys ctrl-p ctrl-q.\nTo run something else in it: swarm exec -it CONTAINER sh",
    )
    .option("--no-sig-proxy", "do not pass signals on to the program")
    .option("--sig-proxy", "pass signals on to the program (default true)")
    .action(action<[string, AttachFlags]>(attach, { ownSignals: true }));
}

async function start({ api }: CliContext, names: readonly string[], flags: StartFlags): Promise<void> {
  const startOne = (name: string) => api.call<void>({ method: "POST", path: `${containerPath(name)}/start` });
  if (flags.attach !== true && flags.interactive !== true) {
    return await forEachName(names, async (name) => {
      await startOne(name);
      print(name);
    });
  }
  const [name = ""] = names;
  if (names.length > 1) throw misuse("one container alone can be attached to");
  const { Id: id, Config, HostConfig } = await api.call<ContainerInspect>({ method: "GET", path: `${containerPath(name)}/json` });
  await runSession(api, {
    id,
    isTerminal: Config.Tty,
    streams: { stdin: flags.interactive === true && Config.OpenStdin, stdout: true, stderr: true },
    detachKeys: flags.detachKeys ?? clientConfig().detachKeys ?? "",
    hasSignalProxy: !Config.Tty,
    condition: HostConfig.AutoRemove ? "removed" : "next-exit",
    start: () => startOne(id),
  });
}

async function attach({ api }: CliContext, name: string, flags: AttachFlags): Promise<void> {
  const { Id: id, State, Config } = await api.call<ContainerInspect>({ method: "GET", path: `${containerPath(name)}/json` });
  const refuse = (message: string) => new CommandFailure(EXIT.refused, message);
  if (!State.Running) throw refuse("You cannot attach to a stopped container, start it first");
  if (State.Paused) throw refuse("You cannot attach to a paused container, unpause it first");
  if (State.Restarting) throw refuse("You cannot attach to a restarting container, wait until it is running");
  const hasInput = flags.stdin && Config.OpenStdin;
  if (hasInput && Config.Tty && process.stdin.isTTY !== true) throw refuse("the input device is not a TTY");
  await runSession(api, {
    id,
    isTerminal: Config.Tty,
    streams: { stdin: hasInput, stdout: true, stderr: true },
    detachKeys: flags.detachKeys ?? clientConfig().detachKeys ?? "",
    hasSignalProxy: flags.sigProxy && !Config.Tty,
    condition: "not-running",
    start: null,
  });
}
