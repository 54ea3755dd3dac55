import type { Clock } from "../base/clock.js";
import type { Api } from "./api.js";
import { CommandFailure, EXIT } from "./failure.js";
import type { NodeInfo, ServiceInfo, TaskInfo } from "./shapes.js";

const LOOK_MS = 200;
const MONITOR_NS_DEFAULT = 5_000_000_000n;

/** Where a service stands on its way to what was asked for. */
export interface Progress {
  readonly running: number;
  readonly desired: number;
  /** Set while it is watched for staying so. */
  readonly isStable: boolean;
  /** The latest reason why a task does not run; empty when all is well. */
  readonly obstacle: string;
  /** Tasks are missing that ended and have no successor; while it lasts the restart policy has given up. */
  readonly ended: "no" | "failed" | "complete";
}

/** How far a service has come, from what the API says of it. Pure. */
export function progressOf(service: ServiceInfo, tasks: readonly TaskInfo[], nodes: readonly NodeInfo[]): Progress {
  const active = new Set(nodes.filter((node) => node.Status.State !== "down").map((node) => node.ID));
  const live = tasks.filter((task) => task.DesiredState === "running" && (task.NodeID === undefined || active.has(task.NodeID)));
  const running = live.filter((task) => task.Status.State === "running").length;
  const desired = service.Spec.Mode.Replicated?.Replicas ?? new Set(live.map((task) => task.NodeID ?? task.ID)).size;
  const newest = tasks.toSorted((a, b) => b.Status.Timestamp.localeCompare(a.Status.Timestamp)).find((task) => (task.Status.Err ?? "") !== "");
  const isDone = running === desired && live.length === desired;
  const isUpdating = service.UpdateStatus?.State === "updating" || service.UpdateStatus?.State === "rollback_started";
  const ended = tasks.filter((task) => task.DesiredState === "shutdown" && ENDED.includes(task.Status.State));
  const waiting = tasks.filter((task) => task.DesiredState === "ready" || task.DesiredState === "running");
  const isGivenUp = !isUpdating && ended.length > 0 && waiting.length < desired && waiting.length + ended.length >= desired;
  return {
    running,
    desired,
    isStable: isDone && !isUpdating,
    obstacle: isDone ? "" : (newest?.Status.Err ?? ""),
    ended: !isGivenUp ? "no" : ended.every((task) => task.Status.State === "complete") ? "complete" : "failed",
  };
}

const ENDED: readonly string[] = ["complete", "failed", "rejected"];
/** The cluster replaces an ended task at once; one that has no successor for this long gets none. */
const GIVEN_UP_MS = 2_000;

/**
 * Waits until the service has converged and stayed so for its monitor period, or its tasks have all done their work. Throws a CommandFailure when its
 * update ends paused or rolled back, when tasks failed that the restart policy does not replace, and when the signal aborts (what was asked for goes on).
 */
export async function waitForConvergence(
  api: Api,
  serviceId: string,
  options: { readonly clock: Clock; readonly signal: AbortSignal; readonly show: (progress: Progress) => void; readonly isRollback?: boolean },
): Promise<"converged" | "complete"> {
  const { clock, signal, show } = options;
  let stableSince: number | undefined;
  let endedSince: number | undefined;
  for (;;) {
    const { service, progress } = await look(api, serviceId, signal);
    show(progress);
    const state = service.UpdateStatus?.State ?? "";
    const name = service.Spec.Name;
    if (state === "paused" || state === "rollback_paused") {
      const reason = [service.UpdateStatus?.Message, progress.obstacle].filter((text) => text).join(": ");
      throw new CommandFailure(EXIT.refused, `service ${name}: ${reason}\nlook with: swarm service ps ${name}; go back with: swarm service rollback ${name}`);
    }
    if (progress.isStable && state === "rollback_completed" && options.isRollback !== true) {
      throw new CommandFailure(EXIT.refused, `service ${service.Spec.Name} was rolled back: ${service.UpdateStatus?.Message}`);
    }
    const now = clock.monotonic();
    endedSince = progress.ended === "no" ? undefined : (endedSince ?? now);
    if (endedSince !== undefined && now - endedSince >= GIVEN_UP_MS) {
      if (progress.ended === "complete") return "complete";
      throw new CommandFailure(EXIT.refused, `service ${name}: ${progress.obstacle || "tasks failed"}, and its restart policy starts no more tasks`);
    }
    stableSince = progress.isStable ? (stableSince ?? now) : undefined;
    // An update that has completed was watched by the cluster already.
    const isWatched = state === "completed" || state === "rollback_completed";
    if (stableSince !== undefined && (isWatched || now - stableSince >= monitorMs(service))) return "converged";
    await clock.sleep(LOOK_MS, signal);
  }
}

async function look(api: Api, serviceId: string, signal: AbortSignal) {
  const filters = JSON.stringify({ service: { [serviceId]: true }, "_up-to-date": { true: true } });
  const [service, tasks, nodes] = await Promise.all([
    api.call<ServiceInfo>({ method: "GET", path: `/services/${serviceId}`, signal }),
    api.call<readonly TaskInfo[]>({ method: "GET", path: "/tasks", query: { filters }, signal }),
    api.call<readonly NodeInfo[]>({ method: "GET", path: "/nodes", signal }),
  ]);
  return { service, progress: progressOf(service, tasks, nodes) };
}

function monitorMs(service: ServiceInfo): number {
  const monitor = BigInt(service.Spec.UpdateConfig?.Monitor ?? 0);
  return Number((monitor === 0n ? MONITOR_NS_DEFAULT : monitor) / 1_000_000n);
}
