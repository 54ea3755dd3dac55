import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "../../../src/agent/agent.js";
import { describeNode } from "../../../src/agent/node-description.js";
import { Worker } from "../../../src/agent/worker.js";
import { FakeClock } from "../../../src/base/clock.js";
import { messageOf } from "../../../src/base/errors.js";
import { silentLogger } from "../../../src/base/log.js";
import { SeededRandom } from "../../../src/base/random.js";
import type { NodeDescription } from "../../../src/model/objects.js";
import { Engine } from "../../../src/engine/engine.js";
import { FakeHostNetwork } from "../../support/fake-host-network.js";
import { FakeImageTransfer } from "../../support/fake-image-transfer.js";
import { FakeImageStore } from "../../support/fake-image-store.js";
import { FakeManager } from "../../support/fake-manager.js";
import { MemoryHealthRecords } from "../../support/memory-health-records.js";
import { MemoryVolumes } from "../../support/memory-volumes.js";
import { FakeRuntime } from "../../support/fake-runtime.js";

/** One node with everything around its agent faked. `restart` is a restart of the daemon: containers and disk stay. */
export class Harness {
  readonly clock = new FakeClock();
  readonly manager = new FakeManager();
  readonly runtime = new FakeRuntime(this.clock);
  readonly network = new FakeHostNetwork();
  readonly images = new FakeImageStore(["bb:v1"]);
  readonly transfer = new FakeImageTransfer();
  readonly engine = new Engine({
    runtime: this.runtime,
    volumes: new MemoryVolumes(),
    images: this.images,
    network: this.network,
    clock: this.clock,
    logger: silentLogger,
    healthRecords: new MemoryHealthRecords(),
  });
  readonly folder = mkdtempSync(join(tmpdir(), "agent-"));
  /** Called by a test when it has changed the description. */
  readonly descriptionListeners = new Set<() => void>();
  /** What the agent said of having no session. */
  readonly troubles: string[] = [];
  description: NodeDescription = describeNode({ engineVersion: "0.1.0", labels: {} });
  worker: Worker = this.#newWorker();
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  start(): void {
    this.#stop = new AbortController();
    this.worker = this.#newWorker();
    const agent = new Agent({
      connector: this.manager,
      worker: this.worker,
      incarnation: () => "",
      describe: () => this.description,
      onDescriptionChange: (listener) => {
        this.descriptionListeners.add(listener);
        return () => this.descriptionListeners.delete(listener);
      },
      onTrouble: (cause) => this.troubles.push(messageOf(cause)),
      clock: this.clock,
      random: new SeededRandom(7),
      logger: silentLogger,
    });
    this.#running = agent.run(this.#stop.signal);
  }

  /** The daemon ends; resolves when the agent has settled. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async dispose(): Promise<void> {
    await this.stop();
    await this.engine[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  stateOf(taskId: string): string | undefined {
    return this.manager.statuses.get(taskId)?.state;
  }

  containerIdOf(taskId: string): string {
    return this.manager.statuses.get(taskId)?.container?.containerId ?? "";
  }

  #newWorker(): Worker {
    return new Worker({
      node: { id: "node1", hostname: "host-1", platform: { architecture: "x86_64", os: "linux" } },
      folder: join(this.folder, "tasks"),
      runtime: this.runtime,
      images: this.images,
      transfer: this.transfer,
      network: this.network,
      health: this.engine.health,
      clock: this.clock,
      random: new SeededRandom(8),
      logger: silentLogger,
    });
  }
}
