import type { ContainerStatus, PortConfig, Task } from "../model/objects.js";
import type { ContainerExit } from "../runtime/container-runtime.js";

/** What a container's life looks like from outside at this moment. */
export type ObservedContainer =
  | { readonly type: "none" }
  | { readonly type: "created" }
  | { readonly type: "running" }
  | { readonly type: "exited"; readonly exit: ContainerExit };

export interface TaskExit extends ContainerExit {
  /** It had been found unhealthy. */
  readonly isUnhealthy: boolean;
}

/**
 * Carries out the steps of one task's life. Each may be called again after the daemon was restarted in the middle of it. Failures are
 * ClusterErrors whose message is what the operator sees in `service ps`.
 */
export interface TaskController {
  observe(): ObservedContainer;
  /** Brings its image to this node. Rejects with the signal's reason when it aborts. */
  fetch(task: Task, signal: AbortSignal): Promise<void>;
  /** Makes everything else that the container needs, and the container, without starting it. Does nothing when it is there. */
  prepare(task: Task): Promise<void>;
  /** Publishes its ports and starts it. */
  start(task: Task): Promise<void>;
  /** Publishes the ports of one that runs, unless it is known that they are. */
  publish(task: Task): Promise<void>;
  /** True when `ready` would resolve at once: it runs and is healthy or not tested, or has ended. */
  isReady(): boolean;
  /** Resolves with null when what was started is healthy, at once when its health is not tested; with its exit when it ended before. Else as `wait`. */
  ready(task: Task, signal: AbortSignal): Promise<TaskExit | null>;
  /** Resolves when it has ended; one that turns unhealthy is ended. Rejects with the signal's reason, or with `not_found` when someone removed it. */
  wait(task: Task, signal: AbortSignal): Promise<TaskExit>;
  /** Stop signal, grace period, kill. Does nothing when it does not run. */
  shutdown(task: Task): Promise<void>;
  /** Gives back what a container that has ended no longer needs: its address and its ports. Its log stays. */
  release(): Promise<void>;
  /** Deletes the container with its log; does nothing when there is none. */
  remove(): Promise<void>;
  containerStatus(): ContainerStatus;
  /** Host-mode ports with the numbers that were chosen; empty until started. */
  ports(): readonly PortConfig[];
}
