import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { containerConfig } from "../../support/container-config.js";
import { until } from "../../support/until.js";
import { type Fixture, inactiveFixture } from "./server-fixture.js";

/** A client that closes its side of a connection that has become a stream without an upgrade. */
let fixture: Fixture;
let folder: string;
let path: string;
let client: Socket;
let received: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "half-close-"));
  fixture = await inactiveFixture();
  path = await fixture.server.listen({ type: "unix", path: join(folder, "api.sock") });
  client = connect({ path, allowHalfOpen: true });
  received = "";
  client.on("data", (chunk) => {
    received += chunk.toString();
  });
});

afterEach(async () => {
  client.destroy();
  await fixture.server.close();
  await rm(folder, { recursive: true });
});

/** The server sees the end before a request that was made after it. */
async function closeOwnSide(): Promise<void> {
  await new Promise<void>((resolve) => client.end(resolve));
  await new Promise((resolve, reject) => {
    get({ socketPath: path, path: "/_ping", agent: false }, (answer) => answer.resume().once("end", resolve)).once("error", reject);
  });
}

/** A container that is attached to, with the request's further lines; what its program says is written to what comes back. */
async function attached(...lines: readonly string[]): Promise<PassThrough> {
  const program = new PassThrough();
  const { containers } = fixture.backend;
  await containers.create(containerConfig("a".repeat(64), "one"));
  containers.attach = () => ({ stream: Promise.resolve(program), cancel: () => undefined });
  client.write(["POST /containers/one/attach?stream=1&stdout=1 HTTP/1.1", "Host: api", ...lines].join("\r\n"));
  await until("there is an answer", () => received.includes("\r\n\r\n"));
  return program;
}

test("gets what the program says afterwards, to its end", async () => {
  const program = await attached("", "");
  await closeOwnSide();
  program.end("said\n");
  await until("the connection has ended", () => client.readableEnded);
  expect(received).toMatch(/\r\n\r\nsaid\n$/);
});

test("in the middle of its request, is gone", async () => {
  const program = await attached("Transfer-Encoding: chunked", "", "5", "he");
  await closeOwnSide();
  await until("the program is left", () => program.destroyed);
});
