import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { repository } from "./lab-command.js";

/** The words of a command that runs a file of this folder. */
export const script = (file: string, args: readonly string[], nodeFlags: readonly string[] = []): readonly string[] => [
  process.execPath,
  ...nodeFlags,
  "--import",
  "tsx",
  join(repository, "test/bench", file),
  ...args,
];

/** Runs a command as a process of its own, and resolves when it has said "ready". */
export async function startChild(command: readonly string[]): Promise<AsyncDisposable> {
  const [program = "", ...rest] = command;
  const child = spawn(program, rest, { cwd: repository, stdio: ["ignore", "pipe", "inherit"] });
  const ready = once(child.stdout, "data");
  const failed = once(child, "exit").then(() => Promise.reject(new Error(`${command.join(" ")} ended before it was ready`)));
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
