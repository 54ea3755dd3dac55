import { readFile } from "node:fs/promises";
import { ClusterError, systemCodeOf } from "../../base/errors.js";
import type { ContainerExit } from "../container-runtime.js";

/** What a shim left behind: how the program ended, or why none was executed. */
export type Outcome =
  | { readonly type: "exited"; readonly exit: ContainerExit; readonly startedAtMs: number }
  | { readonly type: "failed"; readonly reason: string };

/** Throws `internal` when it is not what a shim writes. */
export function parseOutcome(text: string): Outcome {
  const value: unknown = parseJson(text);
  if (typeof value === "object" && value !== null) {
    if ("error" in value && typeof value.error === "string") return { type: "failed", reason: value.error };
    if ("exitCode" in value && typeof value.exitCode === "number" && "isOutOfMemory" in value && "startedAtNs" in value && "finishedAtNs" in value) {
      const exit = { exitCode: value.exitCode, isOutOfMemory: value.isOutOfMemory === true, finishedAtMs: milliseconds(value.finishedAtNs) };
      return { type: "exited", exit, startedAtMs: milliseconds(value.startedAtNs) };
    }
  }
  throw new ClusterError("internal", `exit record ${text.trim().slice(0, 200)} is damaged`);
}

/** Null when there is none. */
export async function readOutcome(path: string): Promise<Outcome | null> {
  try {
    return parseOutcome(await readFile(path, "utf8"));
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return null;
    throw cause;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ClusterError("internal", `exit record ${text.trim().slice(0, 200)} is damaged`, { cause });
  }
}

function milliseconds(nanoseconds: unknown): number {
  return Number(BigInt(String(nanoseconds)) / 1_000_000n);
}
