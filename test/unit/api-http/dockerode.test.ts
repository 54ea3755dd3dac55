import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import Docker from "dockerode";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock, systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { createHttpServer, type HttpServer } from "../../../src/api/http/server.js";
import { containerConfig } from "../../support/container-config.js";
import { activeBackend, type FakeBackend } from "../../support/fake-backend.js";

let folder: string;
let server: HttpServer;
let backend: FakeBackend;
let docker: Docker;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "api-http-"));
  backend = await activeBackend();
  server = createHttpServer({ backend, logger: silentLogger, clock: systemClock });
  await server.listen({ type: "unix", path: join(folder, "api.sock") });
  docker = new Docker({ socketPath: join(folder, "api.sock"), version: "v1.47" });
});

afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const serviceSpec = (replicas: number) => ({
  Name: "web",
  Mode: { Replicated: { Replicas: replicas } },
  TaskTemplate: { ContainerSpec: { Image: "bb:v1", Env: ["A=1"] }, RestartPolicy: { Condition: "on-failure", Delay: 2_000_000_000 } },
});

test("the socket is for its owner and its group alone", async () => {
  expect((await stat(join(folder, "api.sock"))).mode & 0o777).toBe(0o660);
});

test("a socket that somebody answers on is not taken, one that was left behind is", async () => {
  const second = createHttpServer({ backend, logger: silentLogger, clock: systemClock });
  const path = join(folder, "api.sock");
  await expect(second.listen({ type: "unix", path })).rejects.toThrow(`cannot listen on ${path}: it is in use`);
  await second.close();
  expect((await docker.version()).ApiVersion).toBe("1.47");
});

test("version, info and nodes", async () => {
  expect(await docker.version()).toMatchObject({ ApiVersion: "1.47", MinAPIVersion: "1.24", Arch: "amd64", Os: "linux" });
  expect((await docker.info()).Swarm).toMatchObject({ LocalNodeState: "active", ControlAvailable: true });
  const [node] = await docker.listNodes();
  expect(node).toMatchObject({ ManagerStatus: { Leader: true, Reachability: "reachable", Addr: "10.88.0.1:2377" }, Status: { State: "ready" } });
  const inspected = await docker.getNode("node-1").inspect();
  expect(inspected.ID).toBe(node.ID);
});

test("a service's life", async () => {
  const created = await docker.createService(serviceSpec(2));
  const service = docker.getService(created.id);
  const inspected = await service.inspect();
  expect(inspected.Spec).toMatchObject(serviceSpec(2));
  expect(await docker.listTasks({ filters: { service: ["web"], "desired-state": ["running"] } })).toHaveLength(2);
  await service.update({ ...serviceSpec(3), version: inspected.Version.Index });
  expect(await docker.listTasks({ filters: { service: ["web"], "_up-to-date": ["true"] } })).toHaveLength(3);
  await expect(service.update({ ...serviceSpec(9), version: inspected.Version.Index })).rejects.toMatchObject({
    statusCode: 500,
    json: { message: expect.stringMatching(/^rpc error: code = Unknown desc = update out of sequence: version \d+ was given, and \d+ is the current one$/) },
  });
  expect(await docker.listServices({ filters: { name: ["we"] } })).toHaveLength(1);
  await service.remove();
  await expect(service.inspect()).rejects.toMatchObject({ statusCode: 404, json: { message: `service ${created.id} not found` } });
});

test("images by import", async () => {
  const stream = await docker.importImage(Readable.from([Buffer.alloc(1000), Buffer.alloc(1000)]), { repo: "bb", tag: "v1" });
  const lines = await new Promise<{ status: string }[]>((resolve, reject) =>
    docker.modem.followProgress(stream, (error: Error | null, output: { status: string }[]) => (error === null ? resolve(output) : reject(error))),
  );
  expect(lines[0]?.status).toMatch(/^sha256:/);
  await docker.getImage("bb:v1").tag({ repo: "other/bb", tag: "v2" });
  expect((await docker.listImages()).flatMap((image) => image.RepoTags)).toEqual(["bb:v1", "other/bb:v2"]);
  expect(await docker.getImage("other/bb:v2").remove()).toEqual([{ Untagged: "other/bb:v2" }]);
  expect((await docker.getImage("bb:v1").inspect()).Config.Cmd).toEqual(["sleep"]);
});

test("a container's log is a multiplexed stream that can be followed", async () => {
  await backend.containers.create(containerConfig("a".repeat(64), "talk"));
  await backend.containers.start("a".repeat(64));
  const container = docker.getContainer("talk");
  const stream = await container.logs({ follow: true, stdout: true, stderr: true });
  backend.containers.write("a".repeat(64), "one");
  const frame = await new Promise<Buffer>((resolve) => stream.once("data", resolve));
  expect(frame).toEqual(Buffer.concat([Buffer.of(1, 0, 0, 0, 0, 0, 0, 4), Buffer.from("one\n")]));
  const ended = new Promise((resolve) => stream.once("end", resolve));
  backend.containers.exit("a".repeat(64), 0);
  await ended;
  expect((await docker.listContainers({ all: true }))[0]).toMatchObject({ Names: ["/talk"], State: "exited" });
  expect((await container.inspect()).State).toMatchObject({ ExitCode: 0, Running: false });
  await container.remove({ force: true });
  expect(await docker.listContainers({ all: true })).toEqual([]);
});

test("close ends streams that are open, without waiting for its grace to pass", async () => {
  const path = join(folder, "second.sock");
  const second = createHttpServer({ backend, logger: silentLogger, clock: new FakeClock() });
  await second.listen({ type: "unix", path });
  const stream = await new Docker({ socketPath: path }).getEvents();
  const ended = new Promise((resolve) => stream.once("end", resolve));
  stream.resume();
  await second.close();
  await ended;
});
