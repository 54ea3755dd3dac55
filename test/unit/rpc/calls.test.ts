import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { FakeClock, systemClock } from "../../../src/base/clock.js";
import { deferred } from "../../../src/base/deferred.js";
import { ClusterError, ERROR_CODES } from "../../../src/base/errors.js";
import { createClient } from "../../../src/rpc/client.js";
import { Connection } from "../../../src/rpc/connection.js";
import type { RpcServer } from "../../../src/rpc/server.js";
import type { ServiceHandlers } from "../../../src/rpc/server-call.js";
import { Opened } from "../../support/disposables.js";
import { EchoService, text, texts } from "../../support/echo-service.js";
import { heldUp } from "../../support/held-up.js";
import { ownAddress } from "../../support/own-address.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import { until } from "../../support/until.js";

type EchoHandlers = ServiceHandlers<typeof EchoService>;

const ca = new TestCa();
const serverIdentity = ca.identity("m1");
const clientIdentity = ca.identity("m2");
const opened = new Opened();

afterEach(() => opened.close());

async function serveEcho(handlers: Partial<EchoHandlers>, host = "127.0.0.1"): Promise<{ server: RpcServer; port: number; address: string }> {
  const missing = () => {
    throw new ClusterError("unimplemented", "not part of this test");
  };
  const server = ca.server(serverIdentity).add(EchoService, { one: missing, down: missing, up: missing, both: missing, ...handlers });
  opened.use(server);
  const port = await server.listen(`${host}:0`);
  return { server, port, address: `${host}:${port}` };
}

function dial(address: string) {
  const connection = new Connection({ address, clock: systemClock, security: { type: "mutual", identity: clientIdentity } });
  opened.use(connection);
  return createClient(connection, EchoService);
}

async function echo(handlers: Partial<EchoHandlers>) {
  const { port } = await serveEcho(handlers);
  return dial(`127.0.0.1:${port}`);
}

/** A call that lasts until its signal aborts. */
const forever = (signal: AbortSignal) => new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("a call with one request and one reply", async () => {
  const client = await echo({
    one: async (request, { caller }) => text(`${caller.nodeId} at ${caller.address} as a ${caller.role} says ${request.sessionId}`),
  });
  expect(await client.one(text("hello"))).toEqual(text("m2 at 127.0.0.1 as a manager says hello"));
  expect(await client.one(text(""))).toEqual(text("m2 at 127.0.0.1 as a manager says "));
});

test.each(ERROR_CODES)("an error of code %s keeps code, text and details", async (code) => {
  const error = new ClusterError(code, "käse ☂ 100 % \ud83d\ude00 \ud800!", { details: { leader: "10.0.0.1:2377", name: "ü" } });
  const client = await echo({
    one: () => Promise.reject(error),
    async *down() {
      yield text("first");
      throw error;
    },
  });
  const expected = { code, message: "käse ☂ 100 % \ud83d\ude00 \ufffd!", details: error.details };
  await expect(client.one(text(""))).rejects.toMatchObject(expected);
  const seen: string[] = [];
  await expect(
    (async () => {
      for await (const reply of client.down(text(""))) seen.push(reply.sessionId);
    })(),
  ).rejects.toMatchObject(expected);
  expect(seen).toEqual(["first"]);
});

test("anything else that a handler throws is internal", async () => {
  const client = await echo({ one: () => Promise.reject(new TypeError("x is not a function")) });
  await expect(client.one(text(""))).rejects.toMatchObject({ code: "internal", message: "x is not a function" });
});

test("a message that cannot be read is the caller's error", async () => {
  const { port } = await serveEcho({ one: async (request) => request });
  const garbled = { ...EchoService.one, request: { ...EchoService.one.request, encode: () => Buffer.from([0xff, 0xff]) } };
  const connection = new Connection({ address: `127.0.0.1:${port}`, clock: systemClock, security: { type: "mutual", identity: clientIdentity } });
  opened.use(connection);
  await expect(createClient(connection, { garbled }).garbled(text(""))).rejects.toMatchObject({
    code: "invalid_argument",
    message: "malformed HeartbeatRequest message",
  });
});

test("a message beyond the limit is refused, and the connection goes on", async () => {
  const client = await echo({ one: async (request) => request });
  await expect(client.one(text("x".repeat(65 * 1024 * 1024)))).rejects.toMatchObject({ code: "out_of_range" });
  expect(await client.one(text("y"))).toEqual(text("y"));
});

test("a call that takes too long ends on both sides", async () => {
  let reason: unknown;
  const client = await echo({
    one(_, { signal }) {
      signal.addEventListener("abort", () => {
        reason = signal.reason;
      });
      return forever(signal);
    },
  });
  await expect(client.one(text(""), { timeoutMs: 50 })).rejects.toMatchObject({ code: "deadline_exceeded" });
  await until("the handler is told", () => reason !== undefined);
});

test("a caller that gives up gets its own reason, and the handler is told", async () => {
  const started = deferred<AbortSignal>();
  const client = await echo({
    one: (_, { signal }) => {
      started.resolve(signal);
      return forever(signal);
    },
  });
  const controller = new AbortController();
  const call = client.one(text(""), { signal: controller.signal });
  const handlerSignal = await started.promise;
  controller.abort(new Error("enough"));
  await expect(call).rejects.toThrow("enough");
  await until("the handler's signal aborts", () => handlerSignal.aborted);
  expect(handlerSignal.reason).toMatchObject({ code: "aborted" });
  await expect(client.one(text(""), { signal: controller.signal })).rejects.toThrow("enough");
});

test("a stream of replies arrives in order, and as slowly as it is read", async () => {
  let produced = 0;
  const filler = "x".repeat(100_000);
  const client = await echo({
    one: async (request) => request,
    async *down() {
      for (; produced < 1_000; produced++) yield text(`${produced} ${filler}`);
    },
  });
  const heldUpAt = () =>
    heldUp(
      () => produced,
      () => client.one(text("")),
    );
  let read = 0;
  for await (const reply of client.down(text(""))) {
    expect(Number.parseInt(reply.sessionId, 10)).toBe(read++);
    if (read === 1) expect(await heldUpAt()).toBeLessThan(200);
  }
  expect(read).toBe(1_000);
});

test("leaving a stream of replies ends the handler", async () => {
  let isLeft = false;
  const client = await echo({
    async *down(_, { signal }) {
      try {
        yield text("one");
        await forever(signal);
      } finally {
        isLeft = true;
      }
    },
  });
  for await (const reply of client.down(text(""))) {
    expect(reply).toEqual(text("one"));
    break;
  }
  await until("the handler has ended", () => isLeft);
});

test("a stream of requests is answered once, and read as slowly as the handler reads", async () => {
  const go = deferred<void>();
  let sent = 0;
  const client = await echo({
    one: async (request) => request,
    async up(requests) {
      await go.promise;
      let count = 0;
      for await (const request of requests) {
        expect(Number.parseInt(request.sessionId, 10)).toBe(count++);
      }
      return text(`${count}`);
    },
  });
  const filler = "x".repeat(100_000);
  async function* requests() {
    for (; sent < 1_000; sent++) yield text(`${sent} ${filler}`);
  }
  const reply = client.up(requests());
  const sentUnread = await heldUp(
    () => sent,
    () => client.one(text("")),
  );
  expect(sentUnread).toBeLessThan(200);
  go.resolve();
  expect(await reply).toEqual(text("1000"));
});

test("a handler that answers before the requests end leaves their source", async () => {
  let isLeft = false;
  const client = await echo({
    async up(requests) {
      for await (const request of requests) return request;
      return text("none");
    },
  });
  async function* requests() {
    try {
      for (let count = 0; ; count++) {
        yield text(`${count}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      isLeft = true;
    }
  }
  expect(await client.up(requests())).toEqual(text("0"));
  await until("the source is left", () => isLeft);
});

test.each(["up", "both"] as const)("what the source of requests throws is what %s throws, and the handler is told", async (kind) => {
  const aborted = deferred<unknown>();
  const drain = async (requests: AsyncIterable<unknown>, signal: AbortSignal) => {
    signal.addEventListener("abort", () => aborted.resolve(signal.reason));
    for await (const _ of requests);
    return text("");
  };
  const client = await echo({
    up: (requests, { signal }) => drain(requests, signal),
    async *both(requests, { signal }) {
      yield await drain(requests, signal);
    },
  });
  async function* requests() {
    yield text("one");
    throw new Error("source broke");
  }
  const call = kind === "up" ? client.up(requests()) : client.both(requests()).next();
  await expect(call).rejects.toThrow("source broke");
  expect(await aborted.promise).toMatchObject({ code: "aborted" });
});

test("both directions at once", async () => {
  const client = await echo({
    async *both(requests) {
      for await (const request of requests) yield text(request.sessionId.toUpperCase());
    },
  });
  const seen: string[] = [];
  let accepted = 0;
  for await (const reply of client.both(texts("a", "b", "c"), { onAccepted: () => accepted++ })) seen.push(reply.sessionId);
  expect(seen).toEqual(["A", "B", "C"]);
  expect(accepted).toBe(1);
});

test("cancelling both directions ends the handler, and lets go of the caller's source", async () => {
  const ended: string[] = [];
  const client = await echo({
    async *both(requests, { signal }) {
      signal.addEventListener("abort", () => ended.push("signal"));
      try {
        for await (const request of requests) yield request;
      } finally {
        ended.push("handler");
      }
    },
  });
  const controller = new AbortController();
  async function* requests() {
    try {
      yield text("one");
      await forever(controller.signal);
    } finally {
      ended.push("source");
    }
  }
  const replies = client.both(requests(), { signal: controller.signal });
  expect((await replies.next()).value).toEqual(text("one"));
  const rest = expect(replies.next()).rejects.toThrow("enough");
  controller.abort(new Error("enough"));
  await rest;
  await until("all have ended", () => ended.length === 3);
  expect(ended.sort()).toEqual(["handler", "signal", "source"]);
});

test("a server that stops tells every caller, and frees its port", async () => {
  const started = deferred<void>();
  const handlers: Partial<EchoHandlers> = {
    async *down(_, { signal }) {
      started.resolve();
      yield text("one");
      await forever(signal);
    },
  };
  const { server, port, address } = await serveEcho(handlers, ownAddress());
  const replies = dial(address).down(text(""));
  expect((await replies.next()).value).toEqual(text("one"));
  const rest = replies.next();
  await started.promise;
  const closed = server.close();
  await expect(rest).rejects.toMatchObject({ code: "unavailable", message: "the manager is stopping" });
  await closed;
  const again = ca.server(serverIdentity);
  opened.use(again);
  expect(await again.listen(address)).toBe(port);
});

test("a port in use is one sentence", async () => {
  const { port } = await serveEcho({});
  const second = ca.server(serverIdentity);
  opened.use(second);
  await expect(second.listen(`127.0.0.1:${port}`)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `cannot listen on 127.0.0.1:${port}: EADDRINUSE: address already in use 127.0.0.1:${port}`,
  });
});

test("nobody there is one sentence with the address, at once, and a later server is found", async () => {
  const { server, address } = await serveEcho({ one: async (request) => request }, ownAddress());
  await server.close();
  const client = dial(address);
  const startedMs = performance.now();
  await expect(client.one(text(""))).rejects.toMatchObject({
    code: "unavailable",
    message: `cannot reach ${address}: connect ECONNREFUSED ${address}`,
  });
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  const again = ca
    .server(serverIdentity)
    .add(EchoService, { one: async (request) => request, down: () => texts(), up: async () => text(""), both: () => texts() });
  opened.use(again);
  await again.listen(address);
  await until("the client finds the new server", () => client.one(text("x")).then(Boolean, () => false));
});

test.each([
  ["", 0],
  [", also when the clock was set back meanwhile", 3_600_000],
])("after seconds of failure the next call tries afresh, instead of repeating what once went wrong%s", async (_when, aheadMs) => {
  const { server, address } = await serveEcho({}, ownAddress());
  await server.close();
  const clock = new FakeClock(Date.now() + aheadMs);
  const connection = opened.use(new Connection({ address, clock, security: { type: "mutual", identity: clientIdentity } }));
  const client = createClient(connection, EchoService);
  await expect(client.one(text(""))).rejects.toMatchObject({ code: "unavailable", details: { connection: "refused" } });
  clock.set(-aheadMs);
  await clock.advance(3_000);
  const again = ca
    .server(serverIdentity)
    .add(EchoService, { one: async (request) => request, down: () => texts(), up: async () => text(""), both: () => texts() });
  opened.use(again);
  await again.listen(address);
  expect(await client.one(text("x"))).toEqual(text("x"));
});

test("what was sent before the end is all read, however slowly", async () => {
  let isOver = false;
  const client = await echo({
    async *down() {
      for (let count = 0; count < 200; count++) yield text(`${count}`);
      isOver = true;
    },
  });
  let read = 0;
  for await (const _ of client.down(text(""))) if (++read === 1) await until("the handler has ended", () => isOver);
  expect(read).toBe(200);
});

test("a machine that takes connections and says nothing is given up", async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  opened.add(() => void silent.close());
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  await expect(dial(address).one(text(""))).rejects.toMatchObject({ code: "unavailable", message: `cannot reach ${address}: no answer within 3000 ms` });
});

test("a connection that breaks during a call is unavailable, and the next call makes a new one", async () => {
  const { port } = await serveEcho({
    one: async (request) => request,
    async *down(_, { signal }) {
      yield text("one");
      await forever(signal);
    },
  });
  const proxy = await TcpProxy.start(port);
  opened.use(proxy);
  const client = dial(proxy.address);
  const replies = client.down(text(""));
  await replies.next();
  const rest = replies.next();
  proxy.cut();
  await expect(rest).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining(proxy.address) });
  expect(await client.one(text("again"))).toEqual(text("again"));
  expect(proxy.accepted).toBe(2);
});

test("a closed connection makes no new calls", async () => {
  const connection = new Connection({ address: "127.0.0.1:1", clock: systemClock, security: { type: "mutual", identity: clientIdentity } });
  connection.close();
  await expect(createClient(connection, EchoService).one(text(""))).rejects.toMatchObject({
    code: "unavailable",
    message: "connection to 127.0.0.1:1 is closed",
  });
});
