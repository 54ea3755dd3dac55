import { expect, test } from "vitest";
import { isTaskDirty } from "../../../src/model/dirty.js";
import type { PortConfig, ServiceSpec, TaskSpec } from "../../../src/model/objects.js";
import { replicated, serviceSpec, testNode, testService, testTask } from "../../support/services.js";
import { containerSpec, taskSpec } from "../../support/tasks.js";

const port: PortConfig = { name: "", protocol: "tcp", targetPort: 80, publishedPort: 8080, publishMode: "host" };
const placement = (...constraints: string[]) => ({ constraints, preferences: [], maxReplicas: 0, platforms: [] });

test("a task of the same spec version is clean, whatever it looks like", () => {
  expect(isTaskDirty(testService(), testTask("t1", { spec: taskSpec({ image: "other" }) }), undefined)).toBe(false);
});

test.each<[string, Partial<ServiceSpec>, boolean]>([
  ["nothing", {}, false],
  ["replicas", replicated(7), false],
  ["service labels", { labels: { a: "b" } }, false],
  ["update settings", { update: { parallelism: 2, delayNs: 1n, failureAction: "continue", monitorNs: 0n, maxFailureRatio: 0, order: "start_first" } }, false],
  ["image", { task: taskSpec({ image: "bb:v2" }) }, true],
  ["environment", { task: taskSpec({ env: ["A=b"] }) }, true],
  ["container labels", { task: taskSpec({ labels: { a: "b" } }) }, true],
  ["a forced update", { task: taskSpec({}, { forceUpdate: 1 }) }, true],
  ["the log driver", { task: taskSpec({}, { logDriver: { name: "none", options: {} } }) }, true],
  ["a network", { task: taskSpec({}, { networks: [{ target: "n1", aliases: [], driverOptions: {} }] }) }, true],
  ["a memory limit", { task: taskSpec({}, { resources: { limits: { nanoCpus: 0n, memoryBytes: 1n, pids: 0n }, reservations: null } }) }, true],
  ["no resources, said in another way", { task: taskSpec({}, { resources: { limits: null, reservations: null } }) }, false],
  ["a restart policy", { task: taskSpec({}, { restart: { condition: "none", maxAttempts: 0, windowNs: 0n } }) }, true],
  [
    "the default restart policy, spelt out",
    { task: taskSpec({}, { restart: { condition: "any", delayNs: 5_000_000_000n, maxAttempts: 0, windowNs: 0n } }) },
    false,
  ],
  ["a published port", { endpoint: { mode: "vip", ports: [port] } }, true],
  ["the default endpoint, spelt out", { endpoint: { mode: "vip", ports: [] } }, false],
  ["the endpoint mode", { endpoint: { mode: "dnsrr", ports: [] } }, true],
  ["an empty placement", { task: taskSpec({}, { placement: placement() }) }, false],
  ["a constraint that the node meets", { task: taskSpec({}, { placement: placement("node.labels.disk==ssd") }) }, false],
  ["a constraint that the node does not meet", { task: taskSpec({}, { placement: placement("node.labels.disk==hdd") }) }, true],
  [
    "a constraint that the node meets and a port",
    { task: taskSpec({}, { placement: placement("node.labels.disk==ssd") }), endpoint: { mode: "vip", ports: [port] } },
    true,
  ],
])("a spec that changes %s", (_, change, dirty) => {
  const service = testService(change, { specVersion: 2 });
  expect(isTaskDirty(service, testTask("t1"), testNode("node1", { labels: { disk: "ssd" } }))).toBe(dirty);
});

test("a task without a node is dirty when its placement changes", () => {
  const service = testService({ task: taskSpec({}, { placement: placement("node.id==node1") }) }, { specVersion: 2 });
  expect(isTaskDirty(service, testTask("t1", { nodeId: "", state: "pending" }), undefined)).toBe(true);
});

test.each([
  ["new", true],
  ["pending", true],
  ["assigned", false],
  ["running", false],
] as const)("another limit of replicas on a node, for a task that is %s", (state, dirty) => {
  const service = testService({ task: taskSpec({}, { placement: { ...placement(), maxReplicas: 2 } }) }, { specVersion: 2 });
  expect(isTaskDirty(service, testTask("t1", { state }), testNode("node1"))).toBe(dirty);
});

test.each([
  ["pending", true],
  ["preparing", true],
  ["ready", false],
  ["starting", false],
  ["running", false],
  ["failed", true],
] as const)("other registry credentials, for a task that is %s", (state, dirty) => {
  const task: TaskSpec = { ...taskSpec(), container: containerSpec({ registryAuth: "e30=" }) };
  expect(isTaskDirty(testService({ ...serviceSpec(), task }, { specVersion: 2 }), testTask("t1", { state }), testNode("node1"))).toBe(dirty);
});
