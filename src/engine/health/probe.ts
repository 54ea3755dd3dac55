import type { Clock } from "../../base/clock.js";
import { messageOf } from "../../base/errors.js";
import { onEnd } from "../../base/stream-end.js";
import type { ContainerInfo, ExecProcess, HealthPlan } from "../../runtime/container-runtime.js";
import type { ExecRegistry, ExecSettings } from "../exec-registry.js";
import type { ProbeResult } from "./health-state.js";
import { ProbeOutput } from "./probe-output.js";

export interface ProbeTools {
  readonly execs: ExecRegistry;
  readonly clock: Clock;
}

/** Exit code of a test that was not run to its end. */
const NOT_ENDED = -1;

/**
 * Runs a container's test once. When this resolves, nothing that it started is left; after `timeoutMs`, or when the signal aborts, it is ended. Never rejects: what
 * kept it from running is in its result.
 */
export async function runProbe(info: ContainerInfo, plan: HealthPlan, tools: ProbeTools, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
  const { execs, clock } = tools;
  const startedAtMs = clock.now();
  const result = (exitCode: number, output: string) => ({ startedAtMs, endedAtMs: clock.now(), exitCode, output });
  const id = execs.create(settingsOf(info, plan));
  try {
    execs.claim(id);
    const process = await execs.start(id, { isDetached: false, size: null });
    const output = new ProbeOutput();
    const isRead = readAll(process, output);
    const end = await endOf(process, clock, timeoutMs, signal);
    await process.discard();
    await process.ended;
    await isRead;
    if (end !== "late") return result(end ?? NOT_ENDED, output.text);
    return result(NOT_ENDED, `Health check exceeded timeout (${goDuration(timeoutMs)})${output.text === "" ? "" : `: ${output.text}`}`);
  } catch (cause) {
    return result(NOT_ENDED, messageOf(cause));
  } finally {
    execs.forget(id);
  }
}

function settingsOf({ config }: ContainerInfo, plan: HealthPlan): ExecSettings {
  const [kind, ...args] = plan.test;
  return {
    containerId: config.id,
    args: kind === "CMD-SHELL" ? [...plan.shell, ...args] : args,
    env: [],
    workingDir: "",
    user: "",
    isPrivileged: false,
    isTerminal: false,
    streams: { stdin: false, stdout: true, stderr: true },
    isDisposable: true,
    detachKeys: "",
  };
}

/** The exit code, "late" after the timeout, null when the signal aborts. */
function endOf(process: ExecProcess, clock: Clock, timeoutMs: number, signal: AbortSignal): Promise<number | "late" | null> {
  return new Promise((resolve) => {
    const settle = (end: number | "late" | null) => {
      cancel();
      signal.removeEventListener("abort", onAbort);
      resolve(end);
    };
    const onAbort = () => settle(null);
    const cancel = clock.after(timeoutMs, () => settle("late"));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    process.ended.then(settle, () => settle(NOT_ENDED));
  });
}

function readAll({ stream }: ExecProcess, output: ProbeOutput): Promise<void> {
  return new Promise((resolve) => {
    // One that broke before anybody listened tells it no more.
    if (stream === null || stream.destroyed) return resolve();
    stream.on("data", (data: Buffer) => output.push(data)).once("close", () => resolve());
    // It has no input to give, and the connection is over with the program's output.
    onEnd(stream, () => stream.destroy());
    stream.resume();
  });
}

/** As Go writes it: 30s, 1m0s, 1.5s, 500ms. */
function goDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const rest = `${(ms % 60_000) / 1000}s`;
  if (minutes === 0) return rest;
  return minutes < 60 ? `${minutes}m${rest}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${rest}`;
}
