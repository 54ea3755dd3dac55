import { expect, test } from "vitest";
import { newTask } from "../../../../src/manager/orchestrator/new-task.js";
import type { PortConfig } from "../../../../src/model/objects.js";
import { testService } from "../../../support/services.js";

const hostPort: PortConfig = { name: "", protocol: "tcp", targetPort: 80, publishedPort: 8080, publishMode: "host" };
const ingressPort: PortConfig = { ...hostPort, publishedPort: 9090, publishMode: "ingress" };

test("a task carries what it was made from", () => {
  const service = testService({ labels: { a: "b" } }, { specVersion: 7 });
  const task = newTask({ id: "t1", service, slot: 3, nodeId: "", desiredState: "running", nowMs: 42 });
  expect(task).toMatchObject({
    name: "web.3.t1",
    serviceId: service.id,
    serviceName: "web",
    serviceLabels: { a: "b" },
    spec: service.spec?.task,
    specVersion: 7,
    endpoint: null,
    status: { state: "new", message: "created", timestampMs: 42 },
  });
  expect("replacesTaskId" in task || "startDelayMs" in task).toBe(false);
});

test("a global task is named after its node, and host ports are its own", () => {
  const endpoint = { mode: "vip" as const, ports: [hostPort, ingressPort] };
  const task = newTask({
    id: "t1",
    service: testService({ endpoint }),
    slot: 0,
    nodeId: "n1",
    desiredState: "ready",
    nowMs: 1,
    replacesTaskId: "t0",
    startDelayMs: 5,
  });
  expect(task).toMatchObject({
    name: "web.n1.t1",
    nodeId: "n1",
    endpoint: { spec: endpoint, ports: [hostPort], virtualIps: [] },
    replacesTaskId: "t0",
    startDelayMs: 5,
  });
});
