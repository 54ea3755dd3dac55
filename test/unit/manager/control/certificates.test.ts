import { expect, test } from "vitest";
import type { IssueCertificateReply } from "../../../../src/wire/generated/ca.js";
import { createCsr } from "../../../../src/pki/csr.js";
import { createJoinToken } from "../../../../src/pki/join-token.js";
import { createNodeKey } from "../../../../src/pki/keys.js";
import { createRootCa } from "../../../../src/pki/root-ca.js";
import { readCertificate } from "../../../../src/pki/x509.js";
import type { IssueCertificate } from "../../../../src/wire/generated/control.js";
import { ManagerWorld } from "../../../support/manager-world.js";

async function issue(cluster: ManagerWorld, change: Partial<IssueCertificate["request"]> & { readonly callerNodeId?: string }): Promise<IssueCertificateReply> {
  const { callerNodeId = "", ...request } = change;
  const reply = await cluster.manager.control.execute({
    type: "issueCertificate",
    issueCertificate: {
      request: { csr: createCsr(createNodeKey()), token: "", availability: "active", ...request },
      callerNodeId,
      callerAddress: "10.88.0.9",
    },
  });
  if (reply.type !== "issueCertificate") throw new Error(`reply of type ${reply.type}`);
  return reply.issueCertificate;
}

async function world(): Promise<ManagerWorld> {
  const cluster = new ManagerWorld();
  await cluster.settle();
  return cluster;
}

const tokens = (cluster: ManagerWorld) => cluster.store.view.cluster!.rootCa!.joinTokens!;

test.each(["worker", "manager"] as const)("the token of a %s makes a node of that role", async (role) => {
  const cluster = await world();
  const reply = await issue(cluster, { token: tokens(cluster)[role], availability: "drain" });
  expect(reply).toMatchObject({ role, rootCertificate: cluster.store.view.cluster?.rootCa?.certificate });
  const certificate = readCertificate(reply.certificate);
  expect(certificate.subject).toContain(`CN=${reply.nodeId}`);
  expect(certificate.subject).toContain(`OU=swarm-${role}`);
  expect(cluster.node(reply.nodeId)).toMatchObject({
    role,
    spec: { role, availability: "drain" },
    status: { state: "unknown", address: "10.88.0.9" },
    publicKeyDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
    certificateExpiresAtMs: Date.parse(certificate.validTo),
  });
  expect(certificate.checkIssued(readCertificate(reply.rootCertificate))).toBe(true);
});

test("wrong tokens are refused and make nothing", async () => {
  const cluster = await world();
  const other = createRootCa({ nowMs: cluster.clock.now() });
  const rotated = createJoinToken(cluster.store.view.cluster!.rootCa!.certificate);
  for (const token of ["", "nonsense", createJoinToken(other.certificate), rotated, `${tokens(cluster).worker}x`]) {
    await expect(issue(cluster, { token })).rejects.toMatchObject({
      code: "invalid_argument",
      message: "a valid join token is necessary to join this cluster",
    });
  }
  await expect(issue(cluster, { token: tokens(cluster).worker, csr: "nonsense" })).rejects.toMatchObject({ code: "invalid_argument" });
  expect(cluster.store.view.nodes.size).toBe(0);
});

test("a join that is repeated with the same key gets the same node", async () => {
  const cluster = await world();
  const csr = createCsr(createNodeKey());
  const token = tokens(cluster).worker;
  const first = await issue(cluster, { token, csr });
  const second = await issue(cluster, { token, csr });
  expect(second.nodeId).toBe(first.nodeId);
  expect((await issue(cluster, { token })).nodeId).not.toBe(first.nodeId);
  expect((await issue(cluster, { token: tokens(cluster).manager, csr })).nodeId).not.toBe(first.nodeId);
});

test("a renewal takes its role from the store and notes the new key", async () => {
  const cluster = await world();
  const { nodeId } = await issue(cluster, { token: tokens(cluster).worker });
  const before = cluster.node(nodeId);
  await cluster.write((tx) => tx.update("node", { ...before, role: "manager" }));
  const renewed = await issue(cluster, { callerNodeId: nodeId });
  expect(renewed).toMatchObject({ nodeId, role: "manager" });
  expect(readCertificate(renewed.certificate).subject).toContain("OU=swarm-manager");
  expect(cluster.node(nodeId).publicKeyDigest).not.toBe(before.publicKeyDigest);
  expect(cluster.node(nodeId).meta?.version).toBe(before.meta?.version);
});

test("a node that was removed gets nothing any more", async () => {
  const cluster = await world();
  await expect(issue(cluster, { callerNodeId: "gone" })).rejects.toMatchObject({ code: "permission_denied" });
});
