import { FakeClock } from "../../src/base/clock.js";
import { silentLogger } from "../../src/base/log.js";
import { SeededRandom } from "../../src/base/random.js";
import { Manager } from "../../src/manager/manager.js";
import { type Loop, runTerm } from "../../src/manager/term.js";
import type { Node, Service, ServiceSpec, Task } from "../../src/model/objects.js";
import { Store } from "../../src/store/store.js";
import type { StoreTransaction } from "../../src/store/view.js";
import { createRootCa } from "../../src/pki/root-ca.js";
import { withNewTokens } from "../../src/pki/root-rotation.js";
import { testCluster } from "./cluster-object.js";
import { FakeAgent } from "./fake-agent.js";
import { FakeMembership } from "./fake-membership.js";
import { noSigner } from "./fake-signer.js";
import { MemoryProposer } from "./memory-proposer.js";
import { serviceSpec, testNode } from "./services.js";

/** A whole leader in one process: the real store, loops, dispatcher and control, on a clock moved by hand, with agents that only pretend. */
export class ManagerWorld {
  readonly clock = new FakeClock(Date.UTC(2026, 10, 21));
  readonly store = new Store({ clock: this.clock });
  readonly proposer = new MemoryProposer(this.store);
  readonly membership = new FakeMembership();
  readonly manager: Manager;
  readonly agents = new Map<string, FakeAgent>();
  #leadership = new AbortController();
  #run: Promise<void> = Promise.resolve();

  constructor(nodes: readonly (string | Node)[] = [], leaderlessMs = 0) {
    const { store, clock, membership } = this;
    this.manager = new Manager({ store, clock, random: new SeededRandom(1), logger: silentLogger, membership, signer: noSigner, leaderlessMs });
    const rootCa = createRootCa({ nowMs: this.clock.now() });
    void this.write((tx) => {
      tx.create(
        "cluster",
        testCluster({ rootCa: withNewTokens({ ...rootCa, joinTokens: null, rotation: null, lastForcedRotation: 0 }), incarnation: "incarnation1" }),
        {
          isClientWrite: true,
        },
      );
      for (const node of nodes) tx.create("node", typeof node === "string" ? testNode(node, { state: "unknown" }) : node, { isClientWrite: true });
    });
  }

  async lead(): Promise<void> {
    await this.#lead((signal) => this.manager.run(signal));
  }

  /** Leads with the dispatcher and the log broker alone: tasks are what the test writes. */
  async leadWithoutDecisions(): Promise<void> {
    const { dispatcher, logBroker } = this.manager;
    await this.#lead((signal) => runTerm([dispatcher, logBroker], signal, silentLogger));
  }

  /** Leads with one loop alone. */
  async leadWith(loop: Loop): Promise<void> {
    await this.#lead((signal) => runTerm([loop], signal, silentLogger));
  }

  async #lead(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#leadership = new AbortController();
    this.#run = run(this.#leadership.signal);
    await this.settle();
  }

  async depose(): Promise<void> {
    this.#leadership.abort();
    await this.#run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.agents.values()) await agent.stop();
    await this.depose();
  }

  /** Starts an agent for the node. */
  async connect(...nodeIds: readonly string[]): Promise<void> {
    for (const id of nodeIds) {
      const agent = new FakeAgent(id, { dispatcher: this.manager.dispatcher, clock: this.clock });
      this.agents.set(id, agent);
      agent.start();
    }
    await this.settle();
  }

  async disconnect(nodeId: string): Promise<void> {
    await this.agents.get(nodeId)?.stop();
    this.agents.delete(nodeId);
    await this.settle();
  }

  /** Lets everything run until nothing changes any more without time passing. */
  async settle(): Promise<void> {
    let quietTurns = 0;
    while (quietTurns < 12) {
      const before = this.store.revision;
      await new Promise((resolve) => setImmediate(resolve));
      quietTurns = this.store.revision === before ? quietTurns + 1 : 0;
    }
  }

  async advance(ms: number, stepMs = 500): Promise<void> {
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

  async create(spec: Partial<ServiceSpec> = {}): Promise<Service> {
    const reply = await this.manager.control.execute({ type: "createService", createService: { spec: serviceSpec(spec) } });
    if (reply.type !== "service") throw new Error(`unexpected reply ${reply.type}`);
    await this.settle();
    return this.service(reply.service.id);
  }

  service(id: string): Service {
    return this.store.view.services.get(id)!;
  }

  node(id: string): Node {
    return this.store.view.nodes.get(id)!;
  }

  tasks(): readonly Task[] {
    return [...this.store.view.tasks.all()];
  }

  /** Running tasks per node. */
  spread(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const task of this.tasks()) if (task.status?.state === "running") counts[task.nodeId] = (counts[task.nodeId] ?? 0) + 1;
    return counts;
  }
}
