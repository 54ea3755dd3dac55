import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { LocalImageStore } from "../../../src/runtime/images/local-image-store.js";
import { RegistryTransfer } from "../../../src/runtime/images/registry-transfer.js";
import { longestTurnMs } from "../../support/longest-turn.js";
import { UNPACKER_PATH } from "../../support/unpacker.js";
import { archiveOf, streamOf } from "./archives.js";

/** Registries that mean harm, or are none. */
let answer: (request: IncomingMessage, reply: ServerResponse) => void;
let requests: number;
let server: Server;
let address: string;
let dataRoot: string;
let store: LocalImageStore;
let transfer: RegistryTransfer;

beforeEach(async () => {
  requests = 0;
  server = createServer((request, reply) => {
    requests++;
    request.resume();
    answer(request, reply);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  dataRoot = mkdtempSync(join(tmpdir(), "lied-to-"));
  store = await LocalImageStore.open({ dataRoot, unpackerPath: UNPACKER_PATH, clock: systemClock, logger: silentLogger });
  const settings = { mirrors: [], insecure: [], certificates: "/nowhere" };
  transfer = new RegistryTransfer(store.catalog, { settings, environment: {}, clock: systemClock, stallMs: 20_000 });
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(dataRoot, { recursive: true, force: true });
});

const signal = new AbortController().signal;
const quiet = { credentials: "", signal, onProgress: () => undefined };
const pull = () => transfer.pull(`${address}/plain:v1`, { platform: "", ...quiet });
const tags = () => transfer.tags(`${address}/plain`, quiet);
const toUpload = (reply: ServerResponse, location: string) => void reply.writeHead(202, { location }).end();

test.each([
  ["null", /answered with no list of tags$/],
  ["[]", /answered with no list of tags$/],
  ['{"tags":[1]}', /answered with no list of tags$/],
  ["{", /^the list of tags of .* is not JSON/],
])("a list of tags that is none is refused: %s", async (list, message) => {
  answer = (_request, reply) => void reply.end(list);
  await expect(tags()).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(message) });
});

test("a list of tags that goes on for ever is given up", async () => {
  answer = (request, reply) => void reply.writeHead(200, { link: `<${request.url}>; rel="next"` }).end('{"tags":[]}');
  await expect(tags()).rejects.toMatchObject({ code: "failed_precondition", message: `${address} has more than 200 answers for the tags of plain` });
  expect(requests).toBe(200);
});

test("of what a registry says the beginning is repeated, on one line", async () => {
  const says = `no\r\n\u001b[2J${"x".repeat(100_000)}`;
  answer = (_request, reply) => void reply.writeHead(404).end(JSON.stringify({ errors: [{ message: says }] }));
  await expect(pull()).rejects.toMatchObject({ code: "not_found", message: expect.stringMatching(/: no \[2Jx{494}…$/) });
  answer = (_request, reply) => void reply.end(JSON.stringify({ schemaVersion: 2, mediaType: says }));
  await expect(pull()).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(/ type no \[2Jx{494}…$/) });
});

test.each(["file:///etc/passwd", "ftp://127.0.0.1/token", "javascript:1"])("nobody is sent for a token to %s", async (realm) => {
  answer = (_request, reply) => void reply.writeHead(401, { "www-authenticate": `Bearer realm="${realm}"` }).end();
  await expect(pull()).rejects.toThrow(`sends for a token to "${realm}", where this host does not follow`);
});

test.each(["http://[", "ftp://127.0.0.1/upload"])("a layer is not uploaded to %s", async (location) => {
  const archive = await archiveOf([{ name: "hello", content: "hello\n" }]);
  await store.import(streamOf(archive), { reference: `${address}/plain:v1`, message: "", changes: [], platform: "" });
  answer = ({ method }, reply) => (method === "POST" ? toUpload(reply, location) : void reply.writeHead(404).end());
  await expect(transfer.push(`${address}/plain:v1`, quiet)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `http://${address} redirects to "${location}", where this host does not follow`,
  });
});

test.each([
  ["www-authenticate", `Bearer ${", ".repeat(7_000)}`, 401, pull],
  ["link", "<".repeat(14_000), 200, tags],
])("a header of 14 KB, %s, is read in a moment", async (name, value, status, ask) => {
  answer = (_request, reply) => void reply.writeHead(status, { [name]: value }).end('{"tags":[]}');
  const longestMs = await longestTurnMs(async () => void (await ask().catch(() => undefined)));
  // Time that grows with the square of the length would be a second and more.
  expect(longestMs).toBeLessThan(400);
});
