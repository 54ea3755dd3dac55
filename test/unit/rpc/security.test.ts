import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { FakeClock, systemClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { crossSign } from "../../../src/pki/cross-sign.js";
import type { NodeCredentials } from "../../../src/pki/identity-files.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import type { Caller } from "../../../src/rpc/caller.js";
import { createClient } from "../../../src/rpc/client.js";
import { Connection, type Security } from "../../../src/rpc/connection.js";
import { LiveIdentity } from "../../../src/rpc/live-identity.js";
import type { Method } from "../../../src/rpc/method.js";
import { RAFT_PROTOCOL } from "../../../src/rpc/raft-stream.js";
import { authorize, RULES } from "../../../src/rpc/rules.js";
import type { RpcServer, RpcServerOptions } from "../../../src/rpc/server.js";
import * as caTables from "../../../src/wire/generated/ca.js";
import * as controlTables from "../../../src/wire/generated/control.js";
import * as dispatcherTables from "../../../src/wire/generated/dispatcher.js";
import * as raftTables from "../../../src/wire/generated/raft.js";
import { Opened } from "../../support/disposables.js";
import { EchoService, text } from "../../support/echo-service.js";
import { TestCa } from "../../support/rpc-cluster.js";

const HOUR_MS = 3_600_000;
const ca = new TestCa();
const opened = new Opened();
afterEach(() => opened.close());

const methods: readonly (readonly [string, Method])[] = [caTables, controlTables, dispatcherTables, raftTables]
  .flatMap((module) => Object.entries(module).filter(([name]) => name.endsWith("Service")))
  .flatMap(([, table]) => Object.values(table as Record<string, Method>))
  .map((method) => [method.path, method]);

/** Every method of every table, served by handlers that only count. */
async function serveAll(identity: LiveIdentity, options: Partial<RpcServerOptions> = {}) {
  const served: Caller[] = [];
  const server: RpcServer = opened.use(ca.server(identity, options));
  const table = Object.fromEntries(methods.map(([path]) => [path, { ...EchoService.one, path }]));
  const answer = async (_: unknown, { caller }: { caller: Caller }) => {
    served.push(caller);
    throw new ClusterError("already_exists", "served");
  };
  server.add(table, Object.fromEntries(methods.map(([path]) => [path, answer])));
  return { address: `127.0.0.1:${await server.listen("127.0.0.1:0")}`, served };
}

/** Calls one method with bytes that every message type understands: none. Resolves with the code of what comes back. */
async function codeOf(address: string, security: Security, path: string): Promise<string> {
  const connection = opened.use(new Connection({ address, clock: systemClock, security }));
  const codec = { ...EchoService.one.request, encode: () => Buffer.alloc(0) };
  const call = createClient(connection, { one: { ...EchoService.one, path, request: codec } }).one(text(""));
  return call.then(
    () => "ok",
    (cause: unknown) => ClusterError.from(cause).code,
  );
}

const mutual = (identity: LiveIdentity): Security => ({ type: "mutual", identity });
const anonymous: Security = { type: "anonymous", rootCertificate: ca.root.certificate };

test("there are methods, and every one has a rule; no rule is for a method that is gone", () => {
  expect(methods.length).toBeGreaterThan(10);
  expect(
    methods
      .map(([path]) => path)
      .concat(RAFT_PROTOCOL)
      .sort(),
  ).toEqual([...RULES.keys()].sort());
});

test("a method without a rule is refused to everyone", () => {
  for (const role of ["manager", "worker"] as const) {
    expect(() => authorize("/swarm.v1.New/Method", { nodeId: "n", role, address: "" })).toThrow(expect.objectContaining({ code: "permission_denied" }));
  }
  expect(() => authorize("/swarm.v1.New/Method", { nodeId: "", role: "anonymous", address: "" })).toThrow(expect.objectContaining({ code: "unauthenticated" }));
});

const OPEN_TO_ANONYMOUS = ["RootCertificate", "IssueCertificate", "RenewalNonce", "RenewLate"].map((name) => `/swarm.v1.Ca/${name}`);
const OPEN_TO_WORKERS = [
  ...OPEN_TO_ANONYMOUS,
  ...["Session", "Heartbeat", "UpdateTaskStatus", "UpdateDescription", "Assignments"].map((name) => `/swarm.v1.Dispatcher/${name}`),
  ...["ListenSubscriptions", "PublishLogs"].map((name) => `/swarm.v1.Logs/${name}`),
];

let managerIdentity: LiveIdentity;
beforeAll(() => {
  managerIdentity = ca.identity("m1");
});

test.each([
  ["a manager", () => mutual(ca.identity("m2")), methods.map(([path]) => path), "already_exists"],
  ["a worker", () => mutual(ca.identity("w1", "worker")), OPEN_TO_WORKERS, "permission_denied"],
  ["nobody", () => anonymous, OPEN_TO_ANONYMOUS, "unauthenticated"],
  ["nobody who does not check the server", (): Security => ({ type: "unverified" }), OPEN_TO_ANONYMOUS, "unauthenticated"],
])("%s may call exactly its methods", async (_who, security, allowed, refusal) => {
  const { address, served } = await serveAll(managerIdentity);
  for (const [path] of methods) {
    expect([path, await codeOf(address, security(), path)]).toEqual([path, allowed.includes(path) ? "already_exists" : refusal]);
  }
  expect(served).toHaveLength(allowed.length);
});

test("whoever shows no certificate is heard out for as long as a request for one takes, and no longer", async () => {
  const { address, served } = await serveAll(managerIdentity);
  const ask = async (security: Security, bytes: number) => {
    const connection = opened.use(new Connection({ address, clock: systemClock, security }));
    const table = { one: { ...EchoService.one, path: "/swarm.v1.Ca/IssueCertificate" } };
    return await createClient(connection, table)
      .one(text("x".repeat(bytes)))
      .then(
        () => "ok",
        (cause: unknown) => ClusterError.from(cause).code,
      );
  };
  expect(await ask(anonymous, 32 * 1024)).toBe("already_exists");
  expect(await ask(anonymous, 128 * 1024)).toBe("out_of_range");
  expect(await ask(mutual(ca.identity("w1", "worker")), 128 * 1024)).toBe("already_exists");
  expect(served).toHaveLength(2);
});

/** What is wrong with a certificate makes its owner nobody: it may ask for a root or a certificate, and nothing else. */
test.each([
  ["expired", () => ca.credentials("m2", "manager", Date.now() - 3 * HOUR_MS)],
  ["not yet valid", () => ca.credentials("m2", "manager", Date.now() + 3 * HOUR_MS)],
  ["of another cluster with the same root", () => new TestCa("cluster2", ca.root).credentials("m2")],
  [
    "of another authority of the same name",
    () => {
      const { certificate, key } = new TestCa("cluster1", createRootCa({ nowMs: Date.now() })).credentials("m2");
      return { certificate, key, rootCertificate: ca.root.certificate };
    },
  ],
])("a certificate that is %s counts as none", async (_what, credentials) => {
  const { address, served } = await serveAll(managerIdentity);
  const identity = Object.create(LiveIdentity.prototype) as LiveIdentity; // The real one would refuse a foreign certificate itself.
  const { certificate, key, rootCertificate } = credentials();
  Object.defineProperty(identity, "intermediate", { value: undefined });
  Object.assign(identity, {
    onReplace: () => () => undefined,
    addCaCertificateListener: (listener: (update: unknown) => void) => process.nextTick(listener, { caCertificate: Buffer.from(rootCertificate) }),
    removeCaCertificateListener: () => undefined,
    addIdentityCertificateListener: (listener: (update: unknown) => void) =>
      process.nextTick(listener, { certificate: Buffer.from(certificate), privateKey: Buffer.from(key) }),
    removeIdentityCertificateListener: () => undefined,
  });
  expect(await codeOf(address, mutual(identity), "/swarm.v1.Dispatcher/Heartbeat")).toBe("unauthenticated");
  expect(await codeOf(address, mutual(identity), "/swarm.v1.Raft/Snapshot")).toBe("unauthenticated");
  expect(await codeOf(address, mutual(identity), "/swarm.v1.Ca/IssueCertificate")).toBe("already_exists");
  expect(served).toEqual([{ nodeId: "", role: "anonymous", address: "127.0.0.1" }]);
});

test("a certificate that expires while its connection stands counts no more", async () => {
  const clock = new FakeClock(Date.now());
  const { address } = await serveAll(managerIdentity, { clock });
  const connection = opened.use(new Connection({ address, clock: systemClock, security: mutual(ca.identity("m2")) }));
  const client = createClient(connection, EchoService);
  await expect(client.one(text(""))).rejects.toMatchObject({ code: "already_exists" });
  await clock.advance(2 * HOUR_MS);
  await expect(client.one(text(""))).rejects.toMatchObject({ code: "unauthenticated" });
});

test("a resumed session without a certificate is nobody", async () => {
  const { address, served } = await serveAll(managerIdentity);
  const [host, port] = address.split(":") as [string, string];
  const open = (session?: Buffer) =>
    new Promise<TLSSocket>((resolve) => {
      const socket = connectTls(
        {
          host,
          port: Number(port),
          ca: ca.root.certificate,
          servername: "swarm-manager",
          ALPNProtocols: ["h2"],
          ...(session === undefined ? {} : { session }),
        },
        () => resolve(socket),
      );
      opened.add(() => socket.destroy());
    });
  const statusOf = (session: ClientHttp2Session, path: string, bytes: number) =>
    new Promise<string>((resolve, reject) => {
      const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" });
      // Also where the answer is an error alone, and where it comes after a reply.
      for (const event of ["response", "trailers"] as const) {
        stream.on(event, (headers) => headers["grpc-status"] !== undefined && resolve(String(headers["grpc-status"])));
      }
      stream.on("error", reject);
      stream.resume();
      const message = Buffer.alloc(5 + bytes);
      message.writeUInt32BE(bytes, 1);
      stream.end(message);
    });
  const call = async (socket: TLSSocket) => {
    const session = connectHttp2(`https://${address}`, { createConnection: () => socket });
    opened.add(() => session.destroy());
    // Unauthenticated, and larger than a stranger's message may be.
    expect(await statusOf(session, "/swarm.v1.Raft/Snapshot", 0)).toBe("16");
    expect(await statusOf(session, "/swarm.v1.Ca/RenewalNonce", 100_000)).toBe("8");
  };
  const first = await open();
  const ticket = new Promise<Buffer>((resolve) => first.once("session", resolve));
  await call(first);
  const second = await open(await ticket);
  expect(second.isSessionReused()).toBe(true);
  await call(second);
  expect(served).toEqual([]);
});

test.each([
  ["a worker's certificate", () => ca.identity("m1", "worker"), {}, "swarm-manager"],
  ["another manager's certificate", () => ca.identity("m9"), { nodeId: "m1" }, "m1"],
])("a server with %s is refused before anything is sent", async (_what, identity, expected, name) => {
  const { address, served } = await serveAll(identity());
  const security: Security = { type: "mutual", identity: ca.identity("m2"), ...expected };
  const connection = opened.use(new Connection({ address, clock: systemClock, security }));
  await expect(createClient(connection, EchoService).one(text(""))).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining(`Host: ${name}. is not in the cert's altnames`),
  });
  expect(served).toEqual([]);
});

test("a server of another cluster is refused", async () => {
  const { address, served } = await serveAll(managerIdentity);
  expect(await codeOf(address, mutual(new TestCa().identity("m2")), "/swarm.v1.Ca/RootCertificate")).toBe("unavailable");
  expect(await codeOf(address, { type: "anonymous", rootCertificate: new TestCa().root.certificate }, "/swarm.v1.Ca/RootCertificate")).toBe("unavailable");
  expect(served).toEqual([]);
});

test("a manager with the expected node id is accepted", async () => {
  const { address } = await serveAll(managerIdentity);
  expect(await codeOf(address, { type: "mutual", identity: ca.identity("m2"), nodeId: "m1" }, "/swarm.v1.Raft/Snapshot")).toBe("already_exists");
});

test("a node that was removed is refused although its certificate is good", async () => {
  const { address } = await serveAll(managerIdentity, {
    admit: ({ nodeId, role }) => {
      if (nodeId === "gone") throw new ClusterError("permission_denied", "node gone was removed");
      return role;
    },
  });
  expect(await codeOf(address, mutual(ca.identity("gone", "worker")), "/swarm.v1.Dispatcher/Heartbeat")).toBe("permission_denied");
  expect(await codeOf(address, mutual(ca.identity("w1", "worker")), "/swarm.v1.Dispatcher/Heartbeat")).toBe("already_exists");
  expect(await codeOf(address, anonymous, "/swarm.v1.Ca/RootCertificate")).toBe("already_exists");
});

test("a manager that was demoted may do what a worker may, whatever its certificate says", async () => {
  const { address } = await serveAll(managerIdentity, { admit: ({ nodeId, role }) => (nodeId === "demoted" ? "worker" : role) });
  expect(await codeOf(address, mutual(ca.identity("demoted")), "/swarm.v1.Raft/Snapshot")).toBe("permission_denied");
  expect(await codeOf(address, mutual(ca.identity("demoted")), "/swarm.v1.Control/Forward")).toBe("permission_denied");
  expect(await codeOf(address, mutual(ca.identity("demoted")), "/swarm.v1.Dispatcher/Heartbeat")).toBe("already_exists");
  expect(await codeOf(address, mutual(ca.identity("m2")), "/swarm.v1.Raft/Snapshot")).toBe("already_exists");
});

test("streams of a node that lost its rights end when the server looks again; others go on", async () => {
  const lost = new Set<string>();
  const admit: RpcServerOptions["admit"] = ({ nodeId, role }) => {
    if (lost.has(nodeId)) throw new ClusterError("permission_denied", `node ${nodeId} was removed`);
    return role;
  };
  const server = opened.use(ca.server(managerIdentity, { admit }));
  const heard: string[] = [];
  server.add(EchoService, {
    one: async (request) => request,
    async *down(_request, { signal }) {
      yield text("begun");
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    },
    async up(requests) {
      for await (const { sessionId } of requests) heard.push(sessionId);
      return text("");
    },
    async *both(requests) {
      yield* requests;
    },
  });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const clientOf = (nodeId: string) =>
    createClient(opened.use(new Connection({ address, clock: systemClock, security: mutual(ca.identity(nodeId)) })), EchoService);
  const stop = new AbortController();
  opened.add(() => stop.abort());
  async function* unending(nodeId: string) {
    yield text(nodeId);
    await new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve(), { once: true }));
  }
  const open = async (nodeId: string) => {
    const up = clientOf(nodeId).up(unending(nodeId));
    const down = clientOf(nodeId).down(text(""))[Symbol.asyncIterator]();
    await down.next();
    await vi.waitFor(() => expect(heard).toContain(nodeId));
    return { up: outcome(up), down: outcome(down.next()) };
  };
  const outcome = (call: Promise<unknown>) =>
    call.then(
      () => "ok",
      (cause: unknown) => ClusterError.from(cause).code,
    );
  const [gone, stays] = [await open("gone"), await open("stays")];
  lost.add("gone");
  server.reauthorize();
  expect(await Promise.all([gone.up, gone.down])).toEqual(["permission_denied", "permission_denied"]);
  expect(await Promise.race([stays.up, stays.down, clientOf("stays").one(text("still served"))])).toEqual(text("still served"));
});

test("a replaced certificate counts from the next call on, on both sides", async () => {
  const serverIdentity = ca.identity("m1");
  const { address, served } = await serveAll(serverIdentity);
  const identity = ca.identity("n2", "worker");
  const connection = opened.use(new Connection({ address, clock: systemClock, security: mutual(identity) }));
  const client = createClient(connection, EchoService);
  await expect(client.one(text(""))).rejects.toMatchObject({ code: "already_exists" });
  identity.replace(ca.credentials("n2", "manager"));
  await expect(client.one(text(""))).rejects.toMatchObject({ code: "already_exists" });
  expect(served.map((caller) => caller.role)).toEqual(["worker", "manager"]);

  serverIdentity.replace(ca.credentials("m1-renamed"));
  expect(await codeOf(address, { type: "mutual", identity, nodeId: "m1-renamed" }, "/swarm.v1.Ca/RootCertificate")).toBe("already_exists");
});

test("while the root is rotated, nodes of both roots hear each other; when the old one is dropped, its certificates end with their calls", async () => {
  const next = new TestCa();
  const both = ca.root.certificate + next.root.certificate;
  const crossSigned = crossSign(next.root.certificate, { by: ca.root, nowMs: Date.now() });
  const ofNext = (nodeId: string) => {
    const { key, certificate } = next.credentials(nodeId);
    return { key, certificate: certificate + crossSigned, rootCertificate: both };
  };
  const serverIdentity = ca.identity("m1"); // It has not heard of the new root.
  const { address, served } = await serveAll(serverIdentity);
  const [before, after] = [ca.identity("m2"), new LiveIdentity(ofNext("m3"))];
  const call = (identity: LiveIdentity) => codeOf(address, { type: "mutual", identity, nodeId: "m1" }, "/swarm.v1.Raft/Snapshot");
  expect([await call(before), await call(after)]).toEqual(["already_exists", "already_exists"]);
  serverIdentity.replace(ofNext("m1"));
  expect([await call(before), await call(after)]).toEqual(["already_exists", "already_exists"]);
  expect(served.map(({ nodeId, role }) => `${nodeId} ${role}`)).toEqual(["m2 manager", "m3 manager", "m2 manager", "m3 manager"]);
  serverIdentity.replace({ ...serverIdentity.credentials, rootCertificate: next.root.certificate });
  expect([await call(before), await call(after)]).toEqual(["unauthenticated", "already_exists"]);
});

test("calls under way by certificates of a dropped root end when the server looks again; those of the new root go on", async () => {
  const next = new TestCa();
  const both = ca.root.certificate + next.root.certificate;
  const serverIdentity = new LiveIdentity({ ...next.credentials("m1"), rootCertificate: both });
  const server = opened.use(ca.server(serverIdentity));
  server.add(EchoService, {
    one: async (request) => request,
    async *down(_request, { signal }) {
      yield text("begun");
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
    },
    up: async () => text(""),
    async *both(requests) {
      yield* requests;
    },
  });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const open = async (credentials: NodeCredentials) => {
    const identity = new LiveIdentity({ ...credentials, rootCertificate: both });
    const client = createClient(opened.use(new Connection({ address, clock: systemClock, security: mutual(identity) })), EchoService);
    const down = client.down(text(""))[Symbol.asyncIterator]();
    await down.next();
    return { client, end: down.next() };
  };
  const [ofOld, ofNew] = [await open(ca.credentials("m2")), await open(next.credentials("m3"))];
  serverIdentity.replace({ ...serverIdentity.credentials, rootCertificate: next.root.certificate });
  server.reauthorize();
  await expect(ofOld.end).rejects.toMatchObject({ code: "unauthenticated", message: "the caller's certificate is of a dropped root" });
  expect(await Promise.race([ofNew.end, ofNew.client.one(text("still served"))])).toEqual(text("still served"));
});

test("an identity whose parts do not belong together is refused, and changes nothing", () => {
  const identity = ca.identity("m1");
  const before = identity.credentials;
  expect(() => identity.replace({ ...ca.credentials("m2"), key: before.key })).toThrow("private key does not belong");
  expect(() => identity.replace(new TestCa().credentials("m2"))).not.toThrow(); // Another root, but of one piece.
  expect(() => identity.replace({ ...ca.credentials("m2"), rootCertificate: new TestCa().root.certificate })).toThrow("not issued by this cluster");
  expect(identity.nodeId).toBe("m2");
});
