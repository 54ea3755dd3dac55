import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { ClusterError } from "../../../src/base/errors.js";
import { unpublishedOf } from "../../../src/api/http/convert/network-settings.js";
import { EMPTY_CONFIG } from "../../../src/runtime/images/import-changes.js";
import { maskedPathsOf, readOnlyPathsOf } from "../../../src/runtime/masked-paths.js";
import { type Fixture, inactiveFixture } from "./server-fixture.js";

async function host(): Promise<Fixture> {
  const fixture = await inactiveFixture();
  await fixture.backend.images.import(Readable.from([]), { reference: "bb:v1", message: "", changes: [], platform: "" });
  return fixture;
}

const SIZED = { "content-length": "20" };
test.each([
  ["POST", "/containers/one/start", { Privileged: true }, SIZED, 400, /^starting container with non-empty request body was deprecated/],
  ["POST", "/containers/one/start?checkpoint=x", undefined, {}, 400, "checkpoints of containers are not supported"],
  ["GET", "/containers/one/checkpoints", undefined, {}, 501, "checkpoints of containers are not supported"],
  ["POST", "/containers/one/checkpoints", {}, {}, 501, "checkpoints of containers are not supported"],
  ["DELETE", "/containers/one/checkpoints/x", undefined, {}, 501, "checkpoints of containers are not supported"],
  ["DELETE", "/networks/bridge", undefined, {}, 403, "bridge is a pre-defined network and cannot be removed"],
  ["DELETE", "/networks/none-such", undefined, {}, 404, "network none-such not found"],
  ["POST", "/networks/bridge/connect", { Container: "none" }, {}, 404, "No such container: none"],
  ["POST", "/networks/other/connect", { Container: "one" }, {}, 404, "network other not found"],
  ["POST", "/networks/bridge/disconnect", { Container: "one" }, {}, 501, /^cannot disconnect container one and network bridge/],
  ["GET", '/networks?filters={"type":["nonsense"]}', undefined, {}, 400, "invalid filter: 'type'='nonsense'"],
  ["GET", "/plugins/none/json", undefined, {}, 404, 'plugin "none" not found'],
  ["POST", "/plugins/some/where:v1/enable", undefined, {}, 404, 'plugin "some/where:v1" not found'],
  ["DELETE", "/plugins/none", undefined, {}, 404, 'plugin "none" not found'],
  ["POST", "/plugins/pull?remote=x", [], {}, 501, /^plugins are not supported/],
  ["POST", "/build?t=x", "", {}, 501, /^building images is not supported/],
  ["POST", "/build/cancel", undefined, {}, 400, "build ID not provided"],
  ["POST", "/images/create?fromSrc=http%3A%2F%2Fnowhere%2Fx.tar", undefined, {}, 404, "http://nowhere/x.tar: it answered 404"],
] as const)("%s %s is refused with %j %j", async (method, path, body, headers, status, message) => {
  const { call } = await host();
  expect(await call("POST", "/containers/create?name=one", { Image: "bb:v1" })).toMatchObject({ status: 201 });
  const answer = await call(method, path, body, headers);
  expect(answer).toMatchObject({ status, json: { message: expect.stringMatching(message) } });
});

test("inspect shows what holds also where nothing was asked for", async () => {
  const { call, backend } = await host();
  const { json } = await call("POST", "/containers/create?name=one", { Image: "bb:v1", Env: ["A=b"], HostConfig: { Init: true } });
  const inspected = (await call("GET", "/containers/one/json")).json;
  expect(inspected.Config).toMatchObject({ Hostname: json.Id.slice(0, 12), Env: ["A=b"], Image: "bb:v1", OnBuild: null });
  expect(inspected.HostConfig).toMatchObject({ MaskedPaths: expect.arrayContaining(["/proc/kcore"]), ReadonlyPaths: expect.arrayContaining(["/proc/sys"]) });
  expect(inspected.HostsPath).toBe(`/var/lib/swarmd/containers/${json.Id}/hosts`);
  await backend.containers.start(json.Id);
  const network = (await call("GET", "/networks/bridge")).json;
  expect(network.IPAM.Config).toEqual([{ Subnet: "172.30.0.0/16", Gateway: "172.30.0.1" }]);
  expect(Object.keys(network.Containers)).toEqual([json.Id]);
});

test("an image for another platform than the one that is asked for is not there, so that clients pull it", async () => {
  const { call } = await host();
  const { architecture, os } = await call("GET", "/images/bb:v1/json").then(({ json }) => ({ architecture: json.Architecture, os: json.Os }));
  expect(await call("POST", `/containers/create?platform=${os}/${architecture}`, { Image: "bb:v1" })).toMatchObject({ status: 201 });
  const message = `image with reference bb:v1 was found but does not match the specified platform: wanted linux/s390x, actual: ${os}/${architecture}`;
  expect(await call("POST", "/containers/create?platform=linux/s390x", { Image: "bb:v1" })).toMatchObject({ status: 404, json: { message } });
  expect(await call("POST", "/containers/create?platform=plan9", { Image: "bb:v1" })).toMatchObject({ status: 400 });
});

test.each([
  ["bb", [["bb:v1"]]],
  ["x/*", [["x/y:1"]]],
  ["*:v1", [["bb:v1"]]],
  ["bb@sha256:*", [[]]],
  ["none", []],
])("images by the name %j are listed with the names that it means", async (reference, expected) => {
  const { call, backend } = await host();
  await backend.images.tag("bb:v1", "x/y:1");
  const image = backend.images.resolve("bb:v1");
  if (image === undefined) throw new Error("it was not made");
  backend.images.list = () => [{ ...image, digests: ["bb@sha256:123"] }];
  const { json } = await call("GET", `/images/json?filters=${encodeURIComponent(JSON.stringify({ reference: [reference] }))}`);
  expect(json.map(({ RepoTags }: { RepoTags: string[] }) => RepoTags)).toEqual(expected);
  if (reference === "bb") expect(json[0].RepoDigests).toEqual(["bb@sha256:123"]);
});

test("an entrypoint of one empty word is none", async () => {
  const { call } = await host();
  const { json } = await call("POST", "/containers/create", { Image: "bb:v1", Entrypoint: [""], Cmd: ["echo", "e"] });
  const { Config } = (await call("GET", `/containers/${json.Id}/json`)).json;
  expect([Config.Entrypoint, Config.Cmd]).toEqual([null, ["echo", "e"]]);
});

test("ports of a container without a network of its own: discarded on the host's, with a warning, and refused on another container's", async () => {
  const { call, backend } = await host();
  await call("POST", "/containers/create?name=near", { Image: "bb:v1" });
  const create = (NetworkMode: string, HostConfig: object, more: object = {}) =>
    call("POST", "/containers/create", { Image: "bb:v1", HostConfig: { NetworkMode, ...HostConfig }, ...more });
  const published = { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } };
  const exposed = { ExposedPorts: { "80/tcp": {} } };
  const { status, json } = await create("host", published, exposed);
  expect([status, json.Warnings]).toEqual([201, ["Published ports are discarded when using host network mode"]]);
  await backend.containers.start(json.Id);
  expect((await call("GET", `/containers/${json.Id}/json`)).json).toMatchObject({ HostConfig: published, NetworkSettings: { Ports: {} } });
  expect((await create("none", published)).json.Warnings).toEqual([]);
  for (const [what, host, more] of [
    ["publishing", published, exposed],
    ["exposing", {}, exposed],
  ] as const) {
    const message = `conflicting options: port ${what} and the container type network mode`;
    expect(await create("container:near", host, more)).toMatchObject({ status: 400, json: { message } });
  }
});

test("ports that it only says it listens on are shown with it, and kept by an image that is made of it", async () => {
  const { call, backend } = await host();
  const HostConfig = { PortBindings: { "81/tcp": [{ HostPort: "8081" }] } };
  const { json } = await call("POST", "/containers/create?name=web", { Image: "bb:v1", ExposedPorts: { "90/udp": {}, "91": {}, "81/tcp": {} }, HostConfig });
  const ports = async () => {
    const { Config, NetworkSettings } = (await call("GET", "/containers/web/json")).json;
    return [Config.ExposedPorts, NetworkSettings.Ports, (await call("GET", "/containers/json?all=1")).json[0].Ports];
  };
  const exposed = { "81/tcp": {}, "90/udp": {}, "91/tcp": {} };
  expect(await ports()).toEqual([exposed, {}, []]);
  await backend.containers.start(json.Id);
  const quiet = [
    { PrivatePort: 91, Type: "tcp" },
    { PrivatePort: 90, Type: "udp" },
    { PrivatePort: 81, Type: "tcp" },
  ];
  expect(await ports()).toEqual([exposed, { "81/tcp": null, "90/udp": null, "91/tcp": null }, quiet]);
  await call("POST", "/commit?container=web&repo=web&tag=v2&pause=0");
  expect((await call("GET", "/images/web:v2/json")).json.Config.ExposedPorts).toEqual(exposed);
  expect(await call("POST", "/containers/create", { Image: "bb:v1", ExposedPorts: { http: {} } })).toMatchObject({ status: 400 });
  const info = backend.containers.inspect(json.Id);
  if (info === undefined) throw new Error("it was not made");
  const published = [{ name: "", protocol: "tcp", targetPort: 81, publishedPort: 8081, publishMode: "host" }] as const;
  expect(unpublishedOf(info, published, { ...EMPTY_CONFIG, exposedPorts: ["80/tcp"] })).toEqual(["80/tcp", "91/tcp", "90/udp"]);
});

test.each([
  [{}, ["/proc/kcore", "/proc/sys"], ["mask", "readonly"]],
  [{ MaskedPaths: [], ReadonlyPaths: [] }, [], []],
  [{ MaskedPaths: ["/proc/kcore"], ReadonlyPaths: [] }, ["/proc/kcore"], ["mask"]],
])("the paths that %j hides and protects are hidden and protected", async (HostConfig, paths, kinds) => {
  const { call, backend } = await host();
  const { json } = await call("POST", "/containers/create?name=one", { Image: "bb:v1", HostConfig });
  const config = backend.containers.inspect(json.Id)?.config;
  if (config === undefined) throw new Error("it was not made");
  const protectedOnes = [...maskedPathsOf(config), ...readOnlyPathsOf(config)];
  expect(protectedOnes.filter((path) => paths.includes(path))).toEqual(paths);
  expect([maskedPathsOf(config).length > 0, readOnlyPathsOf(config).length > 0]).toEqual([kinds.includes("mask"), kinds.includes("readonly")]);
  const inspected = (await call("GET", "/containers/one/json")).json.HostConfig;
  expect([...inspected.MaskedPaths, ...inspected.ReadonlyPaths]).toEqual(protectedOnes);
  // What was inspected can be asked for again, as programs do that make containers anew.
  const { MaskedPaths, ReadonlyPaths } = inspected;
  expect(await call("POST", "/containers/create", { Image: "bb:v1", HostConfig: { MaskedPaths, ReadonlyPaths } })).toMatchObject({ status: 201 });
});

test("what cannot be had on Linux is refused", async () => {
  const { call } = await host();
  const create = (HostConfig: object) => call("POST", "/containers/create", { Image: "bb:v1", HostConfig });
  const message = `Invalid isolation: "hyperv" - linux only supports 'default'`;
  expect(await create({ Isolation: "hyperv" })).toMatchObject({ status: 400, json: { message } });
  expect(await create({ Isolation: "default" })).toMatchObject({ status: 201 });
  expect(await create({ MaskedPaths: ["proc"] })).toMatchObject({ status: 400, json: { message: 'HostConfig.MaskedPaths "proc" is no absolute path' } });
});

test("each kind tells of its pruning and of what it freed", async () => {
  const { call, backend } = await host();
  await call("POST", "/containers/create?name=one", { Image: "bb:v1" });
  for (const path of ["/containers/prune", "/volumes/prune", "/networks/prune", "/images/prune", "/build/prune"]) {
    expect((await call("POST", path)).status, path).toBe(200);
  }
  const told = backend.engine.events.past().filter(({ action }) => action === "prune");
  expect(told.map(({ type, id, attributes }) => [type, id, Object.keys(attributes)])).toEqual(
    ["container", "volume", "network", "image", "builder"].map((type) => [type, "", ["reclaimed"]]),
  );
  const lines = (await call("GET", `/events?since=1&until=${Math.ceil(Date.now() / 1000)}&filters={"event":["prune"]}`)).text.trim().split("\n");
  expect(lines).toHaveLength(5);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ status: "prune", Type: "container", Action: "prune", Actor: { ID: "", Attributes: { reclaimed: "0" } } });
  expect(JSON.parse(lines[1] ?? "")).not.toHaveProperty("status");
});

test("an import from a web server: progress, then the id; what goes wrong on the way is the last line", async () => {
  const { call, backend } = await host();
  const url = "http://files/root.tar";
  backend.transfer.archives.set(url, [Buffer.alloc(700_000), Buffer.alloc(700_000)]);
  const path = `/images/create?fromSrc=${encodeURIComponent(url)}&repo=far&tag=v1&changes=${encodeURIComponent("ENV A=b")}`;
  const lines = (await call("POST", path)).text.trim().split("\r\n");
  expect(JSON.parse(lines[0] ?? "")).toEqual({ status: `Downloading from ${url}` });
  expect(lines.some((line) => line.includes("progressDetail"))).toBe(true);
  expect(JSON.parse(lines.at(-1) ?? "")).toEqual({ status: expect.stringMatching(/^sha256:/) });
  expect(backend.images.imports.at(-1)).toMatchObject({ reference: "far:v1", changes: ["ENV A=b"], message: `Imported from ${url}`, sizeBytes: 1_400_000 });

  async function* broken() {
    yield Buffer.alloc(10);
    throw new ClusterError("unavailable", "http://files broke off after 10 bytes");
  }
  backend.transfer.archives.set(url, broken());
  const last = (await call("POST", path)).text.trim().split("\r\n").at(-1) ?? "";
  expect(JSON.parse(last)).toMatchObject({ error: "http://files broke off after 10 bytes" });
  backend.images.importError = new ClusterError("invalid_argument", "not a valid archive: it is none");
  backend.transfer.archives.set(url, [Buffer.alloc(10)]);
  expect(JSON.parse((await call("POST", path)).text.trim().split("\r\n").at(-1) ?? "")).toMatchObject({ error: "not a valid archive: it is none" });
});

test("a container whose record is damaged is listed as dead, and nothing can be done with it", async () => {
  const { call, backend } = await host();
  await call("POST", "/containers/create?name=one", { Image: "bb:v1" });
  const id = "c0ffee".padEnd(64, "0");
  backend.containers.damaged = [id];
  const listed = async (query: string) => (await call("GET", `/containers/json?${query}`)).json as readonly { readonly Id: string; readonly State: string }[];
  const filters = (asked: object) => `all=1&filters=${encodeURIComponent(JSON.stringify(asked))}`;
  expect((await listed("all=1")).map(({ State }) => State)).toEqual(["created", "dead"]);
  expect(await listed("")).toEqual([]);
  expect(await listed("limit=1")).toHaveLength(1);
  for (const [asked, count] of [
    [{ status: ["dead"] }, 1],
    [{ status: ["exited"] }, 0],
    [{ id: ["c0ff"] }, 1],
    [{ id: ["d"], status: ["dead"] }, 0],
    [{ name: ["c0ffee"] }, 1],
    [{ label: ["a"] }, 0],
  ] as const) {
    expect(
      (await listed(filters(asked))).filter((each) => each.Id === id),
      JSON.stringify(asked),
    ).toHaveLength(count);
  }
  expect((await call("GET", "/containers/c0ffee/json")).json).toMatchObject({ Id: id, Name: "/c0ffee000000", State: { Status: "dead", Dead: true } });
  const refused = {
    status: 409,
    json: { message: expect.stringMatching(`container ${id} has a damaged record, and nothing can be done with it: put the record back`) },
  };
  for (const [method, path] of [
    ["DELETE", "/containers/c0ffee?force=1"],
    ["POST", "/containers/c0ffee/start"],
    ["GET", "/containers/c0ffee/logs?stdout=1"],
  ] as const) {
    expect(await call(method, path), path).toMatchObject(refused);
  }
});
