import { once, setMaxListeners } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { FakeClock, systemClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { createClient } from "../../../src/rpc/client.js";
import { Connection } from "../../../src/rpc/connection.js";
import type { LiveIdentity } from "../../../src/rpc/live-identity.js";
import { RAFT_PROTOCOL } from "../../../src/rpc/raft-stream.js";
import type { RpcServerOptions } from "../../../src/rpc/server.js";
import { Opened } from "../../support/disposables.js";
import { EchoService, text } from "../../support/echo-service.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { until } from "../../support/until.js";

const ca = new TestCa();
const opened = new Opened();
afterEach(() => opened.close());

/** Manager m1: echoes single calls, and never answers streams. */
async function manager(options: Partial<RpcServerOptions> = {}) {
  const server = opened.use(ca.server(ca.identity("m1"), options)).addRaftStreams({ introduced: () => () => undefined, take: () => undefined });
  server.add(
    { one: EchoService.one, down: EchoService.down },
    {
      one: async (request) => request,
      async *down(_request, { signal }) {
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
      },
    },
  );
  const port = await server.listen("127.0.0.1:0");
  const clientOf = (identity: LiveIdentity) => {
    const connection = opened.use(new Connection({ address: `127.0.0.1:${port}`, clock: systemClock, security: { type: "mutual", identity } }));
    return createClient(connection, { one: EchoService.one, down: EchoService.down });
  };
  return { port, clientOf };
}

/** Connected, and closed once the manager has closed it. */
async function tcp(port: number): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  opened.add(() => socket.destroy());
  socket.on("error", () => undefined).resume();
  await once(socket, "connect");
  return socket;
}

async function tls(port: number, protocol: string, identity?: LiveIdentity): Promise<TLSSocket> {
  const own = identity === undefined ? {} : { cert: identity.credentials.certificate, key: identity.credentials.key };
  const socket = connectTls({ port, host: "127.0.0.1", ca: ca.root.certificate, servername: "swarm-manager", ALPNProtocols: [protocol], ...own });
  opened.add(() => socket.destroy());
  socket.on("error", () => undefined).resume();
  await once(socket, "secureConnect");
  return socket;
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "ok",
    (cause: unknown) => ClusterError.from(cause).code,
  );

test("who connects and does not shake hands is let go", async () => {
  const clock = new FakeClock(Date.now());
  const { port } = await manager({ clock });
  const [silent, halfway] = [await tcp(port), await tcp(port)];
  // The beginning of a record of the handshake.
  halfway.write(Buffer.of(0x16, 0x03, 0x01));
  await until("both are known", () => clock.pending >= 2);
  await clock.advance(9_000);
  expect([silent.closed, halfway.closed]).toEqual([false, false]);
  await clock.advance(2_000);
  await until("both are closed", () => silent.closed && halfway.closed);
});

test("who never says hello on a raft stream is let go, however busy it is", async () => {
  const clock = new FakeClock(Date.now());
  const { port } = await manager({ clock });
  const socket = await tls(port, RAFT_PROTOCOL);
  // A record whose rest never comes.
  socket.write(Buffer.of(0, 0, 0x10, 0));
  for (let second = 0; second < 9; second++) {
    await clock.advance(1_000);
    socket.write(Buffer.of(0));
  }
  expect(socket.closed).toBe(false);
  await clock.advance(2_000);
  await until("it is closed", () => socket.closed);
});

test("many connections without a certificate cost each other, and no member, theirs", async () => {
  const { port, clientOf } = await manager({ clock: new FakeClock(Date.now()) });
  const member = clientOf(ca.identity("m2"));
  const first = await tcp(port);
  const known = await tls(port, RAFT_PROTOCOL, ca.identity("w1", "worker"));
  for (let batch = 0; batch < 11; batch++) await Promise.all(Array.from({ length: 100 }, () => tcp(port)));
  await until("the oldest is closed", () => first.closed);
  expect(known.closed).toBe(false);
  expect(await codeOf(member.one(text("still served")))).toBe("ok");
  expect(await codeOf(clientOf(ca.identity("w2", "worker")).one(text("new")))).toBe("ok");
});

test("a node that opens many connections loses the oldest of its own", async () => {
  // Nothing else ends a connection while this clock stands.
  const { port } = await manager({ clock: new FakeClock(Date.now()) });
  const [one, other] = [ca.identity("w1", "worker"), ca.identity("w2", "worker")];
  const open = (identity: LiveIdentity) => tls(port, RAFT_PROTOCOL, identity);
  const [oldest, neighbour] = [await open(one), await open(other)];
  const more: TLSSocket[] = [];
  for (let count = 0; count < 63; count++) more.push(await open(one));
  expect(oldest.closed).toBe(false);
  more.push(await open(one));
  await until("the oldest is closed", () => oldest.closed);
  expect([neighbour, ...more].filter((socket) => socket.closed)).toEqual([]);
});

test("a worker's messages are small, a manager's need not be", async () => {
  const { clientOf } = await manager();
  const send = (identity: LiveIdentity, bytes: number) => codeOf(clientOf(identity).one(text("x".repeat(bytes))));
  const [worker, other] = [ca.identity("w1", "worker"), ca.identity("m2")];
  expect(await send(worker, 1_000_000)).toBe("ok");
  expect(await send(worker, 1_100_000)).toBe("out_of_range");
  expect(await send(other, 1_100_000)).toBe("ok");
});

test("a worker has so many calls under way, on all of its connections together", async () => {
  const { clientOf } = await manager();
  const worker = ca.identity("w1", "worker");
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const [first, second] = [clientOf(worker), clientOf(worker)];
  let accepted = 0;
  const streams = Array.from({ length: 1_024 }, (_, index) => {
    const client = index % 2 === 0 ? first : second;
    return codeOf(client.down(text(""), { signal: stop.signal, onAccepted: () => accepted++ }).next());
  });
  await until("all are under way", () => accepted === 1_024);
  expect(await codeOf(first.one(text("one more")))).toBe("unavailable");
  expect(await codeOf(clientOf(ca.identity("w2", "worker")).one(text("another's")))).toBe("ok");
  stop.abort(new ClusterError("aborted", "enough"));
  await Promise.all(streams);
  await until("there is room again", async () => (await codeOf(second.one(text("later")))) === "ok");
});
