import { afterEach, expect, test } from "vitest";
import { type Clock, FakeClock, systemClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { caHandlers } from "../../../src/api/grpc/ca.js";
import { identityOf } from "../../../src/pki/identity.js";
import { createJoinToken, isSameToken } from "../../../src/pki/join-token.js";
import { issueNodeCertificate } from "../../../src/pki/node-certificate.js";
import { fetchRootCertificate, joinCluster, renewCertificate } from "../../../src/rpc/join.js";
import { checkName, checkProtocol } from "../../../src/rpc/join-check.js";
import { createNodeKey } from "../../../src/pki/keys.js";
import { LiveIdentity } from "../../../src/rpc/live-identity.js";
import { CaService, type IssueCertificateRequest } from "../../../src/wire/generated/ca.js";
import type { ControlRequest } from "../../../src/wire/generated/control.js";
import { Opened } from "../../support/disposables.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { TcpProxy } from "../../support/tcp-proxy.js";

const opened = new Opened();
afterEach(() => opened.close());

/** A manager that issues certificates as the leader's control would. */
async function manager(
  ca: TestCa,
  options: { certificate?: (request: IssueCertificateRequest) => string; root?: string; identity?: LiveIdentity; clock?: Clock } = {},
) {
  const token = createJoinToken(ca.root.certificate);
  const written: ControlRequest[] = [];
  const handlers = caHandlers({
    clusterId: ca.clusterId,
    programVersion: "1.2.3",
    clock: options.clock ?? systemClock,
    rootCertificate: () => options.root ?? ca.root.certificate,
    async write(control) {
      written.push(control);
      if (control.type !== "issueCertificate" || control.issueCertificate.request === null) throw new ClusterError("internal", "not a certificate request");
      const { request, callerNodeId } = control.issueCertificate;
      if (callerNodeId === "" && !isSameToken(request.token, token))
        throw new ClusterError("invalid_argument", "a valid join token is necessary to join this cluster");
      const nodeId = callerNodeId === "" ? "n1" : callerNodeId;
      const issue = () =>
        issueNodeCertificate({ rootCa: ca.root, csr: request.csr, nodeId, role: "manager", clusterId: ca.clusterId, validityMs: 7_200_000, nowMs: Date.now() });
      return {
        type: "issueCertificate",
        issueCertificate: { nodeId, role: "manager", certificate: options.certificate?.(request) ?? issue(), rootCertificate: ca.root.certificate },
      };
    },
  });
  const server = opened.use(ca.server(options.identity ?? ca.identity("m1"))).add(CaService, handlers);
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  return { address, token, written, dial: { address, token, clock: systemClock, availability: "active" as const } };
}

test("a machine with the right token becomes a node, and renews its certificate", async () => {
  const ca = new TestCa();
  const { dial, address, token, written } = await manager(ca);
  const credentials = await joinCluster({ ...dial, token: ` ${token}\n` });
  expect(identityOf(credentials.certificate)).toMatchObject({ nodeId: "n1", role: "manager", clusterId: "cluster1" });
  const identity = new LiveIdentity(credentials);
  expect(written[0]).toMatchObject({ issueCertificate: { callerNodeId: "", callerAddress: "127.0.0.1", request: { token, availability: "active" } } });

  const renewed = await renewCertificate({ address, clock: systemClock, identity, key: createNodeKey() });
  expect(identityOf(renewed.certificate).publicKeyDigest).not.toBe(identity.identity.publicKeyDigest);
  expect(written[1]).toMatchObject({ issueCertificate: { callerNodeId: "n1", request: { token: "" } } });
  identity.replace(renewed);
  expect(identity.nodeId).toBe("n1");
});

test("of the roots that a manager trusts while they are rotated, the token picks the one to pin", async () => {
  const ca = new TestCa();
  for (const bundle of [new TestCa().root.certificate + ca.root.certificate, ca.root.certificate + new TestCa().root.certificate]) {
    const { dial } = await manager(ca, { root: bundle });
    expect((await fetchRootCertificate(dial)).rootCertificate).toBe(ca.root.certificate);
  }
});

test("whoever gives up is not kept waiting, and is not made a node", async () => {
  const { dial, written } = await manager(new TestCa());
  const signal = AbortSignal.abort(new ClusterError("deadline_exceeded", "too late"));
  for (const join of [fetchRootCertificate, joinCluster]) await expect(join({ ...dial, signal })).rejects.toBeInstanceOf(Error);
  expect(written).toEqual([]);
});

test("the token of another cluster is refused before the secret is sent", async () => {
  const ours = await manager(new TestCa());
  const theirs = await manager(new TestCa("cluster2"));
  await expect(joinCluster({ ...ours.dial, token: theirs.token })).rejects.toMatchObject({
    code: "invalid_argument",
    message: `join token does not belong to the cluster at ${ours.address}: its certificate authority has another digest; if it was rotated since, take a new token there`,
  });
  expect(ours.written).toEqual([]);
});

test("an impostor that shows the right root, but has no certificate of it, never sees the secret", async () => {
  const ca = new TestCa();
  const { token } = await manager(ca);
  const impostorCa = new TestCa();
  const impostor = await manager(impostorCa, { root: ca.root.certificate });
  await expect(joinCluster({ ...impostor.dial, token })).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining(impostor.address) });
  expect(impostor.written).toEqual([]);
});

test("a worker that poses as a manager never sees the secret", async () => {
  const ca = new TestCa();
  const { token } = await manager(ca);
  const poser = await manager(ca, { identity: ca.identity("w1", "worker") });
  await expect(joinCluster({ ...poser.dial, token })).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("swarm-manager") });
  expect(poser.written).toEqual([]);
});

test("a connection that is taken over after the root was fetched never sees the secret", async () => {
  const ca = new TestCa();
  const good = await manager(ca);
  const impostor = await manager(new TestCa(), { root: ca.root.certificate });
  const proxy = opened.use(await TcpProxy.start(Number(good.address.split(":")[1])));
  await fetchRootCertificate({ ...good.dial, address: proxy.address });
  proxy.retarget(Number(impostor.address.split(":")[1]));
  await expect(joinCluster({ ...good.dial, address: proxy.address })).rejects.toMatchObject({ code: "unavailable" });
  expect(impostor.written).toEqual([]);
});

test("what follows the pinned root in the answer is not trusted", async () => {
  const ca = new TestCa();
  const stranger = new TestCa();
  const { dial } = await manager(ca, { root: ca.root.certificate + stranger.root.certificate });
  const { rootCertificate } = await fetchRootCertificate(dial);
  expect(rootCertificate.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
  expect(rootCertificate).toBe(ca.root.certificate);
});

test("clocks that differ by more than certificates bear are named, with the difference", async () => {
  const clock = new FakeClock(Date.now() + 3 * 3_600_000);
  const ca = new TestCa();
  const identity = ca.identity("m1", "manager", clock.now()); // Not valid before two hours from now.
  const { dial, written } = await manager(ca, { clock, identity });
  await expect(joinCluster(dial)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/^the clock of this host is (3 h|2 h 59 min) behind the manager's/),
  });
  expect(written).toEqual([]);
});

test("a name that nobody knows is named", async () => {
  const { dial, token } = await manager(new TestCa());
  await expect(joinCluster({ ...dial, token, address: "no-such-host.invalid:2377" })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(/^the name "no-such-host.invalid" cannot be looked up \(E\w+\)$/),
  });
});

test("a name of which no nameserver says anything is named, in time", async () => {
  const clock = new FakeClock(0);
  const checked = checkName("silent.example:2377", clock, () => new Promise(() => undefined));
  clock.advance(10_000);
  await expect(checked).rejects.toMatchObject({ code: "unavailable", message: 'the name "silent.example" cannot be looked up (no answer within 10000 ms)' });
  await checkName("[::1]:2377", clock, () => Promise.reject(new Error("an address is no name")));
});

test.each<readonly [string, { protocol?: number; programVersion?: string }, string | null]>([
  ["the same", { protocol: 1 }, null],
  ["one that does not say", {}, null],
  [
    "a newer one",
    { protocol: 2, programVersion: "9.0.0" },
    "the manager is of version 9.0.0, which speaks protocol 2; this host speaks protocol 1: install the same version on both",
  ],
])("the version of a manager: %s", (_what, versions, refusal) => {
  const check = () => checkProtocol({ certificate: "", clusterId: "", ...versions });
  if (refusal === null) expect(check).not.toThrow();
  else expect(check).toThrow(expect.objectContaining({ code: "failed_precondition", message: refusal }));
});

test("a wrong secret is refused by the leader", async () => {
  const ca = new TestCa();
  const { dial } = await manager(ca);
  await expect(joinCluster({ ...dial, token: createJoinToken(ca.root.certificate) })).rejects.toMatchObject({
    code: "invalid_argument",
    message: "a valid join token is necessary to join this cluster",
  });
});

test("a malformed token does not even make a connection", async () => {
  await expect(joinCluster({ address: "127.0.0.1:1", token: "SWMTKN-1-x", clock: systemClock, availability: "active" })).rejects.toMatchObject({
    code: "invalid_argument",
    message: "invalid join token",
  });
});

test("a certificate that is not for us is refused", async () => {
  const ca = new TestCa();
  const foreignKey = await manager(ca, { certificate: () => ca.credentials("n1").certificate });
  await expect(joinCluster(foreignKey.dial)).rejects.toMatchObject({
    code: "internal",
    message: "manager issued a certificate that is not for node n1 and its key",
  });
  const foreignRoot = await manager(ca, { certificate: () => new TestCa().credentials("n1").certificate });
  await expect(joinCluster(foreignRoot.dial)).rejects.toMatchObject({ code: "unauthenticated" });
});

test("nobody there: one sentence with the address", async () => {
  await expect(
    joinCluster({ address: "127.0.0.1:1", token: createJoinToken(new TestCa().root.certificate), clock: systemClock, availability: "active" }),
  ).rejects.toMatchObject({
    code: "unavailable",
    message: "cannot reach 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1",
  });
});
