import { Readable } from "node:stream";
import { beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../../src/base/log.js";
import { createHttpServer, type HttpServer } from "../../../src/api/http/server.js";
import { containerConfig } from "../../support/container-config.js";
import { activeBackend, type FakeBackend } from "../../support/fake-backend.js";

let backend: FakeBackend;
let server: HttpServer;

const idOf = (letter: string) => letter.repeat(64);
const call = async (method: "GET" | "POST", url: string) => {
  const answer = await server.app.inject({ method, url });
  return { status: answer.statusCode, json: answer.json() };
};
const filtered = async (filters: object) => {
  const { status, json } = await call("GET", `/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`);
  return status === 200 ? json.map((each: { Names: string[] }) => each.Names[0]).toSorted() : status;
};
const single = {
  restart: { name: "no", retriesMax: 0 },
  isAutoRemoved: false,
  ports: [{ name: "", protocol: "tcp", targetPort: 80, publishedPort: 0, publishMode: "host" }],
  published: [{ name: "", protocol: "tcp", targetPort: 80, publishedPort: 8080, publishMode: "host" }],
  isStopped: false,
  request: { attachStdin: false, attachStdout: true, attachStderr: true, binds: [] },
  stopTimeoutMs: 0,
} as const;

beforeEach(async () => {
  backend = await activeBackend();
  server = createHttpServer({ backend, logger: silentLogger, clock: backend.clock });
  await backend.images.import(Readable.from([Buffer.alloc(1000)]), { reference: "bb:v1", message: "", changes: [], platform: "" });
  const mount = { type: "bind", source: "/srv/data", target: "/data", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 } as const;
  await backend.containers.create(containerConfig(idOf("a"), "up", { single, mounts: [mount] }));
  await backend.containers.create(
    containerConfig(idOf("b"), "ended", { single: { ...single, ports: [], published: [], exposed: ["90/udp"] }, labels: { keep: "yes" } }),
  );
  await backend.containers.start(idOf("a"));
  await backend.containers.start(idOf("b"));
  backend.containers.exit(idOf("b"), 3);
  backend.containers.files.sizeBytes = 50;
});

test("sizes are told to those who ask", async () => {
  expect((await call("GET", "/containers/json")).json[0]).not.toHaveProperty("SizeRw");
  expect((await call("GET", "/containers/json?size=1")).json[0]).toMatchObject({ SizeRw: 50, SizeRootFs: 50 });
  expect((await call("GET", "/containers/up/json?size=true")).json).toMatchObject({ SizeRw: 50, SizeRootFs: 50 });
  expect((await call("GET", "/containers/up/json")).json).not.toHaveProperty("SizeRw");
});

test("what everything takes on disk, and parts of it", async () => {
  const { json } = await call("GET", "/system/df");
  expect(json).toMatchObject({ LayersSize: 1000, Volumes: [], BuildCache: [] });
  expect(json.Images).toMatchObject([{ RepoTags: ["bb:v1"], Size: 1000, SharedSize: 0, Containers: 0 }]);
  expect(json.Containers.map(({ SizeRw }: { SizeRw: number }) => SizeRw)).toEqual([50, 50]);
  expect((await call("GET", "/system/df?type=container")).json).toMatchObject({ Images: null, LayersSize: 0, Volumes: null });
  expect(await call("GET", "/system/df?type=spoon")).toMatchObject({ status: 400, json: { message: "unknown object type: spoon" } });
});

test.each([
  [{ exited: ["3"] }, ["/ended"]],
  [{ exited: ["x"] }, 400],
  [{ publish: ["8080"] }, ["/up"]],
  [{ publish: ["80/tcp"] }, ["/up"]],
  [{ publish: ["8000-8100/tcp"] }, ["/up"]],
  [{ publish: ["http"] }, 400],
  [{ expose: ["80"] }, ["/up"]],
  [{ expose: ["80/udp"] }, []],
  [{ expose: ["89-91/udp"] }, ["/ended"]],
  [{ publish: ["90/udp"] }, []],
  [{ volume: ["/data"] }, ["/up"]],
  [{ volume: ["/srv/data"] }, ["/up"]],
  [{ volume: ["/none"] }, []],
  [{ isolation: ["default"] }, ["/ended", "/up"]],
  [{ isolation: ["hyperv"] }, []],
  [{ ancestor: ["sha256:fake"] }, []],
  [{ ancestor: ["none:v1"] }, []],
  [{ since: ["up"] }, []],
  [{ before: ["nobody"] }, 404],
  [{ status: ["exited", "running"] }, ["/ended", "/up"]],
  [{ status: ["asleep"] }, 400],
  [{ id: ["bbb"] }, ["/ended"]],
  [{ name: ["^/up$"] }, ["/up"]],
  [{ label: ["keep=yes"] }, ["/ended"]],
  [{ "is-task": ["true"] }, []],
  [{ health: ["none"] }, ["/ended", "/up"]],
  [{ network: ["host"] }, []],
  [{ spoon: ["x"] }, 400],
])("filter %j", async (filters, expected) => {
  expect(await filtered(filters)).toEqual(expected);
});

test.each([
  ["{}", ["b"], 50],
  ['{"until":["1ms"]}', [], 0],
  ['{"until":["2100-01-01T00:00:00Z"]}', ["b"], 50],
  ['{"label":["keep"]}', ["b"], 50],
  ['{"label!":["keep"]}', [], 0],
])("prune with %s", async (filters, letters, bytes) => {
  const { json } = await call("POST", `/containers/prune?filters=${encodeURIComponent(filters)}`);
  expect(json).toEqual({ ContainersDeleted: letters.length === 0 ? null : letters.map(idOf), SpaceReclaimed: bytes });
  expect(backend.containers.list()).toHaveLength(2 - letters.length);
});

test("prune refuses what it cannot read", async () => {
  expect((await call("POST", '/containers/prune?filters={"until":["soon"]}')).json.message).toContain('"soon" is neither a time nor a duration');
  expect((await call("POST", '/containers/prune?filters={"until":["1h","2h"]}')).status).toBe(400);
});
