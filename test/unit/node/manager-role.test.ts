import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { silentLogger } from "../../../src/base/log.js";
import { systemRandom } from "../../../src/base/random.js";
import { DEFAULT_CLUSTER_SPEC } from "../../../src/model/defaults.js";
import { firstCredentials, firstObjects } from "../../../src/node/first-objects.js";
import { ManagerRole } from "../../../src/node/manager-role.js";
import { createCsr } from "../../../src/pki/csr.js";
import { identityOf } from "../../../src/pki/identity.js";
import { createNodeKey } from "../../../src/pki/keys.js";
import { issueNodeCertificate } from "../../../src/pki/node-certificate.js";
import { plainRecords } from "../../../src/replica/record-codec.js";
import { createClient } from "../../../src/rpc/client.js";
import { Connection } from "../../../src/rpc/connection.js";
import { Feed } from "../../../src/rpc/feed.js";
import { LiveIdentity } from "../../../src/rpc/live-identity.js";
import { carry } from "../../../src/rpc/raft-stream.js";
import { ControlService, type ForwardReplies } from "../../../src/wire/generated/control.js";
import { DispatcherService } from "../../../src/wire/generated/dispatcher.js";
import type { Member, RaftFrame } from "../../../src/wire/generated/raft.js";
import { Opened } from "../../support/disposables.js";
import { ownAddress } from "../../support/own-address.js";
import { testNode } from "../../support/services.js";
import { until } from "../../support/until.js";

const opened = new Opened();
afterEach(() => opened.close());

/** A manager that leads alone, on a real port with a real log, and a second node with a manager's certificate. */
async function managerWithSecond() {
  const address = `${ownAddress()}:2377`;
  const dataDir = await mkdtemp(join(tmpdir(), "manager-role-"));
  opened.add(() => rm(dataDir, { recursive: true, force: true }));
  const first = firstCredentials(Date.now(), undefined);
  const open = (type: "bootstrap" | "resume") =>
    ManagerRole.open({
      identity: new LiveIdentity(first.credentials),
      dataDir,
      codec: plainRecords,
      listenAddress: address,
      advertiseAddress: address,
      start: { type, incarnation: "one" },
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
  const role = opened.use(await open("bootstrap"));
  await role.led();
  const init = {
    listenAddress: "",
    advertiseAddress: "",
    dataPathAddress: "",
    dataPathPort: 0,
    defaultAddressPool: [],
    subnetSize: 0,
    forceNewCluster: false,
    availability: "active",
    spec: DEFAULT_CLUSTER_SPEC,
  } as const;
  const key = createNodeKey();
  const certificate = issueNodeCertificate({
    rootCa: first.rootCa,
    csr: createCsr(key),
    nodeId: "second",
    role: "manager",
    clusterId: first.clusterId,
    validityMs: 3_600_000,
    nowMs: Date.now(),
  });
  const { publicKeyDigest, expiresAtMs, notBeforeMs } = identityOf(certificate);
  await role.store.update((tx) => firstObjects(tx, { ...first, incarnation: "one", init, nodeAddress: "127.0.0.1" }));
  await role.store.update((tx) => {
    const spec = { name: "", labels: {}, role: "manager", availability: "active" } as const;
    const proof = { publicKeyDigest, certificateExpiresAtMs: expiresAtMs, certificateNotBeforeMs: notBeforeMs };
    tx.create("node", { ...testNode("second", { state: "down" }), spec, role: "manager", ...proof });
  });
  const identity = new LiveIdentity({ rootCertificate: first.credentials.rootCertificate, certificate, key });
  const connection = opened.use(new Connection({ address, clock: systemClock, security: { type: "mutual", identity } }));
  return {
    role,
    open,
    identity,
    connection,
    raftStream: await openRaftStream({ raftId: 0, nodeId: new LiveIdentity(first.credentials).nodeId, address }, identity),
  };
}

/** Resolves once the manager serves the stream; `ended` with the code that it ends with. */
async function openRaftStream(member: Member, identity: LiveIdentity): Promise<{ readonly ended: Promise<string> }> {
  const stop = new AbortController();
  opened.add(() => stop.abort());
  let ended: Promise<string> = Promise.resolve("");
  await new Promise<void>((resolve) => {
    const feed = new Feed<RaftFrame>(() => null);
    ended = carry({ member, identity, clock: systemClock, feed, signal: stop.signal, onAccepted: resolve }).then(({ code }) => code);
    void ended.then(() => resolve());
  });
  return { ended };
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "ok",
    (cause: unknown) => ClusterError.from(cause).code,
  );

async function forwardCode(connection: Connection): Promise<string> {
  async function* none(): AsyncGenerator<never, void, undefined> {}
  const replies: AsyncIterable<ForwardReplies> = createClient(connection, ControlService).forward(none());
  return await codeOf(
    (async () => {
      for await (const _ of replies);
    })(),
  );
}

const heartbeatCode = (connection: Connection) => codeOf(createClient(connection, DispatcherService).heartbeat({ sessionId: "none" }));

test("a manager that starts again says when its copy of the state is what it was", async () => {
  const { role, open } = await managerWithSecond();
  await role[Symbol.asyncDispose]();
  const again = opened.use(await open("resume"));
  const seen = [again.hasRecalled, again.store.view.nodes.size];
  await until("it has recalled", () => again.hasRecalled);
  expect([seen, again.store.view.nodes.size]).toEqual([[false, 0], 2]);
});

describe("a manager's rights end with the write that ends them", () => {
  test("while it is one, its calls are served", async () => {
    const { connection, raftStream } = await managerWithSecond();
    expect(await forwardCode(connection)).toBe("ok");
    expect(await Promise.race([raftStream.ended, Promise.resolve("open")])).toBe("open");
  });

  test("demoted: its raft stream ends, and it may do what a worker may", async () => {
    const { role, connection, raftStream } = await managerWithSecond();
    await role.store.update((tx) => {
      const node = tx.nodes.get("second");
      if (node?.spec) tx.update("node", { ...node, spec: { ...node.spec, role: "worker" }, role: "worker" });
    });
    expect(await raftStream.ended).toBe("permission_denied");
    expect(await forwardCode(connection)).toBe("permission_denied");
    // Let in, and told that this is no session.
    expect(await heartbeatCode(connection)).not.toBe("permission_denied");
  });

  test("removed: its raft stream ends, and nothing at all is open to it", async () => {
    const { role, connection, raftStream } = await managerWithSecond();
    await role.write({ type: "removeNode", removeNode: { nodeId: "second", force: true } });
    expect(await raftStream.ended).toBe("permission_denied");
    expect(await forwardCode(connection)).toBe("permission_denied");
    expect(await heartbeatCode(connection)).toBe("permission_denied");
  });
});

/** The second node as a member of the group, which votes. */
async function openSecond({ role, identity }: Awaited<ReturnType<typeof managerWithSecond>>): Promise<ManagerRole> {
  const address = `${ownAddress()}:2377`;
  const reply = await role.write({ type: "joinMember", joinMember: { nodeId: "second", address } });
  if (reply.type !== "joinMember") throw new Error(`the answer is ${reply.type}`);
  const dataDir = await mkdtemp(join(tmpdir(), "manager-role-"));
  opened.add(() => rm(dataDir, { recursive: true, force: true }));
  const { raftId, members } = reply.joinMember;
  const second = await ManagerRole.open({
    identity,
    dataDir,
    codec: plainRecords,
    listenAddress: address,
    advertiseAddress: address,
    start: { type: "join", raftId, members, incarnation: "one" },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  opened.use(second);
  await second.ready(AbortSignal.timeout(10_000));
  return second;
}

test("a leader that stops has handed over when it has stopped", async () => {
  const world = await managerWithSecond();
  const second = await openSecond(world);
  expect(second.status().role).toBe("follower");
  await world.role[Symbol.asyncDispose]();
  expect(second.status().role).toBe("leader");
});

test("a member that was demoted says that it is no manager any more, as long as it is asked", async () => {
  const world = await managerWithSecond();
  const second = await openSecond(world);
  await world.role.store.update((tx) => {
    const node = tx.nodes.get("second");
    if (node?.spec) tx.update("node", { ...node, spec: { ...node.spec, role: "worker" } });
  });
  await until("the second one is no member any more", () => second.isRemoved);
  await expect(second.read()).rejects.toThrow(/^This node is not a swarm manager\. Worker nodes can't be used/);
});
