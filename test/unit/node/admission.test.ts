import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import type { NodeRole } from "../../../src/model/objects.js";
import { currentRole } from "../../../src/node/admission.js";
import { Store } from "../../../src/store/store.js";
import { testCluster } from "../../support/cluster-object.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { testNode } from "../../support/services.js";

/** A store with the node "known", which has the role and the certificate's beginning given, and with "gone" on record as removed. */
async function storeWith(role: NodeRole, certificateNotBeforeMs: number): Promise<Store> {
  const store = new Store({ clock: new FakeClock(0) });
  new MemoryProposer(store);
  await store.update((tx) => {
    tx.create("node", { ...testNode("known"), role, certificateNotBeforeMs });
    tx.create("cluster", testCluster({ removedNodes: { gone: 9 } }));
  });
  return store;
}

const LEADER = true;
const OTHER = false;

test.each<readonly [string, NodeRole, string, NodeRole, number, boolean, NodeRole | "refused"]>([
  // what, role in the store, node, role in the certificate, its beginning (the store knows of 100), who asks, what is expected
  ["a manager", "manager", "known", "manager", 100, LEADER, "manager"],
  ["a demoted manager with the certificate that it had", "worker", "known", "manager", 100, LEADER, "worker"],
  ["the same at a manager that does not lead", "worker", "known", "manager", 100, OTHER, "worker"],
  ["a demoted manager with an older certificate still", "worker", "known", "manager", 50, OTHER, "worker"],
  ["a node promoted after the last that this copy heard", "worker", "known", "manager", 200, OTHER, "manager"],
  ["a certificate newer than what the leader itself issued", "worker", "known", "manager", 200, LEADER, "worker"],
  ["a promoted node that has not renewed its certificate", "manager", "known", "worker", 100, LEADER, "worker"],
  ["a node that the leader does not have", "manager", "unknown", "manager", 100, LEADER, "refused"],
  ["a node that joined after the last that this copy heard", "manager", "unknown", "manager", 200, OTHER, "manager"],
  ["a removed node", "manager", "gone", "manager", 200, OTHER, "refused"],
  ["a removed worker at the leader", "manager", "gone", "worker", 200, LEADER, "refused"],
])("%s", async (_what, stored, nodeId, role, notBeforeMs, isCurrent, expected) => {
  const { view } = await storeWith(stored, 100);
  const certificate = { nodeId, role, clusterId: "cluster1", notBeforeMs, expiresAtMs: 1_000, publicKeyDigest: "" };
  const ask = () => currentRole(view, certificate, isCurrent);
  if (expected === "refused") expect(ask).toThrow(expect.objectContaining({ code: "permission_denied" }));
  else expect(ask()).toBe(expected);
});

test("before this copy holds anything, a certificate is taken at its word", () => {
  const { view } = new Store({ clock: new FakeClock(0) });
  expect(currentRole(view, { nodeId: "leader", role: "manager", clusterId: "c", notBeforeMs: 1, expiresAtMs: 2, publicKeyDigest: "" }, false)).toBe("manager");
});
