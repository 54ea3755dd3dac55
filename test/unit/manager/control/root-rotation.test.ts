import { afterEach, describe, expect, test } from "vitest";
import type { ClusterSpec, RootCa } from "../../../../src/model/objects.js";
import type { UpdateCluster } from "../../../../src/wire/generated/control.js";
import { ClusterError } from "../../../../src/base/errors.js";
import { silentLogger } from "../../../../src/base/log.js";
import { SeededRandom } from "../../../../src/base/random.js";
import { planRenewals, type RenewalBell, RootRotator, unconverged } from "../../../../src/manager/control/root-rotator.js";
import { DEFAULT_CLUSTER_SPEC } from "../../../../src/model/defaults.js";
import { trustBundle } from "../../../../src/pki/authority.js";
import { crossSign } from "../../../../src/pki/cross-sign.js";
import { createCsr } from "../../../../src/pki/csr.js";
import type { NodeCredentials } from "../../../../src/pki/identity-files.js";
import { tokenMatchesRoot } from "../../../../src/pki/join-token.js";
import { createNodeKey } from "../../../../src/pki/keys.js";
import { createRootCa } from "../../../../src/pki/root-ca.js";
import { tlsInfoOf, wantedTlsInfo } from "../../../../src/pki/tls-info.js";
import { requireTrustedIssuer } from "../../../../src/pki/trust.js";
import { ManagerWorld } from "../../../support/manager-world.js";
import { nodeDescription } from "../../../support/node-description.js";
import { testNode } from "../../../support/services.js";

const open: ManagerWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world[Symbol.asyncDispose]();
});

async function worldOf(...nodeIds: readonly string[]): Promise<ManagerWorld> {
  const world = new ManagerWorld(nodeIds);
  open.push(world);
  await world.lead();
  return world;
}

const rootOf = (world: ManagerWorld): RootCa => world.store.view.cluster!.rootCa!;

async function update(world: ManagerWorld, change: Partial<UpdateCluster> & { readonly caSpec?: Partial<ClusterSpec> } = {}): Promise<void> {
  const { caSpec, ...request } = change;
  const { spec, meta } = world.store.view.cluster!;
  const whole = { ...(spec ?? DEFAULT_CLUSTER_SPEC), ...caSpec };
  await world.manager.control.execute({
    type: "updateCluster",
    updateCluster: { version: meta!.version, spec: whole, rotateWorkerToken: false, rotateManagerToken: false, rotateUnlockKey: false, ...request },
  });
  await world.settle();
}

const force = (world: ManagerWorld) => update(world, { caSpec: { forceRotate: rootOf(world).lastForcedRotation + 1 } });

/** A certificate for the node, as it would ask for one, and what it says of itself then. */
async function renew(world: ManagerWorld, nodeId: string): Promise<NodeCredentials> {
  const key = createNodeKey();
  const request = { csr: createCsr(key), token: "", availability: "active" } as const;
  const reply = await world.manager.control.execute({ type: "issueCertificate", issueCertificate: { request, callerNodeId: nodeId, callerAddress: "" } });
  if (reply.type !== "issueCertificate") throw new Error(`reply of type ${reply.type}`);
  const { certificate, rootCertificate } = reply.issueCertificate;
  const credentials = { certificate, rootCertificate, key };
  await world.write((tx) => {
    const node = tx.nodes.get(nodeId)!;
    tx.update("node", {
      ...node,
      description: { ...nodeDescription(nodeId), tlsInfo: tlsInfoOf(credentials) },
      status: { state: "ready", message: "", address: "" },
    });
  });
  await world.settle();
  return credentials;
}

describe("a rotation of the root", () => {
  test("ends when the last node has a certificate of the new root; then the tokens name it", async () => {
    const world = await worldOf("n1", "n2");
    for (const id of ["n1", "n2"]) await renew(world, id);
    const before = rootOf(world);
    await force(world);
    expect(rootOf(world)).toMatchObject({ certificate: before.certificate, joinTokens: before.joinTokens, lastForcedRotation: 1 });
    expect(rootOf(world).rotation?.certificate).not.toBe(before.certificate);
    const version = world.store.view.cluster!.meta!.version;
    const { certificate, rootCertificate } = await renew(world, "n1");
    expect(rootCertificate).toBe(trustBundle(rootOf(world)));
    expect(() => requireTrustedIssuer(certificate, before.certificate)).not.toThrow();
    const next = rootOf(world).rotation!;
    await renew(world, "n2");
    const after = rootOf(world);
    expect(after).toMatchObject({ certificate: next.certificate, key: next.key, rotation: null, lastForcedRotation: 1 });
    expect(tokenMatchesRoot(after.joinTokens!.worker, after.certificate)).toBe(true);
    expect(after.joinTokens!.manager).not.toBe(before.joinTokens!.manager);
    expect(world.store.view.cluster!.meta!.version).toBe(version);
  });

  test("waits for a node that has not said anything yet, and for one that is down, until it is removed", async () => {
    const world = await worldOf("n1", "n2");
    await renew(world, "n1");
    await world.write((tx) => tx.create("node", { ...testNode("n3", { state: "unknown" }), description: null }));
    await world.write((tx) => tx.update("node", { ...tx.nodes.get("n2")!, status: { state: "down", message: "", address: "" } }));
    await force(world);
    await renew(world, "n1");
    for (const nodeId of ["n2", "n3"]) {
      expect(rootOf(world).rotation).not.toBeNull();
      await world.manager.control.execute({ type: "removeNode", removeNode: { nodeId, force: true } });
      await world.settle();
    }
    expect(rootOf(world).rotation).toBeNull();
  });

  test("waits for a node that joins while it is about to end", async () => {
    const world = await worldOf("n1");
    await renew(world, "n1");
    await world.depose();
    await force(world);
    await renew(world, "n1");
    world.proposer.hold();
    const joined = world.write((tx) => tx.create("node", { ...testNode("n2", { state: "unknown" }), description: null }));
    await world.lead();
    await world.proposer.release();
    await joined;
    await world.settle();
    expect(rootOf(world).rotation).not.toBeNull();
    await renew(world, "n2");
    expect(rootOf(world).rotation).toBeNull();
  });

  test("asks the next node when thirty were asked and do not answer", async () => {
    const ids = Array.from({ length: 31 }, (_, index) => `n${10 + index}`);
    const world = await worldOf(...ids);
    for (const id of ids) await renew(world, id);
    await world.connect("n40");
    await renew(world, "n40");
    await force(world);
    const news = () => world.agents.get("n40")!.sessions.at(-1)!.issuerKeyDigest;
    await world.advance(9_500);
    expect(news()).toBeUndefined();
    await world.advance(1_000);
    expect(news()).toBeDefined();
  });

  test("asks the nodes that are up, through their sessions, and tells all of them what to trust", async () => {
    const world = await worldOf("n1", "n2");
    for (const id of ["n1", "n2"]) await renew(world, id);
    await world.connect("n1", "n2");
    for (const id of ["n1", "n2"]) await renew(world, id); // The agents have said nothing of certificates.
    await force(world);
    const last = (id: string) => world.agents.get(id)!.sessions.at(-1)!;
    const before = rootOf(world);
    expect(last("n1")).toMatchObject({ rootCertificate: trustBundle(before), issuerKeyDigest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    await renew(world, "n1");
    expect(last("n1").issuerKeyDigest).toBeUndefined();
    expect(last("n2").issuerKeyDigest).toBeDefined();
    await renew(world, "n2");
    expect(last("n2")).toMatchObject({ rootCertificate: before.rotation!.certificate });
  });

  test("goes on under the next leader", async () => {
    const world = await worldOf("n1");
    await renew(world, "n1");
    await force(world);
    await world.depose();
    await renew(world, "n1");
    expect(rootOf(world).rotation).not.toBeNull();
    await world.lead();
    expect(rootOf(world).rotation).toBeNull();
  });

  test("is replaced by a second one, which the present root vouches for as well", async () => {
    const world = await worldOf("n1");
    await renew(world, "n1");
    await world.depose(); // Nothing ends meanwhile.
    const present = rootOf(world).certificate;
    await force(world);
    const first = rootOf(world).rotation!;
    const { certificate } = await renew(world, "n1");
    await force(world);
    expect(rootOf(world)).toMatchObject({ certificate: present, lastForcedRotation: 2 });
    expect(rootOf(world).rotation!.certificate).not.toBe(first.certificate);
    expect(unconverged(world.store.view.nodes.all(), rootOf(world))).toHaveLength(1);
    expect(() => requireTrustedIssuer(certificate, trustBundle(rootOf(world)))).not.toThrow();
  });

  test("is taken back by giving the present root, whose key the cluster still has; nodes get certificates of it again", async () => {
    const world = await worldOf("n1", "n2");
    for (const id of ["n1", "n2"]) await renew(world, id);
    await world.connect("n1");
    await renew(world, "n1");
    const before = rootOf(world);
    await force(world);
    const { certificate } = await renew(world, "n1");
    await update(world, { signingCaCertificate: before.certificate });
    expect(rootOf(world)).toEqual({ ...before, lastForcedRotation: 1 });
    expect(() => requireTrustedIssuer(certificate, before.certificate)).not.toThrow();
    expect(world.agents.get("n1")!.sessions.at(-1)!.issuerKeyDigest).toBeDefined();
  });

  test("goes to a root that is given, and only once", async () => {
    const world = await worldOf("n1");
    await renew(world, "n1");
    const mine = createRootCa({ nowMs: world.clock.now() });
    await world.depose();
    await update(world, { signingCaCertificate: mine.certificate, signingCaKey: mine.key });
    const { rotation } = rootOf(world);
    expect(rotation).toMatchObject(mine);
    await update(world, { signingCaCertificate: mine.certificate, signingCaKey: mine.key });
    expect(rootOf(world).rotation).toEqual(rotation);
    await world.lead();
    await renew(world, "n1");
    expect(rootOf(world)).toMatchObject({ ...mine, rotation: null });
    expect(world.store.view.cluster!.spec).toEqual(DEFAULT_CLUSTER_SPEC);
  });

  test("is not what a spec asks for that leaves the counter out, or as it is", async () => {
    const world = await worldOf();
    await force(world);
    expect(rootOf(world)).toMatchObject({ rotation: null, lastForcedRotation: 1 }); // There are no nodes to wait for.
    const { certificate } = rootOf(world);
    await update(world, { caSpec: { forceRotate: 0 } });
    expect(world.store.view.cluster!.spec!.forceRotate).toBe(1);
    await update(world);
    expect(rootOf(world).certificate).toBe(certificate);
  });

  test("answers show no key", async () => {
    const world = await worldOf("n1");
    const { meta, spec } = world.store.view.cluster!;
    const flags = { rotateWorkerToken: false, rotateManagerToken: false, rotateUnlockKey: false };
    const updateCluster = { version: meta!.version, spec: { ...spec!, forceRotate: 1 }, ...flags };
    const reply = await world.manager.control.execute({ type: "updateCluster", updateCluster });
    expect(reply).toMatchObject({ type: "cluster", cluster: { rootCa: { key: "", rotation: { key: "" } } } });
    expect(rootOf(world).rotation!.key).not.toBe("");
  });

  const mine = createRootCa({ nowMs: Date.UTC(2026, 10, 21) });
  const named = { url: "https://ca:1", rootCertificate: mine.certificate };
  test.each<[string, Partial<UpdateCluster> & { readonly caSpec?: Partial<ClusterSpec> }, RegExp]>([
    ["a key alone", { signingCaKey: mine.key }, /^if a signing CA key is provided, the signing CA cert must also be provided$/],
    [
      "a root that nobody can sign with",
      { signingCaCertificate: mine.certificate },
      /external CA corresponding to the desired CA certificate, and none is configured$/,
    ],
    [
      "an external authority that does not answer",
      { signingCaCertificate: mine.certificate, caSpec: { externalCas: [named] } },
      /reachable external CA corresponding to the desired CA certificate: nothing answers at https:\/\/ca:1$/,
    ],
    [
      "an external root that is none",
      { caSpec: { externalCas: [{ url: "https://ca:1", rootCertificate: "pem" }] } },
      /^the CA certificate of the external CA at https:\/\/ca:1 is not/,
    ],
    ["an expiry below an hour", { caSpec: { nodeCertExpiryNs: 1n } }, /^minimum certificate expiry time is: 1h0m0s$/],
  ])("is refused with %s, and nothing is changed", async (_what, change, message) => {
    const world = await worldOf("n1");
    const before = world.store.view.cluster;
    await expect(update(world, change)).rejects.toMatchObject({ message: expect.stringMatching(message) });
    expect(world.store.view.cluster).toBe(before);
  });

  test("a validity that is changed counts from the next certificate on", async () => {
    const world = await worldOf("n1");
    await update(world, { caSpec: { nodeCertExpiryNs: 7_200n * 1_000_000_000n } });
    await renew(world, "n1");
    expect(world.node("n1").certificateExpiresAtMs).toBe(world.clock.now() + 7_200_000);
  });
});

describe("the nodes that are asked", () => {
  const [old, next] = [createRootCa({ nowMs: 0 }), createRootCa({ nowMs: 0 })];
  const rootCa: RootCa = {
    ...old,
    joinTokens: null,
    lastForcedRotation: 1,
    rotation: { ...next, crossSigned: crossSign(next.certificate, { by: old, nowMs: 0 }) },
  };
  const tlsInfo = { trustRoot: old.certificate, certIssuerSubject: new Uint8Array(0), certIssuerPublicKey: new Uint8Array(1) };
  const nodes = Array.from({ length: 100 }, (_, index) => {
    const node = testNode(`n${String(index).padStart(3, "0")}`, { state: index % 10 === 0 ? "down" : "ready" });
    return { ...node, description: { ...nodeDescription(node.id), tlsInfo } };
  });

  test("are those that are up, thirty at a time; who does not manage within 10 s makes room", () => {
    const left = unconverged(nodes, rootCa);
    expect(left).toHaveLength(100);
    const first = planRenewals(left, new Map(), 0);
    expect(first).toHaveLength(30);
    expect(first).not.toContain("n000");
    const asked = new Map(first.map((id) => [id, 0]));
    expect(planRenewals(left, asked, 9_999)).toEqual([]);
    const done = left.filter((node) => !first.slice(0, 5).includes(node.id));
    expect(planRenewals(done, asked, 9_999)).toHaveLength(5);
    expect(planRenewals(left, asked, 10_000)).toHaveLength(30);
  });

  test("have their 10 s whatever becomes of the clock", async () => {
    const world = new ManagerWorld(nodes);
    let asked: ReadonlySet<string> = new Set();
    const bell: RenewalBell = {
      askToRenew(nodeIds) {
        asked = nodeIds;
      },
    };
    await world.leadWith(new RootRotator({ store: world.store, clock: world.clock, random: new SeededRandom(1), logger: silentLogger, bell }));
    expect(asked.size).toBe(30);
    world.clock.set(-3_600_000);
    await world.advance(10_000);
    expect(asked.size).toBe(60);
    await world.depose();
  });

  test("end with what fails, unless leadership is lost with it", async () => {
    const world = await worldOf("n1");
    await world.depose();
    const failing = async (cause: Error) => {
      const bell = {
        askToRenew() {
          throw cause;
        },
      };
      const { store, clock } = world;
      await new RootRotator({ store, clock, random: new SeededRandom(1), logger: silentLogger, bell }).run(new AbortController().signal);
    };
    await expect(failing(new Error("no bell"))).rejects.toThrow("no bell");
    await failing(new ClusterError("no_leader", "leadership was lost"));
    expect(world.clock.pending).toBe(0);
  });

  test("are none when all have what is wanted", () => {
    const tlsInfo = wantedTlsInfo(rootCa);
    expect(
      unconverged(
        nodes.map((node) => ({ ...node, description: { ...node.description, tlsInfo } })),
        rootCa,
      ),
    ).toEqual([]);
  });
});
