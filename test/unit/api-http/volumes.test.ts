import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { inactiveFixture } from "./server-fixture.js";

const query = (filters: unknown) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;

/** Three volumes and a container that has one of them. */
async function host() {
  const fixture = await inactiveFixture();
  const { backend, call } = fixture;
  for (const [name, labels] of [
    ["data", { tier: "db" }],
    ["logs", {}],
    ["", {}],
  ] as const) {
    await backend.volumes.create({ name, driver: "", options: {}, labels });
  }
  await backend.images.import(Readable.from([]), { reference: "bb:v1", message: "", changes: [], platform: "" });
  const { json } = await call("POST", "/containers/create?name=c", { Image: "bb:v1", HostConfig: { Binds: ["data:/d"] } });
  backend.volumes.holders.set("data", [json.Id]);
  const named = (names: readonly string[]) => names.map((name) => (name.length === 64 ? "anonymous" : name));
  return { ...fixture, id: json.Id as string, named };
}

test("a volume as Docker shows it", async () => {
  const { call } = await inactiveFixture();
  const body = { Name: "data", Driver: "local", DriverOpts: { type: "tmpfs", device: "tmpfs" }, Labels: { a: "b" } };
  const shown = {
    CreatedAt: "2023-11-14T22:13:20.000Z",
    Driver: "local",
    Labels: { a: "b" },
    Mountpoint: "/volumes/data/_data",
    Name: "data",
    Options: { type: "tmpfs", device: "tmpfs" },
    Scope: "local",
  };
  expect(await call("POST", "/volumes/create", body)).toMatchObject({ status: 201, json: shown });
  expect(await call("POST", "/volumes/create", body)).toMatchObject({ status: 201, json: shown });
  expect((await call("GET", "/volumes/data")).json).toEqual(shown);
  expect((await call("GET", "/volumes")).json).toEqual({ Volumes: [shown], Warnings: null });
  const other = await call("POST", "/volumes/create", { ...body, DriverOpts: { type: "nfs", device: ":/x" } });
  expect(other).toMatchObject({ status: 409, json: { message: expect.stringContaining('already exists with other options: type is "tmpfs", not "nfs"') } });
});

test.each([
  ["GET", "/volumes/none", undefined, 404, "get none: no such volume"],
  ["DELETE", "/volumes/none", undefined, 404, "get none: no such volume"],
  ["POST", "/volumes/create", { Name: "a/b" }, 400, /^create a\/b: "a\/b" includes invalid characters/],
  ["POST", "/volumes/create", { Name: "ab", DriverOpts: { x: "y" } }, 400, 'invalid option: "x"'],
  ["POST", "/volumes/create", { Name: "ab", ClusterVolumeSpec: { Group: "g" } }, 501, "ClusterVolumeSpec is not supported"],
  ["GET", `/volumes?${query({ size: ["1"] })}`, undefined, 400, "invalid filter 'size'"],
  ["PUT", "/volumes/x?version=1", {}, 501, "cluster volumes are not supported yet"],
] as const)("%s %s %j is refused", async (method, path, body, status, message) => {
  const { call } = await inactiveFixture();
  const answer = await call(method, path, body);
  expect(answer.status).toBe(status);
  expect(answer.json.message).toMatch(message);
});

test.each([
  [{}, ["anonymous", "data", "logs"]],
  [{ name: ["dat"] }, ["data"]],
  [{ name: { "^lo": true } }, ["logs"]],
  [{ label: ["tier=db"] }, ["data"]],
  [{ driver: ["local"] }, ["anonymous", "data", "logs"]],
  [{ driver: ["nfs"] }, []],
  [{ dangling: ["true"] }, ["anonymous", "logs"]],
  [{ dangling: ["0"] }, ["data"]],
])("volumes by %j", async (filters, expected) => {
  const { call, named } = await host();
  const { json } = await call("GET", `/volumes?${query(filters)}`);
  expect(named(json.Volumes.map(({ Name }: { Name: string }) => Name)).toSorted()).toEqual(expected);
});

test("one in use is not removed; by force, one that is not there is", async () => {
  const { call, id } = await host();
  expect(await call("DELETE", "/volumes/data")).toMatchObject({ status: 409, json: { message: `remove data: volume is in use - [${id}]` } });
  expect((await call("DELETE", "/volumes/logs")).status).toBe(204);
  expect((await call("DELETE", "/volumes/logs?force=1")).status).toBe(204);
});

test.each([
  ["/v1.47/volumes/prune", {}, ["anonymous"]],
  ["/v1.47/volumes/prune", { all: ["true"] }, ["anonymous", "logs"]],
  ["/v1.47/volumes/prune", { all: ["true"], label: ["tier"] }, []],
  ["/v1.47/volumes/prune", { all: ["1"], "label!": ["tier"] }, ["anonymous", "logs"]],
  ["/v1.41/volumes/prune", {}, ["anonymous", "logs"]],
])("POST %s with %j removes %j", async (path, filters, expected) => {
  const { call, named } = await host();
  const { json } = await call("POST", `${path}?${query(filters)}`);
  expect({ ...json, VolumesDeleted: named(json.VolumesDeleted).toSorted() }).toEqual({ VolumesDeleted: expected, SpaceReclaimed: expected.length * 10 });
});

test("one with options is not pruned: its content may be elsewhere", async () => {
  const { call } = await host();
  const DriverOpts = { type: "nfs", o: "addr=192.0.2.1", device: ":/srv" };
  expect(await call("POST", "/volumes/create", { Name: "far", DriverOpts })).toMatchObject({ status: 201 });
  const { json } = await call("POST", `/v1.47/volumes/prune?${query({ all: ["true"] })}`);
  expect(json.VolumesDeleted).not.toContain("far");
  expect((await call("GET", "/volumes/far")).status).toBe(200);
});

test("events tell of volumes", async () => {
  const { call } = await host();
  await call("DELETE", "/volumes/logs");
  const { text } = await call("GET", `/events?since=1&until=${Math.floor(Date.now() / 1000)}&${query({ type: ["volume"], volume: ["logs"] })}`);
  const events = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events.map(({ Action, Actor }) => [Action, Actor])).toEqual([
    ["create", { ID: "logs", Attributes: { driver: "local" } }],
    ["destroy", { ID: "logs", Attributes: { driver: "local" } }],
  ]);
  expect(events[0]).toMatchObject({ Type: "volume", scope: "local" });
});

test("containers by volume, and their removal with volumes", async () => {
  const { call, backend, id } = await host();
  for (const [word, count] of [
    ["data", 1],
    ["/d", 1],
    ["logs", 0],
  ]) {
    expect((await call("GET", `/containers/json?all=1&${query({ volume: [word] })}`)).json).toHaveLength(Number(count));
  }
  await call("DELETE", `/containers/${id}?v=1`);
  expect(backend.containers.calls.at(-1)).toBe("remove c with its volumes");
});

test.each([
  ["POST", "/volumes/prune"],
  ["DELETE", "/volumes/logs"],
  ["POST", "/images/prune"],
  ["DELETE", "/images/bb:v1?force=1"],
] as const)("%s %s removes nothing while there is a container of which nobody knows what it uses", async (method, path) => {
  const { backend, call } = await host();
  backend.containers.damaged = ["c0ffee"];
  const before = [backend.volumes.list(), backend.images.list()];
  expect(await call(method, path)).toMatchObject({ status: 409, json: { message: expect.stringContaining("container c0ffee has a damaged record") } });
  expect([backend.volumes.list(), backend.images.list()]).toEqual(before);
});
