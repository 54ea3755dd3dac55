import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import type { Cluster, NodeRole } from "../../../src/model/objects.js";
import { reissueOwn } from "../../../src/node/own-reissue.js";
import { identityOf } from "../../../src/pki/identity.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import { Store } from "../../../src/store/store.js";
import { testCluster } from "../../support/cluster-object.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { testNode } from "../../support/services.js";

const ca = new TestCa();
const ROOT = { ...ca.root, joinTokens: null, rotation: null, lastForcedRotation: 0 };

/** What the manager n1 issues itself by its copy of the state, a day after its certificate expired. */
async function reissued(cluster: Partial<Cluster> | null, role: NodeRole | null) {
  const nowMs = Date.now() + 24 * 3_600_000;
  const store = new Store({ clock: new FakeClock(nowMs) });
  new MemoryProposer(store);
  await store.update((tx) => {
    if (cluster !== null) tx.create("cluster", testCluster({ id: ca.clusterId, rootCa: ROOT, ...cluster }));
    if (role !== null) tx.create("node", { ...testNode("n1"), role });
  });
  const credentials = ca.credentials("n1");
  return { nowMs, credentials, issued: reissueOwn(store.view, credentials, nowMs) };
}

test("a manager issues itself a certificate for the same key", async () => {
  const { nowMs, credentials, issued } = await reissued({}, "manager");
  const { publicKeyDigest, role, expiresAtMs } = identityOf(issued!.certificate);
  expect([publicKeyDigest, role]).toEqual([identityOf(credentials.certificate).publicKeyDigest, "manager"]);
  expect(expiresAtMs).toBeGreaterThan(nowMs);
  expect(issued).toMatchObject({ key: credentials.key, rootCertificate: ca.root.certificate });
});

test.each<[string, Partial<Cluster> | null, NodeRole | null]>([
  ["was demoted", {}, "worker"],
  ["was removed", {}, null],
  ["knows of no cluster", null, "manager"],
  ["is of another cluster", { id: "another" }, "manager"],
  ["is of a cluster without a root", { rootCa: null }, "manager"],
  ["has not the root's key", { rootCa: { ...ROOT, key: "" } }, "manager"],
  ["has not the key of the next root", { rootCa: { ...ROOT, rotation: { ...createRootCa({ nowMs: Date.now() }), key: "", crossSigned: "" } } }, "manager"],
])("a manager that %s does not", async (_which, cluster, role) => {
  expect((await reissued(cluster, role)).issued).toBeNull();
});
