import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { type Clock, FakeClock, systemClock } from "../../../src/base/clock.js";
import { deferred } from "../../../src/base/deferred.js";
import { ClusterError } from "../../../src/base/errors.js";
import type { NodeCredentials } from "../../../src/pki/identity-files.js";
import type { Caller } from "../../../src/rpc/caller.js";
import { Feed } from "../../../src/rpc/feed.js";
import type { LiveIdentity } from "../../../src/rpc/live-identity.js";
import type { RaftStreamHandler } from "../../../src/rpc/raft-acceptor.js";
import { carry, RAFT_PROTOCOL } from "../../../src/rpc/raft-stream.js";
import { record, RecordReader } from "../../../src/rpc/records.js";
import type { RpcServerOptions } from "../../../src/rpc/server.js";
import {
  type RaftFrame,
  type RaftStreamReply,
  RaftStreamReplyCodec,
  type RaftStreamRequest,
  RaftStreamRequestCodec,
} from "../../../src/wire/generated/raft.js";
import { Opened } from "../../support/disposables.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import { until } from "../../support/until.js";

const HOUR_MS = 3_600_000;
const ca = new TestCa();
const opened = new Opened();
afterEach(() => opened.close());

const frame = (clusterId: string): RaftFrame => ({ clusterId, incarnation: "i1", messages: [] });

/** Manager m2, which serves raft streams and keeps what comes by them. */
async function manager(options: Partial<RpcServerOptions> & Partial<RaftStreamHandler> = {}) {
  const frames: string[] = [];
  const callers: Caller[] = [];
  const identity = ca.identity("m2");
  const keep: RaftStreamHandler = {
    introduced: () => () => undefined,
    take: ({ clusterId }, caller) => {
      frames.push(clusterId);
      callers.push(caller);
    },
  };
  const server = opened.use(ca.server(identity, options)).addRaftStreams({ ...keep, ...options });
  const port = await server.listen("127.0.0.1:0");
  const proxy = opened.use(await TcpProxy.start(port));
  return { server, identity, address: `127.0.0.1:${port}`, proxy, frames, callers };
}

/** The stream of a node to the manager behind `address`. */
function stream(address: string, { identity = ca.identity("m1"), clock = systemClock }: { identity?: LiveIdentity; clock?: Clock } = {}) {
  const waiting: RaftFrame[] = [];
  const feed = new Feed<RaftFrame>(() => waiting.shift() ?? null);
  const controller = new AbortController();
  opened.add(() => controller.abort(new ClusterError("aborted", "the test is over")));
  const accepted = deferred<void>();
  const ended = carry({ member: { raftId: 2, nodeId: "m2", address }, identity, clock, feed, signal: controller.signal, onAccepted: accepted.resolve });
  const send = (...texts: string[]) => {
    waiting.push(...texts.map(frame));
    feed.wake();
  };
  return { send, controller, ended, accepted: accepted.promise, waiting };
}

test("frames arrive in order, with who sent them", async () => {
  const { proxy, frames, callers } = await manager();
  const { send, accepted } = stream(proxy.address);
  send("a", "b");
  await accepted;
  send("c".repeat(3_000_000));
  await until("all arrived", () => frames.length === 3);
  expect(frames.map((text) => [text[0], text.length])).toEqual([
    ["a", 1],
    ["b", 1],
    ["c", 3_000_000],
  ]);
  expect(callers[0]).toEqual({ nodeId: "m1", role: "manager", address: "127.0.0.1" });
});

test("a stream that is left brings what it had taken", async () => {
  const { address, frames } = await manager();
  const { send, accepted, controller, ended, waiting } = stream(address);
  await accepted;
  send("a", "b".repeat(3_000_000), "c");
  expect(waiting.length).toBe(1);
  controller.abort(new ClusterError("aborted", "no longer a member"));
  expect((await ended).message).toBe("no longer a member");
  await until("both arrived", () => frames.length === 2);
});

test("a stream that is left before it is dialled ends at once", async () => {
  const { address } = await manager();
  const reason = new ClusterError("aborted", "never mind");
  const feed = new Feed<RaftFrame>(() => null);
  const options = { member: { raftId: 2, nodeId: "m2", address }, identity: ca.identity("m1"), clock: systemClock, feed, onAccepted: () => undefined };
  expect(await carry({ ...options, signal: AbortSignal.abort(reason) })).toBe(reason);
});

test.each([
  ["a worker", () => ca.identity("w1", "worker"), "permission_denied"],
  ["a manager whose certificate expired", () => ca.identity("m1", "manager", Date.now() - 3 * HOUR_MS), "unauthenticated"],
  ["a manager of another cluster with the same root", () => new TestCa("cluster2", ca.root).identity("m1"), "unauthenticated"],
])("%s is refused, and nothing is taken from its feed", async (_who, identity, code) => {
  const { proxy, frames } = await manager();
  const { send, ended, waiting } = stream(proxy.address, { identity: identity() });
  send("a");
  expect(await ended).toMatchObject({ code });
  expect([waiting.length, frames]).toEqual([1, []]);
});

test("a forged certificate ends the handshake or is worth nothing", async () => {
  const { proxy, frames } = await manager();
  const forged: NodeCredentials = { ...new TestCa("cluster1").credentials("m1"), rootCertificate: ca.root.certificate };
  const { socket, replies } = await raw(proxy.address, forged);
  socket.write(say({ type: "hello", hello: { intermediate: new Uint8Array(0), member: null } }));
  await until("it was refused", () => replies.length > 0);
  expect(replies).toMatchObject([{ type: "end", end: { code: "unauthenticated" } }]);
  expect(frames).toEqual([]);
});

const say = (request: RaftStreamRequest): Buffer => record(RaftStreamRequestCodec.encode(request));

/** A connection on which a test says what it likes. */
async function raw(address: string, credentials?: NodeCredentials) {
  const [host, port] = address.split(":");
  const socket: TLSSocket = connect({
    host: host ?? "",
    port: Number(port),
    servername: "swarm-manager",
    ca: ca.root.certificate,
    ALPNProtocols: [RAFT_PROTOCOL],
    ...(credentials === undefined ? {} : { cert: credentials.certificate, key: credentials.key }),
  });
  opened.add(() => void socket.destroy());
  socket.on("error", () => undefined);
  const replies: RaftStreamReply[] = [];
  const reader = new RecordReader(65_536, (bytes) => void replies.push(RaftStreamReplyCodec.decode(bytes)));
  socket.on("data", (chunk) => reader.push(chunk));
  const closed = once(socket, "close");
  await once(socket, "secureConnect");
  return { socket, replies, closed };
}

const large = Buffer.alloc(4);
large.writeUInt32BE(1_000_000);

test.each([
  ["nobody", undefined, say({ type: "hello", hello: { intermediate: new Uint8Array(0), member: null } }), "unauthenticated"],
  ["a manager that begins without a hello", "m1", say({ type: "frame", frame: frame("a") }), "invalid_argument"],
  ["a manager that does not speak the protocol", "m1", record(Buffer.from("GET / HTTP/1.1")), "invalid_argument"],
  ["nobody with a large record", undefined, large, "out_of_range"],
])("%s is told so, and let go", async (_who, nodeId, bytes, code) => {
  const { proxy, frames } = await manager();
  const { socket, replies, closed } = await raw(proxy.address, nodeId === undefined ? undefined : ca.credentials(nodeId));
  socket.write(bytes);
  await closed;
  expect(replies).toMatchObject([{ type: "end", end: { code } }]);
  expect(frames).toEqual([]);
});

test("a protocol that is not served ends in the handshake", async () => {
  const { proxy } = await manager();
  const [host, port] = proxy.address.split(":");
  const socket = connect({ host: host ?? "", port: Number(port), servername: "swarm-manager", ca: ca.root.certificate, ALPNProtocols: ["http/1.1"] });
  const [cause] = await once(socket, "error");
  expect(cause).toMatchObject({ code: expect.stringContaining("SSL") });
});

test("why a stream is ended reaches a sender that goes on sending", async () => {
  const refusal = new ClusterError("failed_precondition", "not for me", { details: { place: "here" } });
  const { proxy } = await manager({
    take: () => {
      throw refusal;
    },
  });
  for (let attempt = 0; attempt < 20; attempt++) {
    const { send, accepted, ended } = stream(proxy.address);
    await accepted;
    send("a", ...Array.from({ length: 20 }, () => "x".repeat(1_000_000)));
    expect(await ended).toMatchObject({ code: "failed_precondition", message: "not for me", details: { place: "here" } });
  }
});

test("a manager that loses its rights loses its stream", async () => {
  let role: "manager" | "worker" = "manager";
  const { server, proxy } = await manager({ admit: () => role });
  const { accepted, ended } = stream(proxy.address);
  await accepted;
  server.reauthorize();
  role = "worker";
  server.reauthorize();
  expect(await ended).toMatchObject({ code: "permission_denied" });
});

test("what comes in one piece with the frame that ended the stream is not taken", async () => {
  const taken: string[] = [];
  let isManager = true;
  const { server, proxy } = await manager({
    admit: () => (isManager ? "manager" : "worker"),
    take: ({ clusterId }) => {
      taken.push(clusterId);
      isManager = false;
      server.reauthorize();
    },
  });
  const { socket, closed } = await raw(proxy.address, ca.credentials("m1"));
  const frames = ["a", "b"].map((text) => say({ type: "frame", frame: frame(text) }));
  socket.write(Buffer.concat([say({ type: "hello", hello: { intermediate: new Uint8Array(0), member: null } }), ...frames]));
  await closed;
  expect(taken).toEqual(["a"]);
});

describe("a link that is cut", () => {
  test("is noticed by both ends within 6 s, and is not taken for a process that died", async () => {
    const [near, far] = [new FakeClock(Date.now()), new FakeClock(Date.now())];
    const { proxy, server } = await manager({ clock: far });
    const { accepted, ended } = stream(proxy.address, { clock: near });
    await accepted;
    proxy.hold();
    await near.advance(6_000);
    expect(await ended).toMatchObject({ code: "unavailable", details: { connection: "failed" } });
    await far.advance(6_000);
    await server.close(); // Without a connection that would have to be cut after a grace, for which the clock stands still.
  });

  test("does not hold up the end of the server", async () => {
    const { proxy, server } = await manager();
    const { accepted } = stream(proxy.address);
    await accepted;
    proxy.hold();
    const startedMs = performance.now();
    await server.close();
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });
});

test("a link that stands still for less than that is not taken for one that is cut, and loses nothing", async () => {
  const clocks = [new FakeClock(Date.now()), new FakeClock(Date.now())] as const;
  const { proxy, server, frames } = await manager({ clock: clocks[1] });
  const { accepted, ended, send, controller } = stream(proxy.address, { clock: clocks[0] });
  await accepted;
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  proxy.hold();
  send("a", "b");
  for (const clock of clocks) await clock.advance(5_900);
  expect([isOver, frames]).toEqual([false, []]);
  proxy.release();
  await until("both arrived", () => frames.length === 2);
  controller.abort(new ClusterError("aborted", "the test is over"));
  expect((await ended).message).toBe("the test is over");
  await server.close();
});

test("a host that does not answer is given up after 3 s", async () => {
  const { proxy } = await manager();
  proxy.hold();
  const clock = new FakeClock(Date.now());
  const { ended } = stream(proxy.address, { clock });
  await until("it was dialled", () => proxy.accepted === 1);
  await clock.advance(3_000);
  expect((await ended).message).toBe(`cannot reach ${proxy.address}: no answer within 3000 ms`);
});

test("the next handshake has the replaced certificate of the server", async () => {
  const { proxy, identity } = await manager();
  const credentials = ca.credentials("m2");
  const serial = async () => (await raw(proxy.address)).socket.getPeerCertificate().serialNumber;
  const before = await serial();
  identity.replace(credentials);
  expect(await serial()).not.toBe(before);
});
