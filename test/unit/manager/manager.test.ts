import { describe, expect, test } from "vitest";
import { ManagerWorld } from "../../support/manager-world.js";
import { replicated, serviceSpec, testNode } from "../../support/services.js";

const NODES = ["node1", "node2", "node3", "node4", "node5"];

async function world(nodes: readonly string[] = NODES): Promise<ManagerWorld> {
  const made = new ManagerWorld(nodes);
  await made.lead();
  await made.connect(...nodes);
  return made;
}

describe("a leader with agents", () => {
  test("nodes that register are ready", async () => {
    await using cluster = await world();
    expect(NODES.map((id) => cluster.node(id).status?.state)).toEqual(NODES.map(() => "ready"));
    expect(cluster.node("node1").status?.address).toBe("10.0.0.9");
    expect(cluster.node("node1").description?.hostname).toBe("node1");
  });

  test("a service spreads over all nodes, without any time passing", async () => {
    await using cluster = await world();
    const start = performance.now();
    await cluster.create(replicated(30));
    expect(cluster.spread()).toEqual({ node1: 6, node2: 6, node3: 6, node4: 6, node5: 6 });
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  test("scaling down removes tasks, and their nodes are told", async () => {
    await using cluster = await world(["node1"]);
    const service = await cluster.create(replicated(3));
    await cluster.manager.control.execute({
      type: "updateService",
      updateService: { serviceId: service.id, version: service.meta!.version, spec: serviceSpec(replicated(1)), rollback: "none", registryAuthSource: "spec" },
    });
    await cluster.settle();
    await cluster.advance(1000);
    expect(cluster.spread()).toEqual({ node1: 1 });
    expect(cluster.tasks()).toHaveLength(1);
    expect(
      cluster.agents
        .get("node1")
        ?.messages.flatMap(({ changes }) => changes)
        .filter(({ type }) => type === "removeTask"),
    ).toHaveLength(2);
  });

  test("a node that falls silent is down after three periods, and its tasks move", async () => {
    await using cluster = await world(["node1", "node2"]);
    await cluster.create(replicated(4));
    expect(cluster.spread()).toEqual({ node1: 2, node2: 2 });
    await cluster.disconnect("node2");
    await cluster.advance(3000);
    expect(cluster.node("node2").status?.state).toBe("ready");
    await cluster.advance(4000);
    expect(cluster.node("node2").status).toMatchObject({ state: "down", message: "heartbeat failure" });
    await cluster.advance(8000);
    const running = cluster.tasks().filter((task) => task.status?.state === "running" && task.desiredState === "running");
    expect(running.map((task) => task.nodeId)).toEqual(["node1", "node1", "node1", "node1"]);
    await cluster.connect("node2");
    expect(cluster.node("node2").status?.state).toBe("ready");
  });

  test("a new leader calls nodes unknown, moves nothing, and takes them back when they register", async () => {
    await using cluster = await world(["node1", "node2"]);
    await cluster.create(replicated(2));
    for (const id of ["node1", "node2"]) await cluster.disconnect(id);
    await cluster.depose();
    await cluster.lead();
    expect(cluster.node("node1").status?.state).toBe("unknown");
    await cluster.connect("node1");
    expect(cluster.node("node1").status?.state).toBe("ready");
    expect(cluster.spread()).toEqual({ node1: 1, node2: 1 });
    await cluster.advance(7000);
    expect(cluster.node("node2").status?.state).toBe("down");
  });

  test("while too much is not committed, clients and nodes are told to come again, and what the leader decides is written", async () => {
    await using cluster = new ManagerWorld(["node1"]);
    await cluster.lead();
    const spec = serviceSpec({ name: "web", ...replicated(3) });
    const created = cluster.manager.control.execute({ type: "createService", createService: { spec } });
    cluster.proposer.isFull = true;
    await created;
    await cluster.settle();
    expect(cluster.tasks()).toHaveLength(3);
    const busy = expect.objectContaining({ code: "unavailable", message: "too much is not committed yet" });
    await expect(cluster.create({ name: "other" })).rejects.toEqual(busy);
    const caller = { nodeId: "node1", address: "10.0.0.1" };
    const request = { sessionId: "", description: testNode("node1").description, incarnation: "incarnation1" };
    await expect(cluster.manager.dispatcher.session(caller, request, new AbortController().signal).next()).rejects.toEqual(busy);
    cluster.proposer.isFull = false;
    await cluster.create({ name: "other" });
  });

  test("a failing loop ends the others and is reported", async () => {
    const cluster = new ManagerWorld([testNode("node1", { state: "ready" })]);
    await cluster.settle();
    cluster.store.setProposer({ propose: () => Promise.reject(new Error("the disk is gone")), assertRoom: () => undefined });
    await expect(cluster.manager.run(new AbortController().signal)).rejects.toThrow("the disk is gone");
  });

  test("loss of leadership ends all loops quietly", async () => {
    const cluster = new ManagerWorld([testNode("node1", { state: "ready" })]);
    await cluster.settle();
    cluster.store.setProposer(null);
    await expect(cluster.manager.run(new AbortController().signal)).resolves.toBeUndefined();
  });
});

test("after a term nobody watches the store for it any more", async () => {
  await using cluster = new ManagerWorld(["node1"]);
  const watching = new Set<symbol>();
  const watch = cluster.store.watch.bind(cluster.store);
  cluster.store.watch = (listener) => {
    const [stop, own] = [watch(listener), Symbol()];
    watching.add(own);
    return () => {
      stop();
      watching.delete(own);
    };
  };
  await cluster.lead();
  const during = watching.size;
  await cluster.depose();
  expect(during).toBeGreaterThan(4);
  expect(watching.size).toBe(0);
});
