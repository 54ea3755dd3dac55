import type { ContainerExit, ContainerRuntime } from "../runtime/container-runtime.js";

/** What Docker's `wait` waits for. */
export type WaitCondition = "not-running" | "next-exit" | "removed";

/** Of a container that has never run. */
export const NO_EXIT: ContainerExit = { exitCode: 0, isOutOfMemory: false, finishedAtMs: 0 };

/** Resolves at the container's next end, or its removal, with its last exit. Rejects with the signal's reason. */
export function endOf(runtime: ContainerRuntime, id: string, condition: WaitCondition, signal: AbortSignal): Promise<ContainerExit> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      stop();
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    const onAbort = () => end(() => reject(signal.reason));
    const stop = runtime.onChange((change, { config, exit }) => {
      if (config.id !== id) return;
      const last = exit ?? NO_EXIT;
      if (change === "remove" || (change === "exit" && condition !== "removed")) end(() => resolve(last));
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
