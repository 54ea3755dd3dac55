import type { Command } from "commander";
import { systemClock } from "../base/clock.js";
import { systemCodeOf } from "../base/errors.js";
import { Api } from "./api.js";
import { type Progress, waitForConvergence } from "./convergence.js";
import { CommandFailure, EXIT, ProgramEnd } from "./failure.js";
import { note } from "./output.js";
import type { HostInfo } from "./shapes.js";
import { canRedraw, fitted } from "./terminal-line.js";

/** What every command starts from. */
export interface CliContext {
  readonly api: Api;
  readonly signal: AbortSignal;
}

export type Action<Args extends unknown[]> = (context: CliContext, ...args: Args) => Promise<void>;

export interface ActionOptions {
  /** Signals are the command's own business: an interrupt may be meant for a program that it shows. */
  readonly ownSignals?: boolean;
}

/** Wraps a command's action: finds the daemon from the global flags, and lets an interrupt end what waits. */
export function action<Args extends unknown[]>(run: Action<Args>, options: ActionOptions = {}): (this: Command, ...args: Args) => Promise<void> {
  return async function (...args) {
    // Only the one before the command: `service create --host` is something else.
    const api = apiOf(rootOf(this).opts<GlobalFlags>());
    const interrupt = new AbortController();
    // Who interrupts knows it: only a command that leaves something under way says more.
    const onInterrupt = () => interrupt.abort(new CommandFailure(EXIT.interrupted, ""));
    if (options.ownSignals !== true) process.once("SIGINT", onInterrupt);
    try {
      await run({ api, signal: interrupt.signal }, ...args);
    } catch (cause) {
      const isOurs = cause instanceof CommandFailure || cause instanceof ProgramEnd;
      // Whatever broke off, the interrupt is why.
      if (interrupt.signal.aborted && !isOurs) throw interrupt.signal.reason;
      if (systemCodeOf(cause) === "ECONNRESET") throw new CommandFailure(EXIT.unreachable, "the daemon's answer broke off", { cause });
      throw await withManagers(api, cause);
    } finally {
      process.removeListener("SIGINT", onInterrupt);
    }
  };
}

/** Who asked a worker for what managers alone know is told where those are. */
async function withManagers(api: Api, cause: unknown): Promise<unknown> {
  if (!(cause instanceof CommandFailure) || !cause.message.includes("Worker nodes can't be used")) return cause;
  const info = await api.call<HostInfo>({ method: "GET", path: "/info" }).catch(() => undefined);
  const managers = (info?.Swarm.RemoteManagers ?? []).map(({ Addr }) => Addr.replace(/:\d+$/, ""));
  if (managers.length === 0) return cause;
  return new CommandFailure(cause.exitCode, `${cause.message} Managers are at ${managers.join(", ")}.`, { cause, status: cause.status });
}

/** Waits for what goes on by itself, and says so when it is waited for no more. */
export async function orGoesOn<T>({ signal }: CliContext, wait: () => Promise<T>): Promise<T> {
  try {
    return await wait();
  } catch (cause) {
    throw signal.aborted ? new CommandFailure(EXIT.interrupted, "interrupted; what was asked for goes on") : cause;
  }
}

interface GlobalFlags {
  readonly config?: string;
  readonly host?: string;
  readonly tlscacert?: string;
  readonly tlscert?: string;
  readonly tlskey?: string;
}

/** The daemon that the flags and the environment name. */
export function apiOf({ config, host, tlscacert: ca, tlscert: cert, tlskey: key }: GlobalFlags): Api {
  // As docker's: whatever reads the configuration finds it there.
  if (config !== undefined) process.env.DOCKER_CONFIG = config;
  // A variable that is set to nothing counts as not set, as with docker.
  return new Api(host ?? (process.env.SWARM_HOST || process.env.DOCKER_HOST || "unix:///run/swarmd.sock"), { ca, cert, key });
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

/** Shows a service's way to what was asked for: one line that is redrawn on a terminal, a line per change in a pipe. */
export async function followService(
  context: CliContext,
  serviceId: string,
  options: { readonly isQuiet: boolean; readonly isRollback?: boolean },
): Promise<void> {
  const terminal = canRedraw();
  let last = "";
  const show = (progress: Progress) => {
    const line = lineOf(progress);
    if (options.isQuiet || line === last) return;
    last = line;
    if (terminal) process.stderr.write(`\r\x1b[2K${fitted(line)}`);
    else note(line);
  };
  try {
    const wait = { clock: systemClock, signal: context.signal, show, isRollback: options.isRollback === true };
    const end = await orGoesOn(context, () => waitForConvergence(context.api, serviceId, wait));
    if (!options.isQuiet && terminal) process.stderr.write("\r\x1b[2K");
    if (!options.isQuiet) note(end === "converged" ? "the service has converged" : "its tasks have ended well, and its restart policy starts no more");
  } catch (cause) {
    if (!options.isQuiet && terminal) process.stderr.write("\n");
    throw cause;
  }
}

function lineOf({ running, desired, isStable, obstacle }: Progress): string {
  const text = `${running} of ${desired} tasks running${isStable ? ", watching that they stay so" : ""}`;
  return obstacle === "" ? text : `${text}: ${obstacle}`;
}
