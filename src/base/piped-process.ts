import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { defined } from "./assert.js";
import { ClusterError } from "./errors.js";

/** A program and the pipes to it. */
export interface PipedProcess {
  readonly child: ChildProcess;
  /** The pipe that is this descriptor of the program. */
  pipe(descriptor: number): Duplex;
}

interface PipedOptions extends SpawnOptions {
  readonly stdio: ("pipe" | "inherit" | "ignore")[];
}

/**
 * Starts a program with pipes. Throws `unavailable` when there are no descriptors for them: Node.js gives a child without pipes then, and tells of it once more, later. Every other
 * failure to start is an "error" of the child.
 */
export function startPiped(program: string, args: readonly string[], options: PipedOptions): PipedProcess {
  const child = spawn(program, args, options);
  if (child.stdio === undefined) {
    child.on("error", () => undefined);
    throw new ClusterError("unavailable", `${program} cannot be started: out of descriptors`);
  }
  return { child, pipe: (descriptor) => defined(child.stdio[descriptor], `descriptor ${descriptor} is a pipe`) as Duplex };
}
