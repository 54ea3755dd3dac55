import { expect, test } from "vitest";
import { activeFixture, inactiveFixture, serviceBody } from "./server-fixture.js";

test("each answer carries the headers that clients negotiate by", async () => {
  const { call } = await inactiveFixture();
  for (const path of ["/_ping", "/version", "/nothing/here", "/v1.47/info", "/v1.10/info", "/nodes"]) {
    const { headers } = await call("GET", path);
    expect(headers, path).toMatchObject({ "api-version": "1.47", ostype: "linux", server: "Docker/0.1.0 (linux)", "docker-experimental": "false" });
  }
});

test.each([
  ["GET", "OK"],
  ["HEAD", ""],
])("%s /_ping tells the part in the swarm", async (method, body) => {
  const outside = await inactiveFixture();
  const before = await outside.call(method, "/_ping");
  expect(before).toMatchObject({ status: 200, text: body });
  expect(before.headers).toMatchObject({ swarm: "inactive", "cache-control": "no-cache, no-store, must-revalidate", pragma: "no-cache" });
  const inside = await activeFixture();
  expect((await inside.call(method, "/_ping")).headers.swarm).toBe("active/manager");
  inside.backend.localState = { ...inside.backend.localState, isManager: false };
  expect((await inside.call(method, "/_ping")).headers.swarm).toBe("active/worker");
});

test.each([
  ["/version", 200, undefined],
  ["/v1.24/version", 200, undefined],
  ["/v1.47/version", 200, undefined],
  ["/v1.23/version", 400, "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"],
  ["/v1.48/version", 400, "client version 1.48 is too new. Maximum supported API version is 1.47"],
  ["/v2.0/version", 400, "client version 2.0 is too new. Maximum supported API version is 1.47"],
  ["/vx/version", 404, "page not found"],
])("GET %s is %i", async (path, status, message) => {
  const { call } = await inactiveFixture();
  const answer = await call("GET", path);
  expect(answer.status).toBe(status);
  if (message !== undefined) expect(answer.json).toEqual({ message });
});

test.each([
  ["GET", "/nothing", undefined, {}, 404, "page not found"],
  ["PATCH", "/version", undefined, {}, 404, "page not found"],
  ["POST", "/version", "{}", {}, 404, "page not found"],
  ["GET", "/images/no/verb", undefined, {}, 404, "page not found"],
  ["GET", "/images/%zz/json", undefined, {}, 400, undefined],
  ["POST", "/services/create", "{", {}, 400, /^malformed JSON: /],
  ["POST", "/services/create", '{"Name":1}', {}, 400, "TaskTemplate must be given"],
  ["POST", "/services/create", "[]", {}, 400, "request body must be an object"],
  ["POST", "/services/create", "", {}, 400, "invalid JSON: got an empty request body"],
  ["POST", "/services/create", `{"x":"${"a".repeat(10 * 1024 * 1024)}"}`, {}, 413, "request body is larger than the limit of 8 MB"],
  ["POST", "/services/create", "{}", { "content-type": "nonsense" }, 415, undefined],
  ["GET", '/services?filters={"nope":{"x":true}}', undefined, {}, 400, "invalid filter 'nope'"],
  ["GET", "/services?filters={", undefined, {}, 400, "invalid filter: { is not JSON"],
  ["GET", '/nodes?filters={"role":{"boss":true}}', undefined, {}, 400, "invalid filter 'role=boss'"],
  ["GET", "/nodes/absent", undefined, {}, 404, "node absent not found"],
  ["GET", "/services/absent", undefined, {}, 404, "service absent not found"],
  ["GET", "/tasks/absent", undefined, {}, 404, "task absent not found"],
  ["GET", '/tasks?filters={"service":{"absent":true}}', undefined, {}, 404, "service absent not found"],
  ["GET", '/tasks?filters={"node":{"absent":true}}', undefined, {}, 404, "node absent not found"],
  ["DELETE", "/services/absent", undefined, {}, 404, "service absent not found"],
  ["GET", "/images/absent/json", undefined, {}, 404, "No such image: absent:latest"],
  ["GET", "/images/some/where/absent:v1/json", undefined, {}, 404, "No such image: some/where/absent:v1"],
  ["DELETE", "/images/absent", undefined, {}, 404, "No such image: absent:latest"],
  ["POST", "/images/absent/tag?repo=x", undefined, {}, 404, "No such image: absent:latest"],
  ["GET", "/containers/absent/json", undefined, {}, 404, "No such container: absent"],
  ["DELETE", "/containers/absent", undefined, {}, 404, "No such container: absent"],
  ["GET", "/networks/absent", undefined, {}, 404, "network absent not found"],
  ["GET", "/distribution/docker.io/library/bb/json", undefined, {}, 404, "manifest for docker.io/library/bb not found"],
  ["POST", "/images/create?fromImage=bb&tag=latest", undefined, {}, 404, "manifest for bb:latest not found"],
  ["POST", "/auth", '{"username":"ann","password":"wrong","serveraddress":"registry:5000"}', {}, 401, "registry:5000: unauthorized"],
  ["POST", "/auth", '{"serveraddress":"a b"}', {}, 400, '"a b" is not the address of a registry'],
  ["GET", "/images/search?term=bb", undefined, {}, 501, /^searching registries is not supported/],
  ["POST", "/images/absent/push?tag=v1", undefined, {}, 404, "An image does not exist locally with the tag: absent:v1"],
  ["GET", "/images/get", undefined, {}, 400, "names of images must be given"],
  ["POST", "/networks/create", "{}", {}, 501, /^networks cannot be created yet/],
  ["POST", "/secrets/create", "{}", {}, 501, "secrets are not supported yet"],
  ["POST", "/configs/create", "{}", {}, 501, "configs are not supported yet"],
  ["POST", "/volumes/create", { Name: "x", Driver: "flocker" }, {}, 501, 'the volume driver "flocker" is not supported yet: local is'],
  ["POST", "/containers/create", "{}", {}, 400, "no image was named"],
  ["POST", "/containers/create", '{"Image":"absent"}', {}, 404, "No such image: absent:latest"],
  ["POST", "/containers/absent/start", undefined, {}, 404, "No such container: absent"],
  ["POST", "/containers/absent/wait?condition=never", undefined, {}, 400, 'invalid condition: "never"'],
  ["POST", "/containers/absent/exec", '{"Cmd":["true"]}', {}, 404, "No such container: absent"],
  ["POST", "/exec/absent/start", "{}", {}, 404, "No such exec instance: absent"],
  ["GET", "/exec/absent/json", undefined, {}, 404, "No such exec instance: absent"],
] as const)("%s %s with a bad or unknown thing is one JSON sentence", async (method, path, body, headers, status, message) => {
  const { call, backend } = await activeFixture();
  const before = backend.store.revision;
  const answer = await call(method, path, body, headers);
  expect({ status: answer.status, type: answer.headers["content-type"] }).toEqual({ status, type: "application/json" });
  expect(Object.keys(answer.json)).toEqual(["message"]);
  if (message instanceof RegExp) expect(answer.json.message).toMatch(message);
  else if (message !== undefined) expect(answer.json.message).toBe(message);
  expect(backend.store.revision, "nothing changed").toBe(before);
});

test.each([
  ["", { SwapBytes: 5 << 20, MemorySwappiness: -1 }],
  ["/v1.47", {}],
])("under %j a service has swap as far as the version knows it", async (prefix, expected) => {
  const { call } = await activeFixture();
  const task = { ContainerSpec: { Image: "bb" }, Resources: { Limits: { MemoryBytes: 8 << 20 }, SwapBytes: 5 << 20, MemorySwappiness: -1 } };
  const made = await call("POST", `${prefix}/services/create`, { Name: "web", TaskTemplate: task });
  expect(made.status).toBe(201);
  const { json } = await call("GET", "/v1.24/services/web");
  expect(json.Spec.TaskTemplate.Resources).toEqual({ Limits: { MemoryBytes: 8 << 20 }, Reservations: {}, ...expected });
});

test("a list that is empty until its kind is built answers", async () => {
  const { call } = await activeFixture();
  for (const path of ["/secrets", "/configs", "/plugins", "/services", "/tasks"]) expect((await call("GET", path)).json, path).toEqual([]);
  expect((await call("GET", "/volumes")).json).toEqual({ Volumes: [], Warnings: null });
});

test("the host's own networks are found by name, so that services can use them", async () => {
  const { call } = await inactiveFixture();
  expect((await call("GET", "/networks")).json.map((network: { Name: string }) => network.Name)).toEqual(["bridge", "host", "none"]);
  expect((await call("GET", "/networks/host?scope=swarm")).json).toMatchObject({ Id: "host", Driver: "host" });
  expect((await call("GET", '/networks?filters={"name":["bri"]}')).json).toHaveLength(1);
});

test("info and version never wait for a quorum", async () => {
  const { call, backend } = await activeFixture();
  backend.isReadStuck = true;
  const info = await call("GET", "/info");
  expect(info.json.Swarm).toMatchObject({ LocalNodeState: "active", ControlAvailable: true, Nodes: 1, Managers: 1 });
  expect(info.json.Swarm.Cluster.ID).toBe(backend.store.view.cluster!.id);
  expect((await call("GET", "/metrics")).text).toContain("up 1");
});

test("info shows the cluster without its tokens, and nothing shows the signing key", async () => {
  const { call, backend } = await activeFixture();
  const info = await call("GET", "/info");
  expect(info.json.Swarm).toMatchObject({ NodeID: backend.localState.nodeId, Nodes: 1, Managers: 1, RemoteManagers: [{ Addr: "10.88.0.1:2377" }] });
  expect(info.json.Swarm.Cluster.ID).toBe(backend.store.view.cluster!.id);
  expect(info.text).not.toContain("SWMTKN");
  const swarm = await call("GET", "/swarm");
  expect(swarm.json.JoinTokens).toEqual({ Worker: "SWMTKN-1-root-worker", Manager: "SWMTKN-1-root-manager" });
  expect(info.text + swarm.text).not.toContain("the signing key");
});

test.each([
  ["extfs", null],
  ["overlayfs", ["WARNING: the data root is on overlayfs, where no container can be started: put it on a file system such as ext4 or xfs"]],
])("info warns of a data root that containers cannot write to: %s", async (backingFilesystem, warnings) => {
  const { call, backend } = await activeFixture();
  backend.host = { ...backend.host, backingFilesystem };
  expect((await call("GET", "/info")).json.Warnings).toEqual(warnings);
});

test("a write that is too large is refused with its size and the limit", async () => {
  const { call } = await activeFixture();
  const large = await call("POST", "/services/create", serviceBody("web", { Labels: { filler: "x".repeat(2_000_000) } }));
  expect(large.status).toBe(400);
  expect(large.json.message).toMatch(/^rpc error: code = OutOfRange desc = service web of 2000\d\d\d bytes is larger than the limit of 1400000 bytes$/);
  const larger = await call("POST", "/services/create", serviceBody("web", { Labels: { filler: "x".repeat(9_000_000) } }));
  expect(larger).toMatchObject({ status: 413, json: { message: "request body is larger than the limit of 8 MB" } });
});

test("an event stream that ends in the past ends at once", async () => {
  const { call } = await inactiveFixture();
  expect(await call("GET", "/events?until=1")).toMatchObject({ status: 200, text: "" });
});

test("a body of another type is read by what it holds", async () => {
  const { call } = await activeFixture();
  expect((await call("POST", "/services/create", serviceBody("web"), { "content-type": "text/plain" })).status).toBe(201);
});
