import { expect, test } from "vitest";
import { FakeClock } from "../../../../src/base/clock.js";
import { integerBetween, SeededRandom } from "../../../../src/base/random.js";
import { ClusterPicture } from "../../../../src/manager/scheduler/cluster-picture.js";
import type { Task, TaskState } from "../../../../src/model/objects.js";
import { TASK_STATES } from "../../../../src/model/task-state.js";
import { Store } from "../../../../src/store/store.js";
import { MemoryProposer } from "../../../support/memory-proposer.js";
import { nodeDescription } from "../../../support/node-description.js";
import { testNode, testTask } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const NODES = ["n1", "n2", "n3"];

function summary(picture: ClusterPicture): unknown {
  const nodes = NODES.map((id) => {
    const info = picture.get(id);
    const taken = [80, 81].filter((publishedPort) => info?.isHostPortTaken({ name: "", protocol: "tcp", targetPort: 1, publishedPort, publishMode: "host" }));
    return [id, info?.freeNanoCpus, info?.freeMemoryBytes, info?.activeTasks, info?.activeTasksOf("s1"), info?.activeTasksOf("s2"), info?.taskCount, taken];
  });
  return { nodes, pending: [...picture.pending.keys()].sort() };
}

/** What is kept event by event must be what a fresh look at the store gives. */
test.each([1, 2, 3, 4, 5])("random changes, seed %i", async (seed) => {
  const random = new SeededRandom(seed);
  const store = new Store({ clock: new FakeClock() });
  new MemoryProposer(store);
  const pick = <T>(list: readonly T[]): T => list[integerBetween(random, 0, list.length - 1)] as T;
  const randomTask = (id: string): Task => {
    const state: TaskState = pick(TASK_STATES);
    const amount = BigInt(integerBetween(random, 0, 3)) * 1_000_000n;
    return testTask(id, {
      serviceId: pick(["s1", "s2"]),
      state,
      nodeId: pick(["", ...NODES]),
      desiredState: pick(["ready", "running", "shutdown", "remove"]),
      spec: taskSpec({}, { resources: { limits: null, reservations: { nanoCpus: amount, memoryBytes: amount, generic: [] } } }),
      endpoint: { spec: null, ports: [{ name: "", protocol: "tcp", targetPort: 1, publishedPort: pick([0, 80, 81]), publishMode: "host" }], virtualIps: [] },
    });
  };
  const picture = new ClusterPicture(store.view);
  store.watch((events) => {
    picture.apply(events, 0);
  });
  for (let step = 0; step < 300; step++) {
    await store.update((tx) => {
      const id = `t${integerBetween(random, 0, 15)}`;
      const known = tx.tasks.get(id);
      const nodeId = pick(NODES);
      const dice = random.next();
      if (dice < 0.1) {
        if (tx.nodes.get(nodeId) === undefined) tx.create("node", { ...testNode(nodeId), description: nodeDescription(nodeId) });
        else tx.remove("node", nodeId);
      } else if (known === undefined) tx.create("task", randomTask(id));
      else if (dice < 0.25) tx.remove("task", id);
      // A task never changes its node once it has one, nor its service.
      else tx.update("task", { ...randomTask(id), serviceId: known.serviceId, nodeId: known.nodeId === "" ? pick(["", ...NODES]) : known.nodeId });
    });
    expect(summary(picture), `step ${step}`).toEqual(summary(new ClusterPicture(store.view)));
  }
});
