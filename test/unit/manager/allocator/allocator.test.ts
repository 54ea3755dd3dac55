import { expect, test } from "vitest";
import { Allocator } from "../../../../src/manager/allocator/allocator.js";
import type { EndpointSpec } from "../../../../src/model/objects.js";
import { ManagerWorld } from "../../../support/manager-world.js";
import { replicated, serviceSpec, testTask } from "../../../support/services.js";

const endpoint: EndpointSpec = { mode: "vip", ports: [{ name: "", protocol: "tcp", targetPort: 80, publishedPort: 8080, publishMode: "host" }] };

test("new tasks become pending with the service's ports", async () => {
  await using cluster = new ManagerWorld([]);
  await cluster.lead();
  const service = await cluster.create({ endpoint, ...replicated(2) });
  expect(cluster.service(service.id).endpoint).toEqual({ spec: endpoint, ports: endpoint.ports, virtualIps: [] });
  for (const task of cluster.tasks()) {
    expect(task).toMatchObject({
      endpoint: { spec: endpoint, ports: endpoint.ports },
      status: { state: "pending", message: "pending task scheduling", error: "no suitable node" },
    });
  }
  expect(cluster.service(service.id).meta?.version).toBe(service.meta?.version);
});

test("a service without ports is left alone, and follows its spec when it gets some", async () => {
  await using cluster = new ManagerWorld([]);
  await cluster.lead();
  const service = await cluster.create();
  expect(cluster.service(service.id).endpoint).toBeNull();
  await cluster.manager.control.execute({
    type: "updateService",
    updateService: { serviceId: service.id, version: service.meta!.version, spec: serviceSpec({ endpoint }), rollback: "none", registryAuthSource: "spec" },
  });
  await cluster.settle();
  expect(cluster.service(service.id).endpoint?.ports).toEqual(endpoint.ports);
});

test("a task that is not wanted any more stays as it is; one that was left by the last leader goes on", async () => {
  await using cluster = new ManagerWorld([]);
  await cluster.settle();
  await cluster.write((tx) => {
    tx.create("task", testTask("unwanted", { state: "new", desiredState: "shutdown", serviceId: "s" }));
    tx.create("task", testTask("left", { state: "new", serviceId: "s", nodeId: "" }));
  });
  await cluster.leadWith(new Allocator({ store: cluster.store, clock: cluster.clock }));
  expect(cluster.tasks().map(({ id, status }) => [id, status?.state])).toEqual([
    ["unwanted", "new"],
    ["left", "pending"],
  ]);
});
