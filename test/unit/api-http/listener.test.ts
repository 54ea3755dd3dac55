import { request as httpRequest, Agent, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { ClusterError } from "../../../src/base/errors.js";
import { createHttpServer, type HttpServer } from "../../../src/api/http/server.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import { containerConfig } from "../../support/container-config.js";
import { FakeBackend } from "../../support/fake-backend.js";
import { until } from "../../support/until.js";
import { certificateOf } from "./tls-identity.js";

let folder: string;
let socketPath: string;
let server: HttpServer;
let backend: FakeBackend;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "api-http-"));
  socketPath = join(folder, "api.sock");
  backend = new FakeBackend();
  server = createHttpServer({ backend, logger: silentLogger, clock: systemClock });
  await server.listen({ type: "unix", path: socketPath });
});

afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** Status, headers and text; `write` sends the body. */
function send(options: RequestOptions, write: (request: ReturnType<typeof httpRequest>) => void = (request) => request.end()) {
  return new Promise<{ response: IncomingMessage; text: string }>((resolve, reject) => {
    const request = httpRequest({ socketPath, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ response, text: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    // After the answer, the rest of a body that nobody wants may still be going out when the server closes: then nobody but this hears of it.
    request.on("socket", (socket) => socket.on("error", () => undefined));
    write(request);
  });
}

test("a body of 10 MB gets one sentence, and the connection lives on", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const body = Buffer.alloc(10 * 1024 * 1024, "x");
  const answer = await send({ agent, method: "POST", path: "/swarm/init", headers: { "content-type": "application/json" } }, (request) => request.end(body));
  expect(answer.response.statusCode).toBe(413);
  expect(answer.response.headers["content-type"]).toBe("application/json");
  expect(answer.text).toBe('{"message":"request body is larger than the limit of 8 MB"}\n');
  expect((await send({ agent, path: "/_ping" })).text).toBe("OK");
  expect(backend.inits).toEqual([]);
  agent.destroy();
});

test("an image's archive goes through as it comes, whatever its type says", async () => {
  let received = 0;
  const importImage = backend.images.import.bind(backend.images);
  backend.images.import = (tar, options) => {
    tar.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    return importImage(tar, options);
  };
  const path = "/v1.41/images/create?fromSrc=-&repo=bb&tag=v1&changes=CMD+%5B%22a%22%5D%0AENV+A%3D1&changes=USER+u";
  const answer = await send({ method: "POST", path, headers: { "content-type": "text/plain" } }, async (request) => {
    request.write(Buffer.alloc(1000));
    await until("the first part has arrived while the request is still open", () => received === 1000);
    request.end(Buffer.alloc(500));
  });
  expect(answer.response.statusCode).toBe(200);
  expect(JSON.parse(answer.text)).toEqual({ status: backend.images.list()[0]?.id });
  const changes = ['CMD ["a"]', "ENV A=1", "USER u"];
  expect(backend.images.imports).toEqual([{ reference: "bb:v1", message: "Imported from -", changes, platform: "", sizeBytes: 1500 }]);
});

test("an import that gives up half-way still says why, and one whose client goes away ends", async () => {
  const path = "/images/create?fromSrc=-";
  backend.images.import = async (tar) => {
    tar.destroy();
    throw new ClusterError("invalid_argument", "not a tar archive");
  };
  const answer = await send({ method: "POST", path }, (request) => request.end(Buffer.alloc(5_000_000)));
  expect(answer).toMatchObject({ response: { statusCode: 400 }, text: '{"message":"not a tar archive"}\n' });
  let failure: unknown;
  backend.images.import = async (tar) => {
    for await (const _chunk of tar);
    throw new Error("the archive was taken for whole");
  };
  const importImage = backend.images.import;
  backend.images.import = (tar, options) =>
    importImage(tar, options).catch((cause: unknown) => {
      failure = cause;
      throw cause;
    });
  const request = httpRequest({ socketPath, method: "POST", path, headers: { "content-length": "1000" } });
  request.on("error", () => {});
  request.write(Buffer.alloc(10), () => request.destroy());
  await until("the import has failed", () => failure !== undefined);
  expect(failure).toMatchObject({ code: "aborted" });
});

test("a socket that a killed process left behind is taken over, any other file is left alone", async () => {
  const left = join(folder, "left.sock");
  const child = spawn(process.execPath, ["-e", `require("net").createServer().listen(${JSON.stringify(left)})`]);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await until("the socket is there", () => existsSync(left));
  child.kill("SIGKILL");
  await ended;
  expect(await server.listen({ type: "unix", path: left })).toBe(left);
  expect((await send({ socketPath: left, path: "/_ping" })).text).toBe("OK");
  const file = join(folder, "file");
  await writeFile(file, "precious");
  await expect(server.listen({ type: "unix", path: file })).rejects.toThrow(`cannot listen on ${file}: there is something that is no socket`);
  expect(await readFile(file, "utf8")).toBe("precious");
});

test("what is not HTTP gets an answer in the same form", async () => {
  const socket = connect(socketPath);
  const text = await new Promise<string>((resolve) => {
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString();
    });
    socket.on("end", () => resolve(received));
    socket.write("nonsense\r\n\r\n");
  });
  expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nApi-Version: 1\.47\r\n/);
  expect(text).toMatch(/\{"message":"malformed HTTP request"\}\n$/);
});

test("idle connections outlive those of Go clients", async () => {
  const { response } = await send({ path: "/_ping", headers: { connection: "keep-alive" } });
  expect(Number(/timeout=(\d+)/.exec(`${response.headers["keep-alive"]}`)?.[1])).toBeGreaterThan(90);
});

test("over TCP only clients with a certificate of the authority get in", async () => {
  const ca = createRootCa({ nowMs: Date.now() });
  const stranger = createRootCa({ nowMs: Date.now() });
  const own = certificateOf(ca, "server");
  const address = await server.listen({ type: "tcp", host: "127.0.0.1", port: 0, tls: { ca: ca.certificate, ...own } });
  const port = Number(address.split(":")[1]);
  const ping = (identity: { certificate?: string; key?: string }) =>
    new Promise<number | undefined>((resolve, reject) => {
      const options = { host: "127.0.0.1", port, path: "/_ping", ca: ca.certificate, checkServerIdentity: () => undefined };
      httpsRequest({ ...options, ...(identity.certificate === undefined ? {} : { cert: identity.certificate, key: identity.key }) }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
  expect(await ping(certificateOf(ca, "client"))).toBe(200);
  await expect(ping({})).rejects.toThrow();
  await expect(ping(certificateOf(stranger, "client"))).rejects.toThrow();
});

test("a client that goes away ends what is done for it, and a failure after the headers reaches it in the stream", async () => {
  const id = "a".repeat(64);
  await backend.containers.create(containerConfig(id, "talk"));
  await backend.containers.start(id);
  let isAborted = false;
  backend.containers.logs = async function* (_id, options, signal) {
    yield { stream: "stdout", timestampNs: 0n, data: Buffer.from("one\n"), attributes: {} };
    if (!options.follow) throw new ClusterError("internal", "the log is damaged");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    isAborted = true;
  };
  const { text } = await send({ path: "/containers/talk/logs?stdout=1" });
  expect(text).toBe("\x01\0\0\0\0\0\0\x04one\n\x03\0\0\0\0\0\0\x13the log is damaged\n");
  const request = httpRequest({ socketPath, path: "/containers/talk/logs?stdout=1&follow=1" });
  request.on("response", (response) => response.once("data", () => request.destroy()));
  request.on("error", () => {});
  request.end();
  await until("the log is no longer followed", () => isAborted);
});

test("who connects by TCP and does not shake hands is let go", async () => {
  const ca = createRootCa({ nowMs: Date.now() });
  const tls = { ca: ca.certificate, ...certificateOf(ca, "server") };
  const address = await server.listen({ type: "tcp", host: "127.0.0.1", port: 0, tls, handshakeTimeoutMs: 200 });
  const [silent, halfway] = [connect(Number(address.split(":")[1]), "127.0.0.1"), connect(Number(address.split(":")[1]), "127.0.0.1")];
  for (const socket of [silent, halfway]) socket.on("error", () => undefined).resume();
  // The beginning of a record of the handshake.
  halfway.write(Buffer.of(0x16, 0x03, 0x01));
  await until("both are closed", () => silent.closed && halfway.closed);
});

test.each([
  ["a folder", (path: string) => mkdir(path), "there is something that is no socket"],
  ["a file", (path: string) => writeFile(path, ""), "there is something that is no socket"],
])("where %s is no socket is made, and nothing is lost", async (_, make, reason) => {
  const path = join(folder, "other");
  await make(path);
  await expect(server.listen({ type: "unix", path })).rejects.toMatchObject({ code: "invalid_argument", message: `cannot listen on ${path}: ${reason}` });
  expect(existsSync(path)).toBe(true);
});

test("a socket in a folder that is not there is refused with this reason", async () => {
  const path = join(folder, "no", "api.sock");
  await expect(server.listen({ type: "unix", path })).rejects.toMatchObject({ message: `cannot listen on ${path}: its folder does not exist` });
});
