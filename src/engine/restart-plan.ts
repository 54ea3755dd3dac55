import type { SingleConfig } from "../runtime/container-config.js";
import type { ContainerExit, ContainerInfo } from "../runtime/container-runtime.js";
import { joinsOf } from "../runtime/joined-containers.js";

const DELAY_MS_MIN = 100;
const DELAY_MS_MAX = 60_000;
/** One that ran this long begins anew with the shortest delay. */
const STEADY_MS = 10_000;

/** Whether a container that has ended is started again, by its policy. `restarts` counts those since somebody started it. */
export function shouldRestart(single: SingleConfig, exit: ContainerExit, restarts: number): boolean {
  if (single.isStopped) return false;
  const { name, retriesMax } = single.restart;
  if (name === "on-failure") return exit.exitCode !== 0 && (retriesMax === 0 || restarts < retriesMax);
  return name === "always" || name === "unless-stopped";
}

/** The same when the daemon starts: "always" also starts what was stopped by hand. */
export function shouldStartWithDaemon(single: SingleConfig, exit: ContainerExit): boolean {
  return single.restart.name === "always" || shouldRestart(single, exit, 0);
}

/** Docker's delay: doubled with each restart, until one ran for 10 s. */
export function restartDelayMs(previousMs: number, ranMs: number): number {
  if (previousMs === 0 || ranMs >= STEADY_MS) return DELAY_MS_MIN;
  return Math.min(previousMs * 2, DELAY_MS_MAX);
}

/** Before each those of which it has a namespace, without which it cannot be started. Invariant: nobody joins one that was made after him. */
export function joinedFirst(containers: readonly ContainerInfo[]): readonly ContainerInfo[] {
  const byId = new Map(containers.map((info) => [info.config.id, info]));
  const ordered = new Set<ContainerInfo>();
  const add = (info: ContainerInfo) => {
    for (const { id } of joinsOf(info.config)) {
      const other = byId.get(id);
      if (other !== undefined && !ordered.has(other)) add(other);
    }
    ordered.add(info);
  };
  for (const info of containers) add(info);
  return [...ordered];
}
