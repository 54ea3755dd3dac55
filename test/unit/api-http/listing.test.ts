import { expect, test } from "vitest";
import { containerStatusText } from "../../../src/api/http/convert/container-summary.js";
import { countTasks } from "../../../src/api/http/service-status.js";
import type { ContainerInfo } from "../../../src/runtime/container-runtime.js";
import { containerConfig } from "../../support/container-config.js";
import { nodeObject } from "../../support/fake-backend.js";
import { activeFixture, serviceBody } from "./server-fixture.js";

async function cluster() {
  const fixture = await activeFixture();
  await fixture.backend.store.update((tx) => {
    tx.create("node", { ...nodeObject("worker-id-1", "web-host"), spec: { name: "", labels: { zone: "a" }, role: "worker", availability: "active" } });
  });
  await fixture.call(
    "POST",
    "/services/create",
    serviceBody("web", { Labels: { tier: "front", "com.docker.stack.namespace": "shop" }, Mode: { Replicated: { Replicas: 3 } } }),
  );
  await fixture.call("POST", "/services/create", serviceBody("db", { Mode: { Global: {} } }));
  return fixture;
}

const names = (json: readonly { readonly Spec: { readonly Name: string } }[]) => json.map((item) => item.Spec.Name).sort();
const query = (filters: unknown) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;

test.each([
  [{}, ["db", "web"]],
  [{ name: { we: true } }, ["web"]],
  [{ name: ["we", "d"] }, ["db", "web"]],
  [{ label: { tier: true } }, ["web"]],
  [{ label: ["tier=front", "com.docker.stack.namespace=shop"] }, ["web"]],
  [{ label: ["tier=back"] }, []],
  [{ mode: ["global"] }, ["db"]],
  [{ mode: { replicated: true } }, ["web"]],
  [{ runtime: ["container"] }, ["db", "web"]],
  [{ runtime: ["plugin"] }, []],
  [{ name: { we: false } }, ["db", "web"]],
])("services by %j", async (filters, expected) => {
  const { call } = await cluster();
  expect(names((await call("GET", `/services?${query(filters)}`)).json)).toEqual(expected);
});

test.each([
  [{ role: ["worker"] }, ["web-host"]],
  [{ role: ["manager"] }, ["node-1"]],
  [{ name: ["WEB"] }, ["web-host"]],
  [{ id: ["worker-id"] }, ["web-host"]],
  [{ "node.label": ["zone=a"] }, ["web-host"]],
  [{ label: ["disk=ssd"] }, ["node-1", "web-host"]],
  [{ membership: ["pending"] }, []],
])("nodes by %j", async (filters, expected) => {
  const { call } = await cluster();
  const { json } = await call("GET", `/nodes?${query(filters)}`);
  expect(json.map((node: { Description: { Hostname: string } }) => node.Description.Hostname).sort()).toEqual(expected);
});

test.each([
  [{ service: ["web"] }, 3],
  [{ service: ["web", "db"] }, 4],
  [{ service: ["web"], node: ["node-1"] }, 3],
  [{ service: ["web"], node: ["web-host"] }, 0],
  [{ node: ["node-1"] }, 4],
  [{ label: ["tier=front"] }, 3],
  [{ name: ["web.2"] }, 1],
  [{ "desired-state": ["running"] }, 4],
  [{ "desired-state": ["shutdown"] }, 0],
  [{ "_up-to-date": ["true"] }, 4],
  [{ "_up-to-date": ["false"] }, 0],
])("tasks by %j", async (filters, expected) => {
  const { call } = await cluster();
  expect((await call("GET", `/tasks?${query(filters)}`)).json).toHaveLength(expected);
});

test("status counts are added where asked for", async () => {
  const { call, backend } = await cluster();
  expect((await call("GET", "/services")).json[0].ServiceStatus).toBeUndefined();
  const [web] = (await call("GET", `/services?status=true&${query({ name: ["web"] })}`)).json;
  expect(web.ServiceStatus).toEqual({ RunningTasks: 3, DesiredTasks: 3, CompletedTasks: 0 });
  const service = backend.store.view.services.byName("web")[0]!;
  const [first, ...rest] = backend.store.view.tasks.byService(service.id);
  const leaving = { ...first!, desiredState: "shutdown" } as const;
  expect(countTasks(service, [leaving, ...rest])).toEqual({ running: 2, desired: 3, completed: 0 });
  const global = backend.store.view.services.byName("db")[0]!;
  expect(countTasks(global, [leaving, ...rest])).toEqual({ running: 2, desired: 2, completed: 0 });
});

test("insertDefaults shows what holds, the plain answer what was given", async () => {
  const { call } = await cluster();
  expect((await call("GET", "/services/web")).json.Spec.UpdateConfig).toBeUndefined();
  expect((await call("GET", "/services/web?insertDefaults=true")).json.Spec).toMatchObject({
    UpdateConfig: { Parallelism: 1, FailureAction: "pause", Monitor: 5_000_000_000, Order: "stop-first" },
    TaskTemplate: { RestartPolicy: { Condition: "any", Delay: 5_000_000_000 }, ContainerSpec: { StopGracePeriod: 10_000_000_000 } },
    EndpointSpec: { Mode: "vip" },
  });
});

const container = (change: Partial<ContainerInfo>): ContainerInfo => ({
  config: containerConfig("a".repeat(64), "web"),
  imageId: "sha256:1",
  isPaused: false,
  createdAtMs: 0,
  state: "running",
  pid: 1,
  startedAtMs: 0,
  exit: null,
  args: ["sleep"],
  logPath: "",
  stopSignal: "SIGTERM",
  isLogReadable: true,
  health: null,
  ...change,
});

test.each([
  [container({ state: "created" }), 5_000, "Created"],
  [container({}), 500, "Up Less than a second"],
  [container({}), 1_000, "Up 1 second"],
  [container({}), 59_000, "Up 59 seconds"],
  [container({}), 60_000, "Up About a minute"],
  [container({}), 180_000, "Up 3 minutes"],
  [container({}), 3_600_000, "Up About an hour"],
  [container({}), 47 * 3_600_000, "Up 47 hours"],
  [container({}), 49 * 3_600_000, "Up 2 days"],
  [container({ state: "exited", exit: { exitCode: 3, isOutOfMemory: false, finishedAtMs: 1_000 } }), 3_000, "Exited (3) 2 seconds ago"],
])("a container's status for people (%#)", (info, nowMs, text) => {
  expect(containerStatusText(info, nowMs)).toBe(text);
});

test("containers of this host: listed, filtered, removed", async () => {
  const { call, backend } = await activeFixture();
  for (const [letter, labels] of [
    ["a", { "com.docker.swarm.task.id": "t1" }],
    ["b", {}],
  ] as const) {
    await backend.containers.create(containerConfig(letter.repeat(64), `name-${letter}`, { labels }));
  }
  await backend.containers.start("a".repeat(64));
  const list = async (path: string) => (await call("GET", path)).json.map((item: { Names: string[] }) => item.Names[0]).sort();
  expect(await list("/containers/json")).toEqual(["/name-a"]);
  expect(await list("/containers/json?all=1")).toEqual(["/name-a", "/name-b"]);
  expect(await list(`/containers/json?all=1&${query({ "is-task": ["true"] })}`)).toEqual(["/name-a"]);
  expect(await list(`/containers/json?${query({ status: ["created"] })}`)).toEqual(["/name-b"]);
  expect(await list(`/containers/json?all=1&${query({ name: ["^/name-b$"] })}`)).toEqual(["/name-b"]);
  backend.ports.set("a".repeat(64), [{ name: "", protocol: "tcp", targetPort: 80, publishedPort: 8080, publishMode: "host" }]);
  expect((await call("GET", "/containers/json")).json[0].Ports).toEqual([{ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }]);
  expect((await call("GET", "/containers/name-a/json")).json.NetworkSettings.Ports).toEqual({ "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }] });
  expect(await call("DELETE", "/containers/name-a")).toMatchObject({ status: 409 });
  expect(await call("DELETE", "/containers/name-a?force=1")).toMatchObject({ status: 204, text: "" });
  expect(await list("/containers/json?all=1")).toEqual(["/name-b"]);
  expect(await call("GET", "/containers/name-b/checkpoints")).toMatchObject({
    status: 501,
    json: { message: "checkpoints of containers are not supported" },
  });
});

test.each([
  ["starting", false, "Up 3 minutes (health: starting)"],
  ["healthy", false, "Up 3 minutes (healthy)"],
  ["unhealthy", false, "Up 3 minutes (unhealthy)"],
  ["healthy", true, "Up 3 minutes (Paused)"],
] as const)("the status of one that was found %s (paused: %s)", (status, isPaused, text) => {
  const life = { isRestarting: false, restartCount: 0, execIds: [], health: { status, failingStreak: 0, log: [] } };
  expect(containerStatusText(container({ isPaused }), 180_000, life)).toBe(text);
});
