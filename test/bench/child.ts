import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { repository } from "./lab-command.js";

/** Runs a file of this folder as a process of its own, through `prefix` if there is one, and resolves when it has said "ready". */
export async function startChild(file: string, args: readonly string[], prefix: readonly string[] = []): Promise<AsyncDisposable> {
  const [program = process.execPath, ...rest] = [...prefix, process.execPath, "--import", "tsx", join(repository, "test/bench", file), ...args];
  const child = spawn(program, rest, { cwd: repository, stdio: ["ignore", "pipe", "inherit"] });
  const ready = once(child.stdout, "data");
  const failed = once(child, "exit").then(() => Promise.reject(new Error(`${file} ended before it was ready`)));
  failed.catch(() => undefined); // After it was ready nobody waits for it.
  await Promise.race([ready, failed]);
  return { [Symbol.asyncDispose]: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
