import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type RaftBackend, raftHandlers, raftStreams } from "../../../src/api/grpc/raft.js";
import { type Clock, systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { systemRandom } from "../../../src/base/random.js";
import type { StoreObject } from "../../../src/model/objects.js";
import type { RaftMessage } from "../../../src/raft/message.js";
import { SnapshotFolder } from "../../../src/replica/snapshot-folder.js";
import { NOTHING_RECEIVED, type SnapshotProgress } from "../../../src/replica/snapshot-frames.js";
import type { OutgoingSnapshot, RaftTransport } from "../../../src/replica/transport.js";
import { managerAt } from "../../../src/rpc/manager-at.js";
import { RaftQueue } from "../../../src/rpc/raft-queue.js";
import type { RaftPeerOptions } from "../../../src/rpc/raft-peer.js";
import { TlsRaftTransport } from "../../../src/rpc/raft-transport.js";
import { type Member, RaftService } from "../../../src/wire/generated/raft.js";
import { Opened } from "../../support/disposables.js";
import { heldUp } from "../../support/held-up.js";
import { ownAddress } from "../../support/own-address.js";
import { recordsOf } from "../../support/records.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import { until } from "../../support/until.js";

const ca = new TestCa();
const opened = new Opened();
afterEach(() => opened.close());

function message(index: number, fields: Partial<RaftMessage> = {}): RaftMessage {
  return {
    type: "append",
    to: 2,
    from: 1,
    term: 3,
    index,
    logTerm: 2,
    entries: [],
    commit: 1,
    reject: false,
    hintIndex: 0,
    hintTerm: 0,
    context: 0,
    snapshot: null,
    forced: false,
    ...fields,
  };
}

type Receive = (chunks: AsyncIterable<Uint8Array>, after: SnapshotProgress) => Promise<void>;

/** Member 2, on node m2, which knows member 1 to be node m1. */
async function member(
  options: {
    introduced?: (member: Member) => () => void;
    address?: string;
    incarnation?: string;
    nodeId?: string;
    receive?: Receive;
    received?: () => SnapshotProgress;
  } = {},
) {
  const delivered: RaftMessage[] = [];
  const snapshots: { message: RaftMessage; bytes: number; chunks: number }[] = [];
  const backend: RaftBackend = {
    clusterId: "cluster1",
    incarnation: () => ({ incarnation: options.incarnation ?? "i1", formerIncarnations: ["i0"] }),
    raftId: 2,
    nodeOf: (raftId) => ({ 1: "m1", 2: "m2" })[raftId],
    inbox: {
      introduced: options.introduced ?? (() => () => undefined),
      deliver: (messages) => void delivered.push(...messages),
      snapshotReceived: options.received ?? (() => NOTHING_RECEIVED),
      async receiveSnapshot(snapshotMessage, chunks, after) {
        if (options.receive !== undefined) return options.receive(chunks, after);
        const received = { message: snapshotMessage, bytes: 0, chunks: 0 };
        for await (const chunk of chunks) {
          received.bytes += chunk.length;
          received.chunks++;
        }
        snapshots.push(received);
      },
    },
  };
  const server = opened.use(ca.server(ca.identity(options.nodeId ?? "m2")));
  server.add(RaftService, raftHandlers(backend)).addRaftStreams(raftStreams(backend));
  const { address = "127.0.0.1:0" } = options;
  const port = await server.listen(address);
  return { server, port, address: address.replace(/\d+$/, `${port}`), delivered, snapshots };
}

function transportOf(nodeId = "m1", options: Partial<RaftPeerOptions> = {}) {
  return opened.use(
    new TlsRaftTransport({
      identity: ca.identity(nodeId),
      clusterId: "cluster1",
      incarnation: "i1",
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      ...options,
    }),
  );
}

/** The time of day, and how often somebody waited for it to pass: what happens at once happens before that. */
class PauseCounter implements Clock {
  readonly now = systemClock.now;
  readonly monotonic = systemClock.monotonic;
  readonly after = systemClock.after;
  pauses = 0;

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    this.pauses++;
    return systemClock.sleep(delayMs, signal);
  }
}

const peersAt = (address: string): readonly Member[] => [
  { raftId: 1, nodeId: "m1", address: "127.0.0.1:1" },
  { raftId: 2, nodeId: "m2", address },
];

test("it is the transport that the replica asks for", () => {
  const transport: RaftTransport = transportOf();
  expect(transport.isReachable(2)).toBe(false);
});

test("a member says who it is, with the node id of its certificate, for as long as it is connected", async () => {
  const known: Member[] = [];
  const introduced = (self: Member) => {
    known.push(self);
    return () => void known.splice(known.indexOf(self), 1);
  };
  const { address } = await member({ introduced });
  const transport = transportOf("m9", { self: () => ({ raftId: 9, nodeId: "m1", address: "127.0.0.1:9" }) });
  transport.setPeers(peersAt(address));
  await until("it is known", () => known.length > 0);
  expect(known).toEqual([{ raftId: 9, nodeId: "m9", address: "127.0.0.1:9" }]);
  transport.setPeers([]);
  await until("it is forgotten", () => known.length === 0);
});

test("who says to be a member that another node is, is refused", async () => {
  const { address } = await member();
  const warned: unknown[] = [];
  const logger = { ...silentLogger, info: () => undefined, warn: (fields: object) => void warned.push(fields), child: () => silentLogger };
  const transport = transportOf("m9", { logger, self: () => ({ raftId: 1, nodeId: "m9", address: "127.0.0.1:9" }) });
  transport.setPeers([{ raftId: 2, nodeId: "m2", address }]);
  await until("it was refused", () => warned.length > 0);
  expect(warned[0]).toMatchObject({ reason: "raft message from member 1 of node m1, sent by node m9" });
});

test("who answers at an address is told by its certificate, when that is a manager's of the same swarm", async () => {
  const { address } = await member();
  const asker = { identity: ca.identity("m1"), clock: systemClock };
  expect(await managerAt(address, asker)).toBe("m2");
  for (const [other, reason] of [
    [new TestCa(), "its certificate is of another root"],
    [new TestCa("cluster2", ca.root), "its certificate is of swarm cluster1"],
  ] as const)
    await expect(managerAt(address, { ...asker, identity: other.identity("m1") })).rejects.toMatchObject({
      code: "unavailable",
      message: `what answers at ${address} is no manager of this node's swarm: ${reason}`,
    });
  await expect(managerAt("127.0.0.1:1", asker)).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("cannot reach 127.0.0.1:1") });
});

test("messages arrive whole and in order, and the peer is reachable", async () => {
  const { address, delivered } = await member();
  const transport = transportOf();
  transport.setPeers(peersAt(address));
  const entry = { index: 7, term: 3, type: "normal", data: new Uint8Array([1, 2, 3]) } as const;
  await until("the peer is reachable", () => transport.isReachable(2));
  expect(transport.isReachable(1)).toBe(false);
  const sent = [message(6, { entries: [entry], context: 2 ** 52, reject: true, hintIndex: 4, hintTerm: 1 }), message(7, { type: "vote", forced: true })];
  transport.send(sent);
  for (let index = 8; index < 1_000; index++) transport.send([message(index)]);
  await until("all are delivered", () => delivered.length === 994);
  expect(delivered.map(({ index }) => index)).toEqual(Array.from({ length: 994 }, (_, at) => at + 6));
  expect(delivered[0]).toEqual({ ...sent[0], entries: [{ ...entry, data: Buffer.from(entry.data) }] });
  expect(delivered[1]).toEqual(sent[1]);
});

test("a peer that was away gets only the newest messages", async () => {
  const { address, delivered } = await member();
  const transport = transportOf();
  transport.setPeers(peersAt(address));
  for (let index = 1; index <= 100; index++) transport.send([message(index)]);
  await until("some are delivered", () => delivered.length > 0);
  expect(delivered.map(({ index }) => index)).toEqual(Array.from({ length: 64 }, (_, at) => at + 37));
});

test("an address that cannot be dialled is told, and tried again", async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, info: () => undefined, warn: (fields: object) => void warnings.push(JSON.stringify(fields)) } as typeof silentLogger;
  const clock = new PauseCounter();
  const transport = transportOf("m1", { logger, clock });
  transport.setPeers(peersAt("127.0.0.1:99999"));
  await until("it was tried again", () => clock.pauses > 1);
  expect(warnings.some((line) => line.includes("99999"))).toBe(true);
});

test("messages to nobody are dropped", () => {
  const transport = transportOf();
  expect(() => transport.send([message(1)])).not.toThrow();
});

test("after a restart of the peer the stream comes back by itself", async () => {
  const first = await member({ address: `${ownAddress()}:0` });
  const transport = transportOf();
  transport.setPeers(peersAt(first.address));
  transport.send([message(1)]);
  await until("the first one is delivered", () => first.delivered.length === 1);
  await first.server.close();
  await until("the peer is seen to be gone", () => !transport.isReachable(2));
  transport.send([message(2)]);
  const second = await member({ address: first.address });
  await until("the second one is delivered", () => second.delivered.length > 0);
  expect(second.delivered.map(({ index }) => index)).toEqual([2]);
  await until("the peer is reachable", () => transport.isReachable(2));
});

test("a connection that was reset is made again at once", async () => {
  const { port, delivered } = await member();
  const proxy = opened.use(await TcpProxy.start(port));
  const clock = new PauseCounter();
  const transport = transportOf("m1", { clock });
  transport.setPeers(peersAt(proxy.address));
  await until("the peer is reachable", () => transport.isReachable(2));
  const { pauses } = clock;
  proxy.cut();
  await until("the peer was redialled", () => proxy.accepted > 1);
  await until("the peer is reachable again", () => transport.isReachable(2));
  expect(clock.pauses).toBe(pauses);
  transport.send([message(5)]);
  await until("a message is delivered", () => delivered.some(({ index }) => index === 5));
});

test("a member whose process died is reported at once, and only once", async () => {
  const { port } = await member();
  const proxy = await TcpProxy.start(port);
  opened.add(() => proxy[Symbol.asyncDispose]());
  const clock = new PauseCounter();
  /** After how many pauses each report came. */
  const lost: (readonly [raftId: number, pauses: number])[] = [];
  const transport = transportOf("m1", { onPeerLost: (raftId) => void lost.push([raftId, clock.pauses]), clock });
  transport.setPeers(peersAt(proxy.address));
  await until("the peer is reachable", () => transport.isReachable(2));
  const { pauses } = clock;
  await proxy[Symbol.asyncDispose](); // Nobody listens any more, and what stood is broken.
  await until("three more redials failed", () => clock.pauses >= pauses + 4);
  expect(lost).toEqual([[2, pauses]]);
});

test.each(["stops", "is reset but still listens"])("a member that %s is not reported as lost", async (what) => {
  const { port, server } = await member();
  const proxy = opened.use(await TcpProxy.start(port));
  const lost: number[] = [];
  const transport = transportOf("m1", { onPeerLost: (raftId) => void lost.push(raftId) });
  transport.setPeers(peersAt(proxy.address));
  await until("the peer is reachable", () => transport.isReachable(2));
  if (what === "stops") await server.close();
  else proxy.cut();
  await until("the peer was redialled", () => proxy.accepted > 1);
  if (what !== "stops") await until("the peer is reachable", () => transport.isReachable(2));
  expect(lost).toEqual([]);
});

test("a member that moved is sent to where it is now; one that left gets nothing", async () => {
  const old = await member();
  const moved = await member();
  const transport = transportOf();
  transport.setPeers(peersAt(old.address));
  await until("the peer is reachable", () => transport.isReachable(2));
  transport.setPeers(peersAt(moved.address));
  transport.send([message(1)]);
  await until("the message is delivered", () => moved.delivered.length === 1);
  expect(old.delivered).toEqual([]);
  transport.setPeers([]);
  expect(transport.isReachable(2)).toBe(false);
});

test("another manager at the address of a member gets none of its mail", async () => {
  const { address, delivered } = await member({ nodeId: "m3" });
  const warnings: string[] = [];
  const logger = { ...silentLogger, info: () => undefined, warn: (fields: object) => void warnings.push(JSON.stringify(fields)) } as typeof silentLogger;
  const transport = transportOf("m1", { logger });
  transport.setPeers(peersAt(address));
  transport.send([message(1)]);
  await until("the attempt failed", () => warnings.some((line) => line.includes("Host: m2. is not in the cert's altnames")));
  expect(delivered).toEqual([]);
});

test.each([
  ["of an incarnation before", {}, { incarnation: "i0" }, message(1), "without the managers of incarnation i0: leave it by force"],
  ["of a foreign incarnation", {}, { incarnation: "i2" }, message(1), "knows nothing of incarnation i2"],
  ["of another cluster's log", {}, { clusterId: "cluster9" }, message(1), "raft messages of cluster cluster9"],
  ["for a former member", {}, {}, message(1, { to: 2 }), "raft message for member 9 at member 2"],
  ["in the name of another node", { nodeId: "m8" }, {}, message(1), "raft message from member 1 of node m1, sent by node m8"],
])("messages %s never reach the consensus core", async (what, sender: { nodeId?: string }, options, sent, reason) => {
  const { address, delivered } = await member();
  const warnings: string[] = [];
  const logger = { ...silentLogger, info: () => undefined, warn: (fields: object) => void warnings.push(JSON.stringify(fields)) } as typeof silentLogger;
  const transport = transportOf(sender.nodeId ?? "m1", { ...options, logger });
  const isFormer = what === "for a former member";
  transport.setPeers(peersAt(address).map((peer) => (isFormer && peer.raftId === 2 ? { ...peer, raftId: 9 } : peer)));
  transport.send([{ ...sent, to: isFormer ? 9 : 2 }]);
  await until("the stream is refused", () => warnings.some((line) => line.includes(reason)));
  expect(delivered).toEqual([]);
});

test("who belongs to an incarnation before is told that its part is over; who belongs to a foreign one is not", async () => {
  const { address } = await member();
  const told: string[] = [];
  for (const incarnation of ["i2", "i0"]) {
    const refused = new Promise<void>((resolve) => {
      const logger = { ...silentLogger, info: () => undefined, warn: () => resolve() } as typeof silentLogger;
      const transport = transportOf("m1", { incarnation, logger, onLeftBehind: (cause) => void told.push(cause.message) });
      transport.setPeers(peersAt(address));
      transport.send([message(1)]);
    });
    await refused;
  }
  expect(told).toEqual([expect.stringContaining("the cluster was founded anew, as incarnation i1, without the managers of incarnation i0")]);
});

test("a replaced certificate moves the stream to a new connection", async () => {
  const { port, delivered } = await member();
  const proxy = opened.use(await TcpProxy.start(port));
  const identity = ca.identity("m1");
  const transport = transportOf("m1", { identity });
  transport.setPeers(peersAt(proxy.address));
  await until("the peer is reachable", () => transport.isReachable(2));
  identity.replace(ca.credentials("m1"));
  await until("there is a second connection", () => proxy.accepted > 1);
  transport.send([message(1)]);
  await until("it works", () => delivered.length === 1);
});

function snapshotOf(sizes: readonly number[], totalBytes = sizes.reduce((sum, size) => sum + size, 0)): OutgoingSnapshot {
  return streamed(async function* () {
    for (const size of sizes) yield new Uint8Array(size);
  }, totalBytes);
}

function streamed(chunks: () => AsyncIterable<Uint8Array>, totalBytes = 0): OutgoingSnapshot {
  const snapshot = { index: 50, term: 3, config: null };
  return { message: message(0, { type: "snapshot", snapshot }), after: async (received) => ({ received, totalBytes, chunks }) };
}

test("a snapshot arrives in pieces of at most 512 KiB", async () => {
  const { address, snapshots } = await member();
  const transport = transportOf();
  transport.setPeers(peersAt(address));
  const snapshot = snapshotOf([3_000_000, 0, 10]);
  await transport.sendSnapshot(2, snapshot, new AbortController().signal);
  expect(snapshots).toEqual([{ message: snapshot.message, bytes: 3_000_010, chunks: 7 }]);
});

test.each([
  ["the peer does not want it", { receive: () => Promise.reject(new Error("disk is full")) }, snapshotOf([10]), "disk is full"],
  ["it is cut short", {}, snapshotOf([10], 11), "snapshot ended after 10 of 11 bytes"],
])("a snapshot is not sent when %s", async (_what, options, snapshot, reason) => {
  const { address } = await member(options);
  const transport = transportOf();
  transport.setPeers(peersAt(address));
  await expect(transport.sendSnapshot(2, snapshot, new AbortController().signal)).rejects.toThrow(reason);
});

test("a snapshot is sent no faster than it is stored, and ends when told to", async () => {
  let isEnded = false;
  const { address, delivered } = await member({
    async receive(chunks) {
      const iterator = chunks[Symbol.asyncIterator]();
      await iterator.next();
      await new Promise<void>((resolve) => {
        const poll = () => (isEnded ? resolve() : setImmediate(poll));
        poll();
      });
    },
  });
  const transport = transportOf();
  transport.setPeers(peersAt(address));
  let produced = 0;
  const controller = new AbortController();
  const sending = transport.sendSnapshot(
    2,
    streamed(async function* () {
      for (; produced < 200; produced++) yield new Uint8Array(512 * 1024);
    }),
    controller.signal,
  );
  let turns = 0;
  const turn = async () => {
    transport.send([message(++turns)]);
    await until("a message is delivered", () => delivered.at(-1)?.index === turns);
  };
  expect(await heldUp(() => produced, turn)).toBeLessThan(60);
  controller.abort(new Error("no longer the leader"));
  await expect(sending).rejects.toThrow("no longer the leader");
  isEnded = true;
});

describe("a snapshot over a connection that breaks", () => {
  const meta = { index: 50, term: 3, config: null };
  const objects = Array.from({ length: 200 }, (_, at): StoreObject => {
    const spec = { name: `c${at}`, labels: {}, data: new Uint8Array(40_000).fill(at), templating: null };
    return { type: "config", config: { id: `c${at}`, meta: { version: 1, revision: at, createdAtMs: 1, updatedAtMs: 2 }, spec } };
  });

  /** A real file on either side, and a proxy in between; `onChunk` gets the bytes that came so far. */
  async function transfer(onChunk: (proxy: TcpProxy, bytes: number) => void) {
    const root = await mkdtemp(join(tmpdir(), "rpc-snapshot-"));
    opened.add(() => rm(root, { recursive: true, force: true }));
    const [from, to] = [await SnapshotFolder.open(join(root, "from"), recordsOf("a")), await SnapshotFolder.open(join(root, "to"), recordsOf("b"))];
    await from.write({ meta, members: [] }, objects);
    const begins: number[] = [];
    let bytes = 0;
    const { port } = await member({
      received: () => to.received(meta),
      receive: (chunks, after) => {
        begins.push(after.frames);
        const counted = async function* () {
          for await (const chunk of chunks) {
            bytes += chunk.length;
            onChunk(proxy, bytes);
            yield chunk;
          }
        };
        return to.receive(meta, counted(), after);
      },
    });
    const proxy = opened.use(await TcpProxy.start(port));
    const transport = transportOf();
    transport.setPeers(peersAt(proxy.address));
    const file = await from.send(meta);
    opened.add(() => file.close());
    const { totalBytes } = await file.after(NOTHING_RECEIVED);
    const done = transport.sendSnapshot(2, { message: message(0, { type: "snapshot", snapshot: meta }), after: file.after }, new AbortController().signal);
    return { done, begins, to, totalBytes, bytes: () => bytes };
  }

  test("goes on where it stopped, and arrives whole", async () => {
    let breaks = 0;
    const { done, begins, to, totalBytes, bytes } = await transfer((proxy, received) => {
      if (received < (breaks + 1) * 2_500_000 || breaks === 2) return;
      breaks++;
      proxy.cut();
    });
    await done;
    expect(begins.length).toBe(3);
    expect(begins[0]).toBe(0);
    expect(begins[1]).toBeGreaterThan(0);
    expect(begins[2]).toBeGreaterThan(begins[1]!);
    // What was cut within a frame comes again, no more.
    expect(bytes()).toBeLessThan(totalBytes + 2_000_000);
    const found: StoreObject[] = [];
    await to.read(meta, (object) => void found.push(object));
    expect(found.length).toBe(objects.length);
  });
});

test("a snapshot for nobody is refused", async () => {
  await expect(transportOf().sendSnapshot(2, snapshotOf([1]), new AbortController().signal)).rejects.toMatchObject({ code: "not_found" });
});

test("a full queue loses its oldest messages", () => {
  const byNumber = new RaftQueue({ messagesMax: 3, bytesMax: 1e6 });
  for (let index = 1; index <= 5; index++) byNumber.push(message(index));
  expect(byNumber.take(1e6).map(({ index }) => index)).toEqual([3, 4, 5]);
  expect(byNumber.length).toBe(0);

  const withData = (index: number, size: number) => message(index, { entries: [{ index, term: 1, type: "normal", data: new Uint8Array(size) }] });
  const byBytes = new RaftQueue({ messagesMax: 100, bytesMax: 1_000 });
  for (let index = 1; index <= 5; index++) byBytes.push(withData(index, 300));
  expect(byBytes.take(1e6).map(({ index }) => index)).toEqual([4, 5]);
  byBytes.push(withData(6, 5_000)); // Alone it may be larger than the bound: it has to get through some time.
  expect(byBytes.length).toBe(1);
});

test("a frame takes what fits, and at least one message", () => {
  const queue = new RaftQueue({ messagesMax: 100, bytesMax: 1e6 });
  for (let index = 1; index <= 5; index++) queue.push(message(index));
  expect(queue.take(130).map(({ index }) => index)).toEqual([1, 2]);
  expect(queue.take(1).map(({ index }) => index)).toEqual([3]);
  expect(queue.take(1e6).map(({ index }) => index)).toEqual([4, 5]);
  expect(queue.take(1)).toEqual([]);
});
