import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../base/clock.js";
import type { Endpoint, EndpointSpec, Service, Task } from "../../model/objects.js";
import { isBefore } from "../../model/task-state.js";
import type { Store } from "../../store/store.js";
import type { StoreTransaction } from "../../store/view.js";
import { PassLoop } from "../pass-loop.js";

/**
 * Gives services and tasks what they need before they can be scheduled, and moves tasks from new to pending. For now these are the
 * ports that are published on the node itself; virtual IPs and network addresses will be given here too.
 */
export class Allocator {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #services = new Set<string>();
  readonly #tasks = new Set<string>();

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Runs until the signal aborts; rejects when a write is lost with the leadership. */
  async run(signal: AbortSignal): Promise<void> {
    const loop = new PassLoop();
    for (const service of this.#store.view.services.all()) this.#services.add(service.id);
    for (const task of this.#store.view.tasks.all()) if (isNew(task)) this.#tasks.add(task.id);
    const stop = this.#store.watch((events) => {
      for (const event of events) {
        if (event.action === "remove") continue;
        if (event.kind === "service" && event.object.spec !== event.previous?.spec) this.#services.add(event.object.id);
        else if (event.kind === "task" && isNew(event.object)) this.#tasks.add(event.object.id);
        else continue;
        loop.ask();
      }
    });
    try {
      await loop.run(() => this.#pass(), signal);
    } finally {
      stop();
    }
  }

  async #pass(): Promise<void> {
    const nowMs = this.#clock.now();
    const writes = [this.#store.batch([...this.#services], allocateService), this.#store.batch([...this.#tasks], (tx, id) => allocateTask(tx, id, nowMs))];
    this.#services.clear();
    this.#tasks.clear();
    await Promise.all(writes);
  }
}

function isNew(task: Task): boolean {
  return task.status?.state === "new" && isBefore(task.desiredState, "shutdown");
}

function allocateService(tx: StoreTransaction, id: string): void {
  const service = tx.services.get(id);
  if (service === undefined) return;
  const endpoint = endpointOf(service.spec?.endpoint ?? null);
  if (!isDeepStrictEqual(service.endpoint, endpoint)) tx.update("service", { ...service, endpoint } satisfies Service);
}

function allocateTask(tx: StoreTransaction, id: string, nowMs: number): void {
  const task = tx.tasks.get(id);
  if (task === undefined || task.status === null || !isNew(task)) return;
  const spec = task.endpoint === null ? (tx.services.get(task.serviceId)?.spec?.endpoint ?? null) : task.endpoint.spec;
  const status = { ...task.status, state: "pending", timestampMs: nowMs, message: "pending task scheduling" } as const;
  tx.update("task", { ...task, endpoint: endpointOf(spec), status });
}

/** Ports published on the node need nobody's consent: the node chooses those that are 0. */
function endpointOf(spec: EndpointSpec | null): Endpoint | null {
  return spec === null ? null : { spec, ports: spec.ports, virtualIps: [] };
}
