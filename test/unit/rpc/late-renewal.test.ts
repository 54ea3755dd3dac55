import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { caHandlers } from "../../../src/api/grpc/ca.js";
import { systemClock } from "../../../src/base/clock.js";
import { Control } from "../../../src/manager/control/control.js";
import type { NodeRole } from "../../../src/model/objects.js";
import { reissueOwn } from "../../../src/node/own-reissue.js";
import { trustBundle } from "../../../src/pki/authority.js";
import { crossSign } from "../../../src/pki/cross-sign.js";
import { createCsr } from "../../../src/pki/csr.js";
import { identityOf, isValidAt } from "../../../src/pki/identity.js";
import type { NodeCredentials } from "../../../src/pki/identity-files.js";
import { createNodeKey } from "../../../src/pki/keys.js";
import { type LateRenewal, RenewalNonces, signLateRenewal, verifyLateRenewal } from "../../../src/pki/late-renewal.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import { createClient } from "../../../src/rpc/client.js";
import { Connection } from "../../../src/rpc/connection.js";
import { renewLate } from "../../../src/rpc/join.js";
import { LiveIdentity } from "../../../src/rpc/live-identity.js";
import { Store } from "../../../src/store/store.js";
import { CaService } from "../../../src/wire/generated/ca.js";
import { changedCertificate } from "../../support/changed-certificate.js";
import { testCluster } from "../../support/cluster-object.js";
import { Opened } from "../../support/disposables.js";
import { noSigner } from "../../support/fake-signer.js";
import { FakeMembership } from "../../support/fake-membership.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { testNode } from "../../support/services.js";

const DAY_MS = 24 * 3_600_000;
const opened = new Opened();
afterEach(() => opened.close());

let isRotating = false;

/** A manager with the real control over a store in memory, and one node that was off for the days given: negative when its clock was ahead. */
async function cluster(options: { readonly role?: NodeRole; readonly daysAgo?: number } = {}) {
  const { role = "worker", daysAgo = 400 } = options;
  const ca = new TestCa();
  const next = createRootCa({ nowMs: Date.now() });
  const rotation = isRotating ? { ...next, crossSigned: crossSign(next.certificate, { by: ca.root, nowMs: Date.now() }) } : null;
  const rootCa = { ...ca.root, joinTokens: null, rotation, lastForcedRotation: 0 };
  const store = new Store({ clock: systemClock });
  new MemoryProposer(store);
  const control = new Control({ store, clock: systemClock, membership: new FakeMembership(), signer: noSigner });
  const old = ca.credentials("n1", role, Date.now() - daysAgo * DAY_MS);
  const { publicKeyDigest, expiresAtMs } = identityOf(old.certificate);
  await store.update((tx) => {
    tx.create("cluster", testCluster({ id: ca.clusterId, rootCa }));
    const spec = { name: "", labels: {}, role, availability: "active" } as const;
    tx.create("node", { ...testNode("n1", { state: "down" }), spec, role, publicKeyDigest, certificateExpiresAtMs: expiresAtMs });
  });
  const handlers = caHandlers({
    clusterId: ca.clusterId,
    programVersion: "1",
    clock: systemClock,
    rootCertificate: () => trustBundle(rootCa),
    write: (request) => control.execute(request),
  });
  const server = opened.use(ca.server(ca.identity("m1"))).add(CaService, handlers);
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const renew = (credentials: NodeCredentials, key = createNodeKey()) =>
    renewLate({ address, clock: systemClock, identity: new LiveIdentity(credentials), key });
  return { ca, store, control, old, address, renew };
}

describe.each([
  ["", false],
  [", while the root is rotated,", true],
])("a node that was off past its certificate%s", (_when, isWithRotation) => {
  beforeEach(() => {
    isRotating = isWithRotation;
  });

  test.each([400, -400])("of %i days ago gets a new one for a new key", async (daysAgo) => {
    const { old, renew, store } = await cluster({ daysAgo });
    expect(isValidAt(identityOf(old.certificate), Date.now())).toBe(false);
    const renewed = await renew(old);
    const identity = identityOf(renewed.certificate);
    expect(identity).toMatchObject({ nodeId: "n1", role: "worker" });
    expect(isValidAt(identity, Date.now())).toBe(true);
    expect(identity.publicKeyDigest).not.toBe(identityOf(old.certificate).publicKeyDigest);
    expect(store.view.nodes.get("n1")?.publicKeyDigest).toBe(identity.publicKeyDigest);
  });

  test("may ask again for the same key when the answer was lost, and for no other", async () => {
    const { old, renew } = await cluster();
    const key = createNodeKey();
    await renew(old, key);
    expect(identityOf((await renew(old, key)).certificate).nodeId).toBe("n1");
    await expect(renew(old)).rejects.toMatchObject({ code: "permission_denied", message: expect.stringContaining("has had a newer certificate") });
  });

  test("is refused for ever once it was removed", async () => {
    const { old, renew, control } = await cluster();
    await control.execute({ type: "removeNode", removeNode: { nodeId: "n1", force: false } });
    await expect(renew(old)).rejects.toMatchObject({ code: "permission_denied", message: expect.stringContaining("it was removed") });
  });

  test("gets the role that the store says: a manager that was demoted meanwhile is a worker", async () => {
    const { old, renew, store } = await cluster({ role: "manager" });
    await store.update((tx) => {
      const node = tx.nodes.get("n1");
      if (node !== undefined) tx.update("node", { ...node, role: "worker" });
    });
    expect(identityOf((await renew(old)).certificate).role).toBe("worker");
  });
});

describe.each([
  ["", false],
  [" while the root is rotated", true],
])("what is no late renewal%s", (_when, isWithRotation) => {
  beforeEach(() => {
    isRotating = isWithRotation;
  });

  /** What a renewal with this change is answered with; the rest of it is right. */
  async function answer(change: (right: LateRenewal, parts: { readonly key: string; readonly ca: TestCa }) => Partial<LateRenewal>): Promise<string> {
    const { ca, old, address, store } = await cluster();
    using connection = new Connection({ address, clock: systemClock, security: { type: "anonymous", rootCertificate: ca.root.certificate } });
    const client = createClient(connection, CaService);
    const { nonce } = await client.renewalNonce({});
    const content = { csr: createCsr(createNodeKey()), certificate: old.certificate, nonce };
    const right = { ...content, signature: signLateRenewal(content, old.key) };
    const before = store.view.nodes.get("n1");
    const outcome = await client.renewLate({ ...right, ...change(right, { key: old.key, ca }) }).then(
      () => "ok",
      (cause: { readonly code: string }) => cause.code,
    );
    if (outcome !== "ok") expect(store.view.nodes.get("n1")).toBe(before);
    return outcome;
  }

  test("the test's own renewal is right", async () => {
    expect(await answer(() => ({}))).toBe("ok");
  });

  test.each<readonly [string, Parameters<typeof answer>[0]]>([
    ["without a signature", () => ({ signature: new Uint8Array(0) })],
    ["signed by another key", (right) => ({ signature: signLateRenewal(right, createNodeKey()) })],
    ["for another key than the one that was signed", () => ({ csr: createCsr(createNodeKey()) })],
    [
      "with more certificates than a chain has",
      (right, { key }) => {
        const content = { ...right, certificate: right.certificate.repeat(20) };
        return { ...content, signature: signLateRenewal(content, key) };
      },
    ],
    [
      "with a nonce of another manager",
      (right, { key }) => {
        const nonce = new RenewalNonces().issue(Date.now());
        return { nonce, signature: signLateRenewal({ ...right, nonce }, key) };
      },
    ],
    [
      "with an expired certificate that an authority of the same name forged",
      (right) => {
        const forged = new TestCa("cluster1", createRootCa({ nowMs: Date.now() })).credentials("n1", "manager", Date.now() - 400 * DAY_MS);
        const content = { ...right, certificate: forged.certificate };
        return { ...content, signature: signLateRenewal(content, forged.key) };
      },
    ],
    [
      "with an expired certificate that its owner changed",
      (right, { ca }) => {
        const other = new TestCa("cluster2", ca.root).credentials("n1", "manager", Date.now() - 400 * DAY_MS);
        const content = { ...right, certificate: changedCertificate(other.certificate, "cluster2", "cluster1") };
        return { ...content, signature: signLateRenewal(content, other.key) };
      },
    ],
    [
      "with a certificate of another cluster with the same authority",
      (right, { ca }) => {
        const other = new TestCa("cluster2", ca.root).credentials("n1", "worker", Date.now() - 400 * DAY_MS);
        const content = { ...right, certificate: other.certificate };
        return { ...content, signature: signLateRenewal(content, other.key) };
      },
    ],
  ])("%s is refused", async (_what, change) => {
    expect(await answer(change)).toBe("unauthenticated");
  });

  test("with an older certificate of the node is refused: it was replaced", async () => {
    expect(
      await answer((right, { ca }) => {
        const older = ca.credentials("n1", "worker", Date.now() - 500 * DAY_MS);
        const content = { ...right, certificate: older.certificate };
        return { ...content, signature: signLateRenewal(content, older.key) };
      }),
    ).toBe("permission_denied");
  });
});

test("a nonce lives for a minute, and one that was changed does not live at all", () => {
  const nonces = new RenewalNonces();
  const nonce = nonces.issue(1_000_000);
  expect(() => nonces.check(nonce, 1_060_000)).not.toThrow();
  expect(() => nonces.check(nonce, 1_060_001)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
  for (let at = 0; at < nonce.length; at++) {
    const changed = Buffer.from(nonce);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => nonces.check(changed, 1_000_000)).toThrow();
  }
  for (const length of [0, 23, 24, 55])
    expect(() => nonces.check(nonce.subarray(0, length), 1_000_000)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
});

test("nothing about the dates of a certificate matters to a late renewal, and everything else does", () => {
  const ca = new TestCa();
  const old = ca.credentials("n1", "worker", Date.now() - 4_000 * DAY_MS);
  const content = { csr: createCsr(createNodeKey()), certificate: old.certificate, nonce: Buffer.from("nonce") };
  const renewal = { ...content, signature: signLateRenewal(content, old.key) };
  expect(verifyLateRenewal(renewal, { rootCertificate: ca.root.certificate, clusterId: "cluster1" }).nodeId).toBe("n1");
  expect(() => verifyLateRenewal(renewal, { rootCertificate: new TestCa().root.certificate, clusterId: "cluster1" })).toThrow(/not issued by/);
});

describe("a manager whose certificate is outside its validity", () => {
  test("issues itself a new one, for the same key, from its own copy of the store", async () => {
    const { old, store } = await cluster({ role: "manager" });
    const reissued = reissueOwn(store.view, old, Date.now());
    const identity = new LiveIdentity(reissued ?? old).identity;
    expect(identity).toMatchObject({ nodeId: "n1", role: "manager", publicKeyDigest: identityOf(old.certificate).publicKeyDigest });
    expect(isValidAt(identity, Date.now())).toBe(true);
  });

  test.each<readonly [string, NodeRole, string]>([
    ["that its copy lists as a worker", "worker", "n1"],
    ["that its copy does not list", "manager", "n2"],
  ])("but not one %s", async (_what, role, nodeId) => {
    const { ca, store } = await cluster({ role });
    expect(reissueOwn(store.view, ca.credentials(nodeId, "manager", Date.now() - 400 * DAY_MS), Date.now())).toBeNull();
  });
});
