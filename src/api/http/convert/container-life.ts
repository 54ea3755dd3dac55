import type { HealthState } from "../../../engine/health/health-state.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import { INIT_PATH } from "../../../runtime/process-config.js";
import type { ContainerSizes } from "../container-sizes.js";
import type { Json } from "../json.js";

/** What the engine knows of a container's life. */
export interface ContainerLife {
  readonly isRestarting: boolean;
  readonly restartCount: number;
  readonly execIds: readonly string[];
  /** Null for one whose health is not tested. */
  readonly health: HealthState | null;
}

export const NO_LIFE: ContainerLife = { isRestarting: false, restartCount: 0, execIds: [], health: null };

/** The state as Docker has it: one word more than ours where somebody paused or will restart it. */
export function stateWordOf(container: ContainerInfo, life: ContainerLife): string {
  if (life.isRestarting) return "restarting";
  return container.isPaused ? "paused" : container.state;
}

/** What it executes, without the first process that `--init` puts before. */
export function programOf({ args }: ContainerInfo): readonly string[] {
  return args[0] === INIT_PATH ? args.slice(2) : args;
}

export function sizesToDocker(sizes: ContainerSizes | undefined): { readonly [name: string]: Json } {
  return sizes === undefined ? {} : { SizeRw: sizes.writableBytes, SizeRootFs: sizes.rootBytes };
}
