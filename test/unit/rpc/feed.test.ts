import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { deferred } from "../../../src/base/deferred.js";
import { ClusterError } from "../../../src/base/errors.js";
import { createClient } from "../../../src/rpc/client.js";
import { Connection } from "../../../src/rpc/connection.js";
import { Feed } from "../../../src/rpc/feed.js";
import type { ServiceHandlers } from "../../../src/rpc/server-call.js";
import { Opened } from "../../support/disposables.js";
import { EchoService, text } from "../../support/echo-service.js";
import { heldUp } from "../../support/held-up.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import { until } from "../../support/until.js";

type EchoHandlers = ServiceHandlers<typeof EchoService>;
type Text = ReturnType<typeof text>;

const ca = new TestCa();
const opened = new Opened();
afterEach(() => opened.close());

async function echo(handlers: Partial<EchoHandlers>) {
  const missing = () => {
    throw new ClusterError("unimplemented", "not part of this test");
  };
  const server = opened
    .use(ca.server(ca.identity("m1")))
    .add(EchoService, { one: async (request) => request, down: missing, up: missing, both: missing, ...handlers });
  const proxy = opened.use(await TcpProxy.start(await server.listen("127.0.0.1:0")));
  const connection = opened.use(new Connection({ address: proxy.address, clock: systemClock, security: { type: "mutual", identity: ca.identity("m2") } }));
  return { server, proxy, client: createClient(connection, EchoService) };
}

const FILLER = "x".repeat(100_000);

/** Numbered messages, all there from the beginning, and how many of them the stream has taken. */
function numbered(count: number, filler = "") {
  const taken = { count: 0 };
  const feed = new Feed<Text>(() => (taken.count < count ? text(`${taken.count++}${filler}`) : null));
  feed.end();
  return { taken, feed };
}

/** Messages that are pushed one by one. */
function pushed() {
  const waiting: Text[] = [];
  const feed = new Feed<Text>(() => waiting.shift() ?? null);
  const push = (value: string) => {
    waiting.push(text(value));
    feed.wake();
  };
  return { waiting, feed, push };
}

const numberOf = ({ sessionId }: Text) => Number.parseInt(sessionId, 10);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

test("messages are sent as they come up, answered as they arrive, and end in both directions", async () => {
  const { client } = await echo({
    both(requests) {
      const { feed, push } = pushed();
      requests.takeEach(({ sessionId }) => void push(sessionId.toUpperCase())).then(() => feed.end());
      return feed;
    },
  });
  const { feed, push } = pushed();
  push("a");
  const replies = client.both(feed);
  const seen: string[] = [];
  for await (const { sessionId } of replies) {
    seen.push(sessionId);
    if (sessionId === "A") push("b");
    if (sessionId === "B") feed.end();
  }
  expect(seen).toEqual(["A", "B"]);
});

test("requests are sent no faster than they are taken, and all arrive in order before the end", async () => {
  const go = deferred<void>();
  const seen: number[] = [];
  const { client } = await echo({
    async up(requests) {
      await requests.takeEach((request) => {
        seen.push(numberOf(request));
        return seen.length % 2 === 1 ? go.promise : undefined;
      });
      return text(`${seen.length}`);
    },
  });
  const { feed, taken } = numbered(1_000, ` ${FILLER}`);
  const reply = client.up(feed);
  const sentUnread = await heldUp(
    () => taken.count,
    () => client.one(text("")),
  );
  expect(sentUnread).toBeLessThan(200);
  expect(seen).toEqual([0]);
  go.resolve();
  expect(await reply).toEqual(text("1000"));
  expect(seen).toEqual(upTo(1_000));
});

test("the end is not told before the last message has been dealt with", async () => {
  const events: string[] = [];
  let turn = async () => {};
  const { client } = await echo({
    async up(requests) {
      await requests.takeEach(async ({ sessionId }) => {
        await turn();
        events.push(sessionId);
      });
      events.push("end");
      return text("");
    },
  });
  // The end has long been there by then: it came with the messages.
  turn = async () => void (await client.one(text("")));
  await client.up(numbered(3).feed);
  expect(events).toEqual(["0", "1", "2", "end"]);
});

test("replies are sent no faster than they are read", async () => {
  const { feed, taken } = numbered(1_000, ` ${FILLER}`);
  const { client } = await echo({ down: () => feed });
  const seen: number[] = [];
  for await (const reply of client.down(text(""))) {
    seen.push(numberOf(reply));
    if (seen.length > 1) continue;
    const sentUnread = await heldUp(
      () => taken.count,
      () => client.one(text("")),
    );
    expect(sentUnread).toBeLessThan(200);
  }
  expect(seen).toEqual(upTo(1_000));
});

test.each(["throws", "rejects"])("what the receiver %s ends the call, nothing more is taken or asked for", async (how) => {
  const seen: string[] = [];
  const refusal = new ClusterError("failed_precondition", "not for me");
  const { client } = await echo({
    async up(requests) {
      await requests.takeEach(({ sessionId }) => {
        seen.push(sessionId);
        if (how === "throws") throw refusal;
        return Promise.reject(refusal);
      });
      return text("");
    },
  });
  const { feed, push, waiting } = pushed();
  for (const value of ["a", "b", "c"]) push(value);
  await expect(client.up(feed)).rejects.toMatchObject({ code: "failed_precondition", message: "not for me" });
  push("d");
  expect(waiting).toEqual([text("d")]);
  expect(seen).toEqual(["a"]);
});

test.each(["up", "both"] as const)("what the sender throws is what %s throws, and the receiver is told", async (kind) => {
  const arrived = deferred<void>();
  const told = deferred<unknown>();
  const read: EchoHandlers["up"] = async (requests, { signal }) => {
    signal.addEventListener("abort", () => told.resolve(signal.reason));
    await requests.takeEach(() => void arrived.resolve());
    return text("");
  };
  const { client } = await echo({
    up: read,
    async *both(requests, context) {
      yield await read(requests, context);
    },
  });
  let isBroken = false;
  let asked = 0;
  const feed = new Feed<Text>(() => {
    if (isBroken) throw new Error("source broke");
    return asked++ === 0 ? text("one") : null;
  });
  const call = expect(kind === "up" ? client.up(feed) : client.both(feed).next()).rejects.toThrow("source broke");
  await arrived.promise;
  isBroken = true;
  feed.wake();
  await call;
  expect(await told.promise).toMatchObject({ code: "aborted" });
  isBroken = false;
  const before = asked;
  feed.wake();
  expect(asked).toBe(before);
});

/** A stream that is open, and why it ended at either end. */
async function openStream() {
  const seen: string[] = [];
  const aborted = deferred<unknown>();
  const received = deferred<unknown>();
  const world = await echo({
    async up(requests, { signal }) {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      await requests.takeEach(({ sessionId }) => void seen.push(sessionId)).then(received.resolve, received.resolve);
      return text("");
    },
  });
  const { feed, push, waiting } = pushed();
  const controller = new AbortController();
  const sent = world.client.up(feed, { signal: controller.signal }).then(
    () => new Error("the call succeeded"),
    (cause: unknown) => cause,
  );
  push("a");
  await until("a message arrived", () => seen.length === 1);
  return { ...world, controller, push, waiting, sent, aborted: aborted.promise, received: received.promise };
}

test("a call that is cancelled ends at both ends, and asks for nothing more", async () => {
  const { controller, sent, aborted, received, push, waiting } = await openStream();
  controller.abort(new Error("enough"));
  push("b");
  expect(await sent).toMatchObject({ message: "enough" });
  expect(await aborted).toMatchObject({ code: "aborted" });
  await received; // Its end may be all that is seen of a call that was cancelled.
  expect(waiting).toEqual([text("b")]);
});

test("a server that stops tells the sender and the receiver", async () => {
  const { server, sent, received, push, waiting } = await openStream();
  await server.close();
  expect(await sent).toMatchObject({ code: "unavailable", message: "the manager is stopping" });
  expect(await received).toMatchObject({ code: "unavailable", message: "the manager is stopping" });
  push("b");
  expect(waiting).toEqual([text("b")]);
});

test("a connection that breaks is told to the sender and the receiver", async () => {
  const { proxy, sent, received } = await openStream();
  proxy.cut();
  expect(await sent).toMatchObject({ code: "unavailable", details: { connection: "broken" } });
  expect(await received).toMatchObject({ code: "aborted" });
});

test("a receiver that left is not called again, whatever still arrives", async () => {
  const seen: string[] = [];
  const left = deferred<void>();
  const go = deferred<void>();
  const { client } = await echo({
    async *both(requests) {
      await requests
        .takeEach(({ sessionId }) => {
          seen.push(sessionId);
          throw new Error("enough");
        })
        .catch(() => left.resolve());
      await go.promise;
      yield text("over");
    },
  });
  const { feed, push } = pushed();
  push("a");
  const replies = client.both(feed);
  const first = replies.next();
  await left.promise;
  push("b");
  await client.one(text("")); // "b" went before it, on the same connection.
  go.resolve();
  expect((await first).value).toEqual(text("over"));
  await replies.return();
  expect(seen).toEqual(["a"]);
});
