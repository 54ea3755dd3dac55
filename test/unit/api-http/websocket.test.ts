import { connect, type Socket } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeClose, encodeFrame, FrameReader, OPCODE } from "../../../src/api/http/websocket/frames.js";
import { PlainOutput } from "../../../src/api/http/websocket/plain-output.js";
import { until } from "../../support/until.js";
import { containerConfig } from "../../support/container-config.js";
import { type Fixture, inactiveFixture } from "./server-fixture.js";

/** As a client sends it. */
function masked(opcode: number, text: string, first = 128): Buffer {
  const payload = Buffer.from(text);
  const mask = Buffer.from([1, 2, 3, 4]);
  const plain = encodeFrame(opcode, payload);
  const head = Buffer.from(plain.subarray(0, plain.length - payload.length));
  head[0] = first | opcode;
  head[1] = (head[1] ?? 0) | 128;
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ (mask[index & 3] ?? 0))]);
}

test.each([5, 125, 126, 65_535, 65_536, 200_000])("a message of %i bytes is the same on the other side, however it is cut", (size) => {
  const text = "abcdefg".repeat(size).slice(0, size);
  const frame = masked(OPCODE.text, text);
  for (const cut of [frame.length, 1_000, 7]) {
    const reader = new FrameReader();
    const parts = [];
    for (let at = 0; at < frame.length; at += cut) parts.push(...reader.take(Buffer.from(frame.subarray(at, at + cut))));
    expect(Buffer.concat(parts.map((part) => part.bytes)).toString() === text).toBe(true);
    expect(parts.every(({ type }) => type === "data")).toBe(true);
  }
});

test("the example of RFC 6455, section 5.7", () => {
  expect(encodeFrame(OPCODE.text, Buffer.from("Hello")).toString("hex")).toBe("810548656c6c6f");
  const [part] = new FrameReader().take(Buffer.from("818537fa213d7f9f4d5158", "hex"));
  expect([part?.type, part?.bytes.toString()]).toEqual(["data", "Hello"]);
});

test("messages in parts, and control frames between them", () => {
  const reader = new FrameReader();
  const parts = reader.take(
    Buffer.concat([masked(OPCODE.text, "one ", 0), masked(OPCODE.ping, "are you there"), masked(OPCODE.continuation, "message"), masked(OPCODE.close, "")]),
  );
  expect(parts.map(({ type, bytes }) => `${type} ${bytes}`)).toEqual(["data one ", "ping are you there", "data message", "close "]);
});

test.each([
  ["no mask", encodeFrame(OPCODE.text, Buffer.from("hello, world"))],
  ["an unknown kind", masked(3, "x")],
  ["an extension's bit", masked(OPCODE.text, "x", 128 | 64)],
  ["a ping in parts", masked(OPCODE.ping, "x", 0)],
  ["a ping that is too long", masked(OPCODE.ping, "x".repeat(126))],
])("a frame with %s is refused", (_, frame) => {
  expect(() => new FrameReader().take(frame)).toThrow();
});

test("heads of a multiplexed stream go, wherever it is cut", () => {
  const frame = (stream: number, text: string) => Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);
  const whole = Buffer.concat([frame(1, "out"), frame(2, ""), frame(2, "errors"), frame(1, "!")]);
  for (const cut of [1, 3, 9, whole.length]) {
    const plain = new PlainOutput();
    const parts: Buffer[] = [];
    for (let at = 0; at < whole.length; at += cut) parts.push(...plain.take(Buffer.from(whole.subarray(at, at + cut))));
    expect(Buffer.concat(parts).toString()).toBe("outerrors!");
  }
});

const ID = "a".repeat(64);
const UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];

/** A client that writes its bytes by hand. */
class RawClient {
  readonly socket: Socket;
  received = Buffer.alloc(0);

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
  }

  ask(path: string, lines: readonly string[] = UPGRADE): void {
    this.socket.write(`${[`GET ${path} HTTP/1.1`, "Host: api", ...lines].join("\r\n")}\r\n\r\n`);
  }

  got(text: string): Promise<unknown> {
    return until(`the client got ${text}`, () => this.received.includes(text));
  }
}

let fixture: Fixture;
let folder: string;
let client: RawClient;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "websocket-"));
  fixture = await inactiveFixture();
  client = new RawClient(await fixture.server.listen({ type: "unix", path: join(folder, "api.sock") }));
});
afterEach(async () => {
  client.socket.destroy();
  await fixture.server.close();
  await rm(folder, { recursive: true });
});

test("the handshake, a ping, and the end that the client asks for", async () => {
  await fixture.backend.containers.create(containerConfig(ID, "one"));
  client.ask("/v1.41/containers/one/attach/ws?stream=1&stdin=1&stdout=1");
  await client.got("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
  client.socket.write(masked(OPCODE.ping, "hi"));
  await client.got(encodeFrame(OPCODE.pong, Buffer.from("hi")).toString("latin1").slice(2));
  client.socket.write(masked(OPCODE.close, ""));
  await until("the connection is closed", () => client.socket.closed);
  expect(client.received.subarray(-4)).toEqual(encodeClose(1000));
});

test("a client that breaks the rules is told so", async () => {
  await fixture.backend.containers.create(containerConfig(ID, "one"));
  client.ask("/containers/one/attach/ws?stream=1");
  await client.got("101 Switching Protocols");
  client.socket.write(encodeFrame(OPCODE.text, Buffer.from("not masked at all")));
  await until("the connection is closed", () => client.socket.closed);
  expect(client.received.subarray(-4)).toEqual(encodeClose(1002));
});

test.each([
  ["/containers/none/attach/ws?stream=1", UPGRADE, 404, "No such container: none"],
  ["/containers/one/attach/ws?detachKeys=nonsense", UPGRADE, 400, "Invalid detach keys"],
  ["/containers/one/attach/ws", UPGRADE.with(2, "Sec-WebSocket-Version: 8"), 400, "websocket version 8 is not supported: 13 is"],
  ["/containers/one/attach/ws", UPGRADE.with(3, "Sec-WebSocket-Key: x"), 400, "is not 16 bytes in base64"],
  ["/containers/one/attach/ws", UPGRADE.with(1, "Upgrade: tcp"), 400, "lacks Upgrade: websocket"],
  ["/containers/one/attach/ws", [], 400, "lacks Upgrade: websocket"],
])("%s with %j is a %i", async (path, lines, status, message) => {
  await fixture.backend.containers.create(containerConfig(ID, "one"));
  client.ask(path, lines);
  await client.got(message);
  expect(client.received.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});
