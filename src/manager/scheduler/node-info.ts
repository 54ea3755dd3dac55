import { assert } from "../../base/assert.js";
import { isAtLeast, isBefore, isTerminal } from "../../model/task-state.js";
import type { Node, PortConfig, Task } from "../../model/objects.js";

/** Failures of one service's spec on a node count for this long (swarm-surface 3.8). */
const FAILURE_WINDOW_MS = 5 * 60_000;
/** From this many on, a node is tried after those with fewer. Older ones are forgotten beyond it. */
export const FAILURES_MAX = 5;

/** What one task takes from its node. */
interface Share {
  readonly task: Task;
  readonly nanoCpus: bigint;
  readonly memoryBytes: bigint;
  /** False for a task that is on its way out: it holds its resources, but is not counted as one of its service. */
  readonly isActive: boolean;
}

/**
 * A node as the scheduler sees it, kept up to date task by task. Invariant: the sums are those of the shares in #shares.
 * A node that is not in the store any more (or not yet) has `node` undefined.
 */
export class NodeInfo {
  node: Node | undefined;
  readonly #shares = new Map<string, Share>();
  readonly #activeByService = new Map<string, number>();
  readonly #hostPorts = new Map<string, number>();
  /** Invariant: in the order of the newest failure of each. */
  readonly #failures = new Map<string, readonly number[]>();
  #nanoCpus = 0n;
  #memoryBytes = 0n;
  #active = 0;

  get taskCount(): number {
    return this.#shares.size;
  }

  /** Tasks that are meant to run, of all services. */
  get activeTasks(): number {
    return this.#active;
  }

  activeTasksOf(serviceId: string): number {
    return this.#activeByService.get(serviceId) ?? 0;
  }

  /** What reservations leave free; may be negative after the node shrank. */
  get freeNanoCpus(): bigint {
    return (this.node?.description?.resources?.nanoCpus ?? 0n) - this.#nanoCpus;
  }

  get freeMemoryBytes(): bigint {
    return (this.node?.description?.resources?.memoryBytes ?? 0n) - this.#memoryBytes;
  }

  isHostPortTaken(port: PortConfig): boolean {
    return this.#hostPorts.has(portKey(port));
  }

  /** Counts the task as it is now. Returns true when that changed what the node has to give. */
  put(task: Task): boolean {
    return this.#count(task, takesShare(task) ? shareOf(task) : undefined);
  }

  /** Counts a task that waits as if it had been assigned: what comes next finds its share taken. */
  reserve(task: Task): void {
    this.#count(task, shareOf(task));
  }

  #count(task: Task, next: Share | undefined): boolean {
    const previous = this.#shares.get(task.id);
    if (previous !== undefined && next !== undefined && isSameShare(previous, next)) {
      this.#shares.set(task.id, next);
      return false;
    }
    const changed = this.remove(task.id);
    if (next === undefined) return changed;
    this.#shares.set(task.id, next);
    this.#add(next, 1);
    return true;
  }

  /** Forgets the task; false when it took nothing. */
  remove(taskId: string): boolean {
    const share = this.#shares.get(taskId);
    if (share === undefined) return false;
    this.#shares.delete(taskId);
    this.#add(share, -1);
    return true;
  }

  /** Notes that a task of the service's spec failed here. */
  noteFailure(serviceKey: string, nowMs: number): void {
    const recent = [...this.#recentFailures(serviceKey, nowMs), nowMs].slice(-FAILURES_MAX);
    this.#failures.delete(serviceKey);
    this.#failures.set(serviceKey, recent);
    // Nobody asks again for what was updated or removed since: it is at the front.
    for (const key of this.#failures.keys()) if (this.#recentFailures(key, nowMs).length > 0) return;
  }

  /** How many versions of services are remembered as having failed here. */
  get failedVersions(): number {
    return this.#failures.size;
  }

  /** Failures within the last five minutes, at most FAILURES_MAX. */
  failuresOf(serviceKey: string, nowMs: number): number {
    return this.#recentFailures(serviceKey, nowMs).length;
  }

  #recentFailures(serviceKey: string, nowMs: number): readonly number[] {
    const all = this.#failures.get(serviceKey);
    if (all === undefined) return [];
    const recent = all.filter((atMs) => atMs > nowMs - FAILURE_WINDOW_MS);
    if (recent.length === 0) this.#failures.delete(serviceKey);
    return recent;
  }

  #add(share: Share, sign: 1 | -1): void {
    this.#nanoCpus += BigInt(sign) * share.nanoCpus;
    this.#memoryBytes += BigInt(sign) * share.memoryBytes;
    for (const port of hostPortsOf(share.task)) count(this.#hostPorts, portKey(port), sign);
    if (!share.isActive) return;
    this.#active += sign;
    count(this.#activeByService, share.task.serviceId, sign);
  }
}

/** Which failures count together: those of one version of a service's spec. */
export function serviceKeyOf(task: Task): string {
  return `${task.serviceId}/${task.specVersion}`;
}

/** Ports that the task wants on its node itself, with a number of its own choice. */
export function hostPortsOf(task: Task): readonly PortConfig[] {
  const ports = task.endpoint?.ports ?? [];
  return ports.filter((port) => port.publishMode === "host" && port.publishedPort !== 0);
}

/** One that waits takes nothing yet, also when its node is known: of several, each would keep the others from it. */
function takesShare({ status }: Task): boolean {
  return status !== null && isAtLeast(status.state, "assigned") && !isTerminal(status.state);
}

function shareOf(task: Task): Share {
  const reservations = task.spec?.resources?.reservations;
  return {
    task,
    nanoCpus: reservations?.nanoCpus ?? 0n,
    memoryBytes: reservations?.memoryBytes ?? 0n,
    isActive: isBefore(task.desiredState, "shutdown"),
  };
}

function isSameShare(a: Share, b: Share): boolean {
  return a.isActive === b.isActive && a.nanoCpus === b.nanoCpus && a.memoryBytes === b.memoryBytes && a.task.endpoint === b.task.endpoint;
}

function portKey(port: PortConfig): string {
  return `${port.protocol}/${port.publishedPort}`;
}

function count(counts: Map<string, number>, key: string, sign: 1 | -1): void {
  const next = (counts.get(key) ?? 0) + sign;
  assert(next >= 0, `count of ${key} is not negative`);
  if (next === 0) counts.delete(key);
  else counts.set(key, next);
}
