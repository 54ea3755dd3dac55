import { FakeClock } from "../../src/base/clock.js";
import { silentLogger } from "../../src/base/log.js";
import { Orchestrator } from "../../src/manager/orchestrator/orchestrator.js";
import { TaskReaper } from "../../src/manager/reaper/task-reaper.js";
import type { Node, NodeAvailability, NodeState, Service, ServiceSpec, Task, TaskState } from "../../src/model/objects.js";
import { isBefore, isTerminal } from "../../src/model/task-state.js";
import { Store } from "../../src/store/store.js";
import { runTerm } from "../../src/manager/term.js";
import type { StoreTransaction } from "../../src/store/view.js";
import { testCluster } from "./cluster-object.js";
import { MemoryProposer } from "./memory-proposer.js";
import { type NodeChange, testNode, testService } from "./services.js";

/** How a task fares once its node has it. `stuck` stays in preparing. */
export type Fate = "run" | "fail" | "complete" | "reject" | "stuck";

/**
 * A cluster in one process: the real store and the orchestration loops, a clock moved by hand, and nodes that carry tasks from new to
 * running (or to their fate) as soon as they may.
 */
export class ServiceWorld {
  readonly clock = new FakeClock();
  readonly store = new Store({ clock: this.clock });
  readonly proposer = new MemoryProposer(this.store);
  /** Decides what becomes of a task when it is to run. */
  fate: (task: Task) => Fate = () => "run";
  /** How long a task takes to stop. */
  stopMs = 0;
  /** When each task was told to stop, by the clock's monotonic time. */
  readonly #stopAt = new Map<string, number>();
  #leadership = new AbortController();
  #loops: Promise<unknown> = Promise.resolve();

  constructor(nodeIds: readonly string[] = ["node1", "node2", "node3"]) {
    void this.write((tx) => {
      tx.create("cluster", testCluster());
      for (const id of nodeIds) tx.create("node", testNode(id));
    });
  }

  /** A new leader: fresh loops on the store as it is. */
  async lead(): Promise<void> {
    this.#leadership = new AbortController();
    const { signal } = this.#leadership;
    const options = { store: this.store, clock: this.clock };
    this.#loops = runTerm([new Orchestrator(options), new TaskReaper(options)], signal, silentLogger);
    await this.settle();
  }

  /** The leader's loops end; the nodes go on. */
  async depose(): Promise<void> {
    this.#leadership.abort();
    await this.#loops;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.depose();
  }

  /** Lets nodes and loops work until nothing changes any more without time passing. */
  async settle(): Promise<void> {
    let quietTurns = 0;
    while (quietTurns < 6) {
      const before = this.store.revision;
      await new Promise((resolve) => setImmediate(resolve));
      await this.#workNodes();
      quietTurns = this.store.revision === before ? quietTurns + 1 : 0;
    }
  }

  async advance(ms: number, stepMs = 100): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await this.clock.advance(Math.min(stepMs, ms - passed));
      await this.settle();
    }
  }

  async write(change: (tx: StoreTransaction) => void): Promise<void> {
    await this.store.update((tx) => {
      change(tx);
    });
  }

  async create(spec: Partial<ServiceSpec> = {}, id = "service1"): Promise<void> {
    await this.write((tx) => {
      tx.create("service", testService(spec, { id }), { isClientWrite: true });
    });
    await this.settle();
  }

  /** As the control API does it. */
  async update(change: (spec: ServiceSpec) => Partial<ServiceSpec>, id = "service1"): Promise<void> {
    await this.write((tx) => {
      const service = tx.services.get(id)!;
      const spec = { ...service.spec!, ...change(service.spec!) };
      const previous = { previousSpec: service.spec, previousSpecVersion: service.specVersion };
      tx.update("service", { ...service, spec, specVersion: service.specVersion + 1, ...previous, updateStatus: null }, { isClientWrite: true });
    });
    await this.settle();
  }

  updateImage(image: string): Promise<void> {
    return this.update((spec) => ({ task: { ...spec.task!, container: { ...spec.task!.container!, image } } }));
  }

  scale(replicas: number): Promise<void> {
    return this.update(() => ({ mode: { type: "replicated", replicated: { replicas } } }));
  }

  async removeService(id = "service1"): Promise<void> {
    await this.write((tx) => tx.remove("service", id, { isClientWrite: true }));
    await this.settle();
  }

  async addNode(id: string, change: NodeChange = {}): Promise<void> {
    await this.write((tx) => tx.create("node", testNode(id, change)));
    await this.settle();
  }

  async setNode(id: string, change: NodeChange): Promise<void> {
    await this.write((tx) => {
      const node = tx.nodes.get(id)!;
      const spec = { ...node.spec!, availability: change.availability ?? node.spec!.availability, labels: change.labels ?? node.spec!.labels };
      tx.update("node", { ...node, spec, status: { ...node.status!, state: change.state ?? node.status!.state } });
    });
    await this.settle();
  }

  async removeNode(id: string): Promise<void> {
    await this.write((tx) => tx.remove("node", id));
    await this.settle();
  }

  /** The node reports that the task ended. */
  async end(taskId: string, state: TaskState = "failed"): Promise<void> {
    await this.write((tx) => this.#report(tx, tx.tasks.get(taskId)!, state));
    await this.settle();
  }

  service(id = "service1"): Service {
    return this.store.view.services.get(id)!;
  }

  /** The service's tasks by slot (or node), then oldest first. */
  tasks(id = "service1"): readonly Task[] {
    const place = (task: Task) => (task.slot === 0 ? task.nodeId : String(task.slot).padStart(6, "0"));
    return [...this.store.view.tasks.byService(id)].sort((a, b) => place(a).localeCompare(place(b)) || a.meta!.createdAtMs - b.meta!.createdAtMs);
  }

  live(id = "service1"): readonly Task[] {
    return this.tasks(id).filter((task) => !isBefore("running", task.desiredState));
  }

  running(id = "service1"): readonly Task[] {
    return this.tasks(id).filter((task) => task.status?.state === "running");
  }

  /** Images of the running tasks, by slot. */
  images(id = "service1"): readonly string[] {
    return this.running(id).map((task) => task.spec?.container?.image ?? "");
  }

  async #workNodes(): Promise<void> {
    const tasks = [...this.store.view.tasks.all()].filter((task) => this.#next(task) !== undefined);
    if (tasks.length === 0) return;
    await this.write((tx) => {
      const load = new Map<string, number>();
      for (const task of tx.tasks.all()) if (!isTerminal(task.status!.state)) load.set(task.nodeId, (load.get(task.nodeId) ?? 0) + 1);
      for (const { id } of tasks) {
        const task = tx.tasks.get(id);
        const state = task === undefined ? undefined : this.#next(task);
        if (task === undefined || state === undefined) continue;
        if (state !== "assigned" || task.nodeId !== "") {
          this.#report(tx, task, state);
          continue;
        }
        const node = [...tx.nodes.all()].filter(takesTasks).sort((a, b) => (load.get(a.id) ?? 0) - (load.get(b.id) ?? 0) || (a.id < b.id ? -1 : 1))[0];
        if (node === undefined) continue;
        load.set(node.id, (load.get(node.id) ?? 0) + 1);
        this.#report(tx, { ...task, nodeId: node.id }, state);
      }
    });
  }

  #report(tx: StoreTransaction, task: Task, state: TaskState): void {
    const nowMs = this.clock.now();
    tx.update("task", { ...task, status: { ...task.status!, state, timestampMs: nowMs, appliedAtMs: nowMs } });
  }

  /** The next state that the allocator, the scheduler or the node gives the task; undefined when it waits. */
  #next(task: Task): TaskState | undefined {
    const state = task.status!.state;
    const isLive = !isBefore("running", task.desiredState);
    if (isTerminal(state)) return undefined;
    if (state === "new") return isLive ? "pending" : undefined;
    if (state === "pending") return isLive && this.#hasNode(task) ? "assigned" : undefined;
    const node = this.store.view.nodes.get(task.nodeId);
    if (node === undefined || node.status?.state !== "ready") return undefined;
    if (!isLive) return this.#hasStopped(task) ? "shutdown" : undefined;
    const fate = this.fate(task);
    if (state === "assigned") return fate === "reject" ? "rejected" : "preparing";
    if (state === "preparing") return fate === "stuck" ? undefined : "ready";
    if (state === "ready") return task.desiredState === "running" ? "starting" : undefined;
    if (state === "starting") return fate === "fail" ? "failed" : fate === "complete" ? "complete" : "running";
    return undefined;
  }

  #hasNode(task: Task): boolean {
    const { nodes } = this.store.view;
    const preassigned = nodes.get(task.nodeId);
    return task.nodeId === "" ? [...nodes.all()].some(takesTasks) : preassigned !== undefined && takesTasks(preassigned);
  }

  #hasStopped(task: Task): boolean {
    const now = this.clock.monotonic();
    const at = this.#stopAt.get(task.id) ?? now + this.stopMs;
    this.#stopAt.set(task.id, at);
    return at <= now;
  }
}

function takesTasks(node: Node): boolean {
  const state: NodeState | undefined = node.status?.state;
  const availability: NodeAvailability | undefined = node.spec?.availability;
  return state === "ready" && availability === "active";
}
