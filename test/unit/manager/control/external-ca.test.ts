import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../../src/base/clock.js";
import { Control } from "../../../../src/manager/control/control.js";
import { DEFAULT_CLUSTER_SPEC } from "../../../../src/model/defaults.js";
import type { ExternalCa, NodeRole, RootCa } from "../../../../src/model/objects.js";
import { issueBy, trustBundle } from "../../../../src/pki/authority.js";
import { CfsslClient } from "../../../../src/pki/cfssl-client.js";
import { createCsr } from "../../../../src/pki/csr.js";
import { encode, octets, oid, sequence } from "../../../../src/pki/der.js";
import { identityOf } from "../../../../src/pki/identity.js";
import type { NodeCredentials } from "../../../../src/pki/identity-files.js";
import { createNodeKey, readPrivateKey } from "../../../../src/pki/keys.js";
import { createRootCa, type RootCa as Root } from "../../../../src/pki/root-ca.js";
import { finishedRotation, withNewTokens } from "../../../../src/pki/root-rotation.js";
import { chainIn, requireTrustedIssuer } from "../../../../src/pki/trust.js";
import { forTls, isAuthority, keyIdOf, mayCertify, maySign, name, readCertificate, signCertificate } from "../../../../src/pki/x509.js";
import { Store } from "../../../../src/store/store.js";
import type { UpdateCluster } from "../../../../src/wire/generated/control.js";
import { CfsslServer } from "../../../support/cfssl-server.js";
import { Opened } from "../../../support/disposables.js";
import { FakeMembership } from "../../../support/fake-membership.js";
import { MemoryProposer } from "../../../support/memory-proposer.js";
import { testNode } from "../../../support/services.js";

const opened = new Opened();
afterEach(() => opened.close());
const nowMs = () => Date.now();

/** A leader with the real control and the real HTTPS client, and an authority outside of it that signs with `theirs`. */
async function worldOf(options: { readonly asRole?: NodeRole; readonly own?: Root; readonly trustsBoth?: boolean; readonly namesIssuerKey?: boolean } = {}) {
  const own = options.own ?? createRootCa({ nowMs: nowMs() });
  const theirs = createRootCa({ nowMs: nowMs() });
  const rootCertificate = own.certificate + (options.trustsBoth === true ? theirs.certificate : "");
  const store = new Store({ clock: systemClock });
  new MemoryProposer(store);
  const key = createNodeKey();
  const request = { csr: createCsr(key), nodeId: "m1", role: options.asRole ?? "manager", clusterId: "c1", validityMs: 3_600_000, nowMs: nowMs() } as const;
  const credentials: NodeCredentials = { key, rootCertificate, certificate: issueBy({ ...own, crossSigned: "" }, request) };
  const signer = new CfsslClient({ credentials: () => credentials, clock: systemClock });
  const control = new Control({ store, clock: systemClock, membership: new FakeMembership(), signer });
  await store.update((tx) => {
    const rootCa = withNewTokens({ ...own, joinTokens: null, rotation: null, lastForcedRotation: 0 });
    const rest = { defaultAddressPool: [], subnetSize: 24, dataPathPort: 4789, incarnation: "one", removedNodes: {}, formerIncarnations: [] };
    tx.create("cluster", { id: "c1", meta: null, spec: DEFAULT_CLUSTER_SPEC, rootCa, ...rest }, { isClientWrite: true });
    tx.create("node", { ...testNode("n1"), role: "worker" });
  });
  const server = opened.use(await CfsslServer.start({ root: theirs, trusted: own.certificate, nowMs, namesIssuerKey: options.namesIssuerKey ?? true }));
  const external: ExternalCa = { url: server.url, rootCertificate: theirs.certificate };
  const rootOf = (): RootCa => store.view.cluster!.rootCa!;
  const setRoot = (rootCa: RootCa) => store.update((tx) => void tx.update("cluster", { ...tx.cluster!, rootCa }, { isClientWrite: true }));
  const update = async (externalCas: readonly ExternalCa[], change: Partial<UpdateCluster> = {}) => {
    const flags = { rotateWorkerToken: false, rotateManagerToken: false, rotateUnlockKey: false };
    const updateCluster = { version: store.view.cluster!.meta!.version, spec: { ...DEFAULT_CLUSTER_SPEC, externalCas }, ...flags, ...change };
    await control.execute({ type: "updateCluster", updateCluster });
  };
  const issue = async (
    { token = "", ...asked }: { readonly callerNodeId?: string; readonly token?: string; readonly lateKeyDigest?: string } = { callerNodeId: "n1" },
  ) => {
    const csr = { csr: createCsr(createNodeKey()), token, availability: "active" } as const;
    const reply = await control.execute({
      type: "issueCertificate",
      issueCertificate: { request: csr, callerNodeId: "", callerAddress: "", ...asked },
    });
    if (reply.type !== "issueCertificate") throw new Error(`reply of type ${reply.type}`);
    return reply.issueCertificate;
  };
  return { own, theirs, store, server, external, rootOf, setRoot, update, issue };
}

/** In the order in which CFSSL writes them. */
function longNamedRoot(): Root {
  const [key, lifeMs] = [createNodeKey(), 2 * 365 * 24 * 3_600_000];
  const subject = name([
    { attribute: "organization", value: "Example" },
    { attribute: "organizationalUnit", value: "Operations" },
    { attribute: "commonName", value: "mine" },
  ]);
  const publicKey = readPrivateKey(key);
  const extensions = [isAuthority(1), mayCertify(), keyIdOf(publicKey)];
  const content = { issuer: subject, subject, publicKey, notBeforeMs: nowMs() - 60_000, notAfterMs: nowMs() + lifeMs, extensions };
  return { key, certificate: signCertificate(content, publicKey) };
}

describe("a root whose key only an external authority has", () => {
  test("is rotated to: from then on that authority signs, asked with a manager's certificate", async () => {
    const { own, theirs, server, external, rootOf, setRoot, update, issue, store } = await worldOf();
    await update([external], { signingCaCertificate: theirs.certificate });
    expect(server.clients).toEqual(["m1"]);
    expect(rootOf().rotation).toMatchObject({ certificate: theirs.certificate, key: "" });
    const { certificate, rootCertificate } = await issue();
    expect(server.requests.at(-1)).toEqual({
      certificate_request: expect.stringContaining("BEGIN CERTIFICATE REQUEST"),
      hosts: ["swarm-worker", "n1"],
      subject: { CN: "n1", names: [{ O: "c1", OU: "swarm-worker" }] },
    });
    expect(identityOf(certificate)).toMatchObject({ nodeId: "n1", role: "worker", clusterId: "c1" });
    expect(rootCertificate).toBe(trustBundle(rootOf()));
    expect(() => requireTrustedIssuer(certificate, own.certificate)).not.toThrow();
    expect(store.view.nodes.get("n1")!.certificateExpiresAtMs).toBe(identityOf(certificate).expiresAtMs);
    await setRoot(finishedRotation(rootOf()));
    expect(rootOf()).toMatchObject({ certificate: theirs.certificate, key: "" });
    const joined = await issue({ token: rootOf().joinTokens!.manager });
    expect(server.requests.at(-1)!.hosts).toEqual(["swarm-manager", joined.nodeId, "swarm-ca"]);
    expect(chainIn(joined.certificate).intermediates).toEqual([]);
    expect(() => requireTrustedIssuer(joined.certificate, theirs.certificate)).not.toThrow();
  });

  test("is rotated away from: it vouches for the new root", async () => {
    const { own, theirs, server, external, rootOf, setRoot, update, issue } = await worldOf();
    await setRoot({ ...rootOf(), certificate: theirs.certificate, key: "" });
    await update([external], { signingCaCertificate: own.certificate, signingCaKey: own.key });
    expect(server.requests.at(-1)).toMatchObject({ profile: "CA", subject: { CN: "swarm-ca" } });
    expect(rootOf().rotation).toMatchObject(own);
    const { certificate } = await issue();
    expect(() => requireTrustedIssuer(certificate, theirs.certificate)).not.toThrow();
    expect(readCertificate(certificate).checkIssued(readCertificate(own.certificate))).toBe(true);
  });

  test("is rotated away from to a root with a long name, which it is told as CFSSL writes it", async () => {
    const { theirs, server, external, rootOf, setRoot, update, issue } = await worldOf({ trustsBoth: true });
    await setRoot({ ...rootOf(), certificate: theirs.certificate, key: "" });
    const mine = longNamedRoot();
    await update([external], { signingCaCertificate: mine.certificate, signingCaKey: mine.key });
    expect(server.requests.at(-1)!.subject).toEqual({ CN: "mine", names: [{ O: "Example" }, { OU: "Operations" }] });
    const issued = await issue();
    expect(() => requireTrustedIssuer(issued.certificate, theirs.certificate)).not.toThrow();
  });

  test.each([
    ["by a clock that is ahead", { aheadMs: 24 * 3_600_000 }, /gave a certificate that is not valid now, but from .* to .*$/],
    ["of another root", { signer: createRootCa({ nowMs: nowMs() }) }, /gave a certificate that does not cross-sign the new root/],
    [
      "that is none",
      { answer: { status: 200, body: '{"success":true,"result":{"certificate":"pem"}}' } },
      /gave a certificate that cannot be used: not a certificate in PEM form$/,
    ],
  ])("is not rotated away from when it vouches with a certificate %s: nobody would believe the new root", async (_which, change, message) => {
    const { own, theirs, server, external, rootOf, setRoot, update } = await worldOf();
    await setRoot({ ...rootOf(), certificate: theirs.certificate, key: "" });
    Object.assign(server, change);
    await expect(update([external], { signingCaCertificate: own.certificate, signingCaKey: own.key })).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(new RegExp(`^the external CA at ${external.url} ${message.source}`)),
    });
    expect(rootOf().rotation).toBeNull();
  });

  test("is rotated away from, and then not asked for the new one, also when nobody said which root it is for", async () => {
    const { own, theirs, server, external, rootOf, setRoot, update, issue, store } = await worldOf({ trustsBoth: true });
    await setRoot({ ...rootOf(), certificate: theirs.certificate, key: "" });
    await update([{ ...external, rootCertificate: "" }]);
    await issue();
    await update([{ ...external, rootCertificate: "" }], { signingCaCertificate: own.certificate, signingCaKey: own.key });
    await setRoot(finishedRotation(rootOf()));
    const asked = server.requests.length;
    const { certificate } = await issue();
    expect(readCertificate(certificate).checkIssued(readCertificate(own.certificate))).toBe(true);
    expect(server.requests).toHaveLength(asked);
    expect(store.view.cluster!.spec!.externalCas).toEqual([external]);
  });

  test("can have its key brought into the cluster, and taken out again", async () => {
    const { theirs, server, external, rootOf, setRoot, update, issue } = await worldOf();
    await setRoot({ ...rootOf(), certificate: theirs.certificate, key: "" });
    await update([], { signingCaCertificate: theirs.certificate, signingCaKey: theirs.key });
    expect(rootOf()).toMatchObject({ ...theirs, rotation: null });
    await issue();
    expect(server.requests).toEqual([]);
    await update([external], { signingCaCertificate: theirs.certificate });
    expect(rootOf()).toMatchObject({ certificate: theirs.certificate, key: "", rotation: null });
    await issue();
    expect(server.requests).toHaveLength(1);
  });

  test("cannot be given up for another one whose key is not in the cluster either, nor lose who signs", async () => {
    const { theirs, external, rootOf, setRoot, update } = await worldOf({ trustsBoth: true });
    const third = createRootCa({ nowMs: nowMs() });
    await setRoot({ ...rootOf(), certificate: theirs.certificate, key: "" });
    await update([external]);
    await expect(update([external, { ...external, rootCertificate: third.certificate }], { signingCaCertificate: third.certificate })).rejects.toThrow(
      "cannot rotate from one external CA to another",
    );
    await expect(update([])).rejects.toThrow("corresponding to the current CA certificate, and none is configured");
    await update([external], { rotateWorkerToken: true });
  });
});

describe("an external authority", () => {
  async function signing(options: Parameters<typeof worldOf>[0] = {}) {
    const world = await worldOf(options);
    await world.setRoot({ ...world.rootOf(), certificate: world.theirs.certificate, key: "" });
    await world.store.update((tx) => {
      const { cluster } = tx;
      if (cluster !== undefined) tx.update("cluster", { ...cluster, spec: { ...DEFAULT_CLUSTER_SPEC, externalCas: [world.external] } });
    });
    return world;
  }

  test("refuses who is no manager, and its reason is told", async () => {
    const { issue, external } = await signing({ asRole: "worker" });
    await expect(issue()).rejects.toMatchObject({ code: "failed_precondition", message: `the external CA at ${external.url} answered 403: not a manager` });
  });

  test.each([
    ["an error", { status: 400, body: '{"success":false,"result":null,"errors":[{"code":9,"message":"no such profile"}]}' }, /answered 400: no such profile$/],
    [
      "an error of many lines",
      { status: 500, body: JSON.stringify({ success: false, errors: [{ code: 1, message: `\u001b[2Jno\r\nway ${"x".repeat(9_000)}` }] }) },
      /answered 500: \[2Jno way x{490}…$/,
    ],
    ["something else", { status: 200, body: "<html>" }, /answered 200 without a certificate$/],
    ["a success without a certificate", { status: 200, body: '{"success":true,"result":{}}' }, /answered 200 without a certificate$/],
    ["more than a certificate can be", { status: 200, body: "x".repeat(70_000) }, /cannot be asked: its answer is longer than 65536 bytes$/],
    [
      "no certificate",
      { status: 200, body: '{"success":true,"result":{"certificate":"pem"}}' },
      /gave a certificate that cannot be used: not a certificate in PEM form$/,
    ],
    ["nothing", "hangs" as const, /gave no answer within 5 s$/],
  ])("that answers with %s is named, and nothing is written", async (_what, answer, message) => {
    const { issue, server, store } = await signing();
    server.answer = answer;
    const before = store.view.nodes.get("n1");
    await expect(issue()).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringMatching(message) });
    expect(store.view.nodes.get("n1")).toBe(before);
  });

  test("that signs with another root is found out", async () => {
    const { issue, server } = await signing();
    server.signer = createRootCa({ nowMs: nowMs() });
    await expect(issue()).rejects.toThrow("gave a certificate that was not issued by the root that it is configured for");
  });

  test("that takes its time lets nobody in by a token that was rotated meanwhile", async () => {
    const { issue, rootOf, setRoot, server, store } = await signing();
    const nodes = store.view.nodes.size;
    server.beforeSigning = () => setRoot(withNewTokens(rootOf()));
    await expect(issue({ token: rootOf().joinTokens!.worker })).rejects.toThrow("a valid join token is necessary to join this cluster");
    expect(store.view.nodes.size).toBe(nodes);
  });

  test("that takes its time brings nobody back who was removed meanwhile", async () => {
    const { issue, server, store } = await signing();
    server.beforeSigning = () => store.update((tx) => void tx.remove("node", "n1"));
    await expect(issue()).rejects.toMatchObject({ code: "permission_denied", message: "node n1 is not part of the cluster: it was removed" });
    expect(store.view.nodes.size).toBe(0);
  });

  test("that takes its time gives no certificate of a role that the node has no more: it is asked again", async () => {
    const { issue, server, store } = await signing();
    server.beforeSigning = () => store.update((tx) => void tx.update("node", { ...tx.nodes.get("n1")!, role: "manager" }));
    const { role, certificate } = await issue();
    expect([role, identityOf(certificate).role]).toEqual(["manager", "manager"]);
    expect(server.requests.map(({ hosts }) => hosts?.[0])).toEqual(["swarm-worker", "swarm-manager"]);
  });

  test("that takes its time certifies nothing by a root that was replaced meanwhile", async () => {
    const { issue, server, rootOf, setRoot, own } = await signing();
    server.beforeSigning = () => setRoot({ ...rootOf(), certificate: own.certificate, key: own.key });
    const { certificate, rootCertificate } = await issue();
    expect(rootCertificate).toBe(own.certificate);
    expect(readCertificate(certificate).checkIssued(readCertificate(own.certificate))).toBe(true);
  });

  test("that takes its time lets nobody in by a token of a root that was replaced meanwhile", async () => {
    const { issue, server, rootOf, setRoot, own, store } = await signing();
    server.beforeSigning = () => setRoot(withNewTokens({ ...rootOf(), certificate: own.certificate, key: own.key }));
    await expect(issue({ token: rootOf().joinTokens!.manager })).rejects.toThrow("a valid join token is necessary to join this cluster");
    expect([...store.view.nodes.all()].map(({ id }) => id)).toEqual(["n1"]);
  });

  test("that takes its time renews nothing late for a key that was replaced meanwhile", async () => {
    const { issue, server, store } = await signing();
    const setKey = (publicKeyDigest: string) => store.update((tx) => void tx.update("node", { ...tx.nodes.get("n1")!, publicKeyDigest }));
    await setKey("last");
    await issue({ callerNodeId: "n1", lateKeyDigest: "last" });
    await setKey("last");
    server.beforeSigning = () => setKey("newer");
    await expect(issue({ callerNodeId: "n1", lateKeyDigest: "last" })).rejects.toMatchObject({ code: "permission_denied" });
    expect(store.view.nodes.get("n1")!.publicKeyDigest).toBe("newer");
  });

  test.each([
    ["for servers only", [maySign(), sequence(oid("2.5.29.37"), octets(encode(sequence(oid("1.3.6.1.5.5.7.3.1")))))]],
    ["that may not sign", [mayCertify(), forTls()]],
  ])("that gives certificates %s is found out: nobody would take them", async (_what, usages) => {
    const { issue, server, store } = await signing();
    server.usages = usages;
    const before = store.view.nodes.get("n1");
    await expect(issue()).rejects.toThrow("may not be used for both ends of TLS");
    expect(store.view.nodes.get("n1")).toBe(before);
    server.usages = [];
    await issue();
  });

  test("whose root has the name of the cluster's is asked, also when its server's certificate does not say which key issued it", async () => {
    const { issue, server } = await signing({ namesIssuerKey: false });
    await issue();
    expect(server.requests).toHaveLength(1);
  });

  test("whose certificates do not say which key issued them signs, but not while another root of that name is trusted: nodes would take nobody's", async () => {
    const { issue, server, rootOf, setRoot, update, own, theirs, external, store } = await worldOf({ namesIssuerKey: false });
    await update([external], { signingCaCertificate: theirs.certificate });
    const before = store.view.nodes.get("n1");
    await expect(issue()).rejects.toMatchObject({
      code: "failed_precondition",
      message: `the external CA at ${external.url} gave a certificate that lacks the identifier of its issuer's key, by which the new root is told from the other one of the same name`,
    });
    expect(store.view.nodes.get("n1")).toBe(before);
    await setRoot({ ...rootOf(), certificate: longNamedRoot().certificate });
    await issue();
    await setRoot(finishedRotation({ ...rootOf(), certificate: own.certificate }));
    await issue();
    expect(server.requests).toHaveLength(3);
  });

  test("whose server no root vouches for is not asked", async () => {
    const { issue, store, own, server } = await signing();
    const stranger = opened.use(await CfsslServer.start({ root: createRootCa({ nowMs: nowMs() }), trusted: own.certificate, nowMs }));
    await store.update((tx) => {
      const { cluster } = tx;
      const externalCas = [{ url: stranger.url, rootCertificate: "" }];
      if (cluster !== undefined) tx.update("cluster", { ...cluster, spec: { ...DEFAULT_CLUSTER_SPEC, externalCas } });
    });
    await expect(issue()).rejects.toThrow(/cannot be asked: .*(self-signed|unable to verify|local issuer)/);
    expect([...server.requests, ...stranger.requests]).toEqual([]);
  });

  test("that does not answer is passed over for the next one", async () => {
    const { issue, external, store, server } = await signing();
    await store.update((tx) => {
      const { cluster } = tx;
      const externalCas = [{ ...external, url: "https://localhost:1/sign" }, external];
      if (cluster !== undefined) tx.update("cluster", { ...cluster, spec: { ...DEFAULT_CLUSTER_SPEC, externalCas } });
    });
    await issue();
    expect(server.requests).toHaveLength(1);
  });

  test("that hangs is named beside all the others that do, before whoever joins gives up", async () => {
    const { issue, external, store, server, own } = await signing();
    const others = await Promise.all([1, 2].map(async () => opened.use(await CfsslServer.start({ root: server.root, trusted: own.certificate, nowMs }))));
    for (const each of [server, ...others]) each.answer = "hangs";
    await store.update((tx) => {
      const { cluster } = tx;
      const externalCas = [external, ...others.map(({ url }) => ({ ...external, url }))];
      if (cluster !== undefined) tx.update("cluster", { ...cluster, spec: { ...DEFAULT_CLUSTER_SPEC, externalCas } });
    });
    const begunMs = performance.now();
    const silent = (url: string) => `the external CA at ${url} gave no answer within 5 s`;
    await expect(issue()).rejects.toMatchObject({ message: [server, ...others].map(({ url }) => silent(url)).join("; ") });
    expect(performance.now() - begunMs).toBeLessThan(12_500); // Of the 13 s of a join.
  }, 30_000);

  test("that answers is heard although one before it hangs", async () => {
    const { issue, external, store, server, own } = await signing();
    const silent = opened.use(await CfsslServer.start({ root: server.root, trusted: own.certificate, nowMs }));
    silent.answer = "hangs";
    await store.update((tx) => {
      const { cluster } = tx;
      const externalCas = ["https://localhost:1/sign", silent.url, server.url].map((url) => ({ ...external, url }));
      if (cluster !== undefined) tx.update("cluster", { ...cluster, spec: { ...DEFAULT_CLUSTER_SPEC, externalCas } });
    });
    const begunMs = performance.now();
    await issue();
    expect(performance.now() - begunMs).toBeLessThan(4_500);
  });

  test("that is not configured for the root is not asked, and without one nobody can sign", async () => {
    const { issue, rootOf, setRoot, server, own } = await signing();
    await setRoot({ ...rootOf(), certificate: own.certificate, key: own.key });
    await issue();
    expect(server.requests).toEqual([]);
    await setRoot({ ...rootOf(), key: "" });
    await expect(issue()).rejects.toThrow("the key of the root certificate is not in the cluster, and no external CA is configured for it");
  });
});
