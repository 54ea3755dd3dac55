import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { goModeOf } from "../../../src/api/http/convert/file-stat.js";
import { createHttpServer, type HttpServer } from "../../../src/api/http/server.js";
import { parseArchivePath } from "../../../src/runtime/files/archive-path.js";
import { containerConfig } from "../../support/container-config.js";
import { activeBackend, type FakeBackend } from "../../support/fake-backend.js";

let folder: string;
let server: HttpServer;
let backend: FakeBackend;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "api-files-"));
  backend = await activeBackend();
  server = createHttpServer({ backend, logger: silentLogger, clock: systemClock });
  await server.listen({ type: "unix", path: join(folder, "api.sock") });
  await backend.containers.create(containerConfig("c".repeat(64), "box"));
  backend.containers.files.texts.set("/etc/x", "some text");
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly stat: unknown;
  readonly text: string;
  readonly isWhole: boolean;
}

function call(method: string, path: string, body = ""): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: join(folder, "api.sock"), method, path }, (response) => {
      const chunks: Buffer[] = [];
      const header = response.headers["x-docker-container-path-stat"];
      const stat = header === undefined ? null : JSON.parse(Buffer.from(String(header), "base64").toString());
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      // A connection that breaks is an answer here.
      response.on("error", () => undefined);
      response.on("close", () => resolve({ status: response.statusCode ?? 0, stat, text: Buffer.concat(chunks).toString(), isWhole: response.complete }));
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

test("archive: what is there, out and in", async () => {
  const stat = { name: "x", size: 9, mode: 0o644, mtime: "2023-11-14T22:13:20.123456789Z", linkTarget: "" };
  expect(await call("HEAD", "/containers/box/archive?path=/etc/x")).toMatchObject({ status: 200, stat, text: "" });
  expect(await call("GET", "/containers/box/archive?path=/etc/x")).toMatchObject({ status: 200, stat, text: "some text", isWhole: true });
  expect(await call("HEAD", "/containers/box/archive?path=/none")).toMatchObject({ status: 404 });
  expect(await call("GET", "/containers/box/archive?path=/none")).toMatchObject({
    status: 404,
    text: '{"message":"Could not find the file /none in container box"}\n',
  });
  expect((await call("GET", "/containers/box/archive")).status).toBe(400);
  expect((await call("GET", "/containers/other/archive?path=/")).status).toBe(404);
  expect((await call("PUT", "/containers/box/archive?path=/tmp&noOverwriteDirNonDir=true&copyUIDGID=1", "archive")).status).toBe(200);
  expect((await call("PUT", "/containers/box/archive?path=/tmp&noOverwriteDirNonDir=0", "archive")).status).toBe(200);
  expect(backend.containers.files.writes).toEqual([
    { path: "/tmp", text: "archive", keepsKinds: true, belongsToUser: true },
    { path: "/tmp", text: "archive", keepsKinds: false, belongsToUser: false },
  ]);
});

test("an archive that fails in the middle does not look whole", async () => {
  backend.containers.files.failure = new Error("the disk is broken");
  expect(await call("GET", "/containers/box/export")).toMatchObject({ status: 200, text: "everything", isWhole: false });
});

test("changes", async () => {
  expect(await call("GET", "/containers/box/changes")).toMatchObject({ status: 200, text: "null\n" });
  backend.containers.files.changed = [
    { path: "/a", kind: "changed" },
    { path: "/b", kind: "added" },
    { path: "/c", kind: "deleted" },
  ];
  expect(JSON.parse((await call("GET", "/containers/box/changes")).text)).toEqual([
    { Path: "/a", Kind: 0 },
    { Path: "/b", Kind: 1 },
    { Path: "/c", Kind: 2 },
  ]);
});

test("commit: what the image says, and that the container is frozen meanwhile", async () => {
  const { id } = (await backend.containers.inspect("box"))!.config;
  await backend.containers.start(id);
  const made = await call(
    "POST",
    '/commit?container=box&repo=made&tag=v1&author=me&comment=done&changes=CMD%20["x"]',
    JSON.stringify({ User: "web", Labels: { a: "b" } }),
  );
  expect(made.status).toBe(201);
  const image = backend.images.resolve("made:v1");
  expect(image).toMatchObject({ id: JSON.parse(made.text).Id, author: "me", comment: "done", config: { user: "web", command: ["x"], labels: { a: "b" } } });
  expect(backend.containers.inspect("box")?.isPaused).toBe(false);
  expect(backend.engine.events.past().map(({ action }) => action)).toEqual(expect.arrayContaining(["pause", "unpause", "commit"]));
  expect((await call("POST", "/commit?container=none")).status).toBe(404);
  expect((await call("POST", "/commit?container=box&changes=RUN%20x")).text).toContain("RUN is not a valid change command");
  expect((await call("POST", "/commit?container=box", JSON.stringify({ Shell: ["sh"] }))).status).toBe(501);
});

test.each([
  ["/", "/", "/"],
  ["", "", ""],
  ["a/b", "/a/b", "b"],
  ["/a/../b/", "/b/", "b"],
  ["/a/.", "/a/.", "."],
  [".", "/.", "."],
  ["../../x", "/x", "x"],
  ["//a//b//", "/a/b/", "b"],
])("path %j", (text, path, base) => {
  if (text === "") expect(() => parseArchivePath(text)).toThrow("path is empty");
  else expect(parseArchivePath(text)).toEqual({ path, base });
});

test.each([
  [0o100644, 0o644],
  [0o104755, 2 ** 23 + 0o755],
  [0o041777, 2 ** 31 + 2 ** 20 + 0o777],
  [0o120777, 2 ** 27 + 0o777],
  [0o020666, 2 ** 26 + 2 ** 21 + 0o666],
  [0o060600, 2 ** 26 + 0o600],
  [0o010644, 2 ** 25 + 0o644],
])("mode %o as Go has it", (mode, expected) => {
  expect(goModeOf(mode)).toBe(expected);
});
