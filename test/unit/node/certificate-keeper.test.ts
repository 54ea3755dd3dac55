import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { SeededRandom } from "../../../src/base/random.js";
import { CertificateKeeper } from "../../../src/node/certificate-keeper.js";
import { createCsr } from "../../../src/pki/csr.js";
import { IdentityFiles } from "../../../src/pki/identity-files.js";
import { createNodeKey } from "../../../src/pki/keys.js";
import { issueNodeCertificate, NODE_VALIDITY_MS } from "../../../src/pki/node-certificate.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import { LiveIdentity } from "../../../src/rpc/live-identity.js";
import { Store } from "../../../src/store/store.js";
import { CaService } from "../../../src/wire/generated/ca.js";
import type { ServiceHandlers } from "../../../src/rpc/server-call.js";
import { testCluster } from "../../support/cluster-object.js";
import { Opened } from "../../support/disposables.js";
import { eventually } from "../../support/eventually.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { TestCa } from "../../support/rpc-cluster.js";
import { testNode } from "../../support/services.js";

const DAY_MS = 24 * 3_600_000;
/** Longest that a timer of Node.js lasts. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const opened = new Opened();
const ca = new TestCa();
let folder: string;
let stop: () => Promise<void> = () => Promise.resolve();
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "certificate-keeper-"));
});
afterEach(async () => {
  await stop();
  await opened.close();
  await rm(folder, { recursive: true });
});

/** A clock whose timers last no longer than real ones. */
class ShortTimers extends FakeClock {
  override after(delayMs: number, call: () => void): () => void {
    return super.after(Math.min(delayMs, TIMER_MS_MAX), call);
  }
}

/** The keeper of a manager with a certificate of 90 days and the cluster's key, which asks who the test says. */
async function keeperOf(
  options: {
    readonly managers?: () => readonly string[];
    readonly ageDays?: number;
    readonly hasRecalled?: () => boolean;
    readonly hasKey?: boolean;
    readonly toldRoots?: () => string;
  } = {},
) {
  const clock = new ShortTimers(Date.now());
  const key = createNodeKey();
  const request = { rootCa: ca.root, csr: createCsr(key), nodeId: "n1", role: "manager", clusterId: ca.clusterId } as const;
  const certificate = issueNodeCertificate({ ...request, validityMs: NODE_VALIDITY_MS, nowMs: clock.now() - (options.ageDays ?? 0) * DAY_MS });
  const credentials = { rootCertificate: ca.root.certificate, certificate, key };
  const files = await IdentityFiles.create({ folder, clock }, credentials);
  const identity = new LiveIdentity(credentials);
  const store = new Store({ clock });
  new MemoryProposer(store);
  await store.update((tx) => {
    tx.create(
      "cluster",
      testCluster({
        id: ca.clusterId,
        rootCa: { ...ca.root, ...(options.hasKey === false ? { key: "" } : {}), joinTokens: null, rotation: null, lastForcedRotation: 0 },
      }),
    );
    tx.create("node", { ...testNode("n1"), role: "manager" });
  });
  const keeper = new CertificateKeeper({
    files,
    identity,
    manager: () => ({ store, hasRecalled: options.hasRecalled?.() ?? true }),
    managers: options.managers ?? (() => []),
    toldRoots: options.toldRoots ?? (() => ""),
    clock,
    random: new SeededRandom(1),
    logger: silentLogger,
  });
  const over = new AbortController();
  const ended = keeper.run(over.signal);
  stop = async () => {
    over.abort();
    await ended;
  };
  return { clock, identity, certificate, store, keeper };
}

const onDisk = async (file: string) => (await readFile(join(folder, file), "utf8")).trimEnd();

test("a renewal waits for its time, also when no timer lasts that long", async () => {
  const askedAt: number[] = [];
  const { clock, identity } = await keeperOf({
    managers: () => {
      askedAt.push(clock.now());
      return [];
    },
  });
  const { notBeforeMs, expiresAtMs } = identity.identity;
  await clock.advance(25 * DAY_MS);
  expect(askedAt).toEqual([]);
  clock.set(50 * DAY_MS);
  await clock.advance(60_000);
  expect(askedAt).toHaveLength(1);
  expect(askedAt[0]).toBeGreaterThan(notBeforeMs + (expiresAtMs - notBeforeMs) * 0.5);
});

test("a renewal that failed is tried again after a minute, however early in the certificate's life it was", async () => {
  const askedAt: number[] = [];
  const { clock } = await keeperOf({
    managers: () => {
      askedAt.push(clock.now());
      return [];
    },
  });
  while (askedAt.length === 0) {
    clock.set(6 * 3_600_000);
    await clock.advance(60_000);
  }
  const [first = 0] = askedAt;
  await clock.advance(3 * 60_000);
  expect(askedAt.map((atMs) => atMs - first)).toEqual([0, 60_000, 120_000, 180_000]);
});

test.each([
  ["ahead, past the certificate", 400 * DAY_MS],
  ["back, before it", -400 * DAY_MS],
])("a clock that is set %s, is noticed within a minute", async (_where, byMs) => {
  const { clock, identity, certificate } = await keeperOf();
  await clock.advance(1_000);
  clock.set(byMs);
  await clock.advance(60_000);
  await eventually("the manager has issued itself a certificate", () => identity.credentials.certificate !== certificate);
  expect(Math.abs(identity.identity.notBeforeMs - clock.now())).toBeLessThan(2 * 3_600_000);
});

test("a manager past its certificate issues itself one by what it knew last, not by the snapshot that it starts from", async () => {
  let hasRecalled = false;
  const { clock, identity, certificate, store } = await keeperOf({ ageDays: 400, hasRecalled: () => hasRecalled });
  await clock.advance(1_000);
  expect(identity.credentials.certificate).toBe(certificate);
  const next = createRootCa({ nowMs: clock.now() });
  await store.update((tx) => {
    const { cluster } = tx;
    if (cluster !== undefined) tx.update("cluster", { ...cluster, rootCa: { ...next, joinTokens: null, rotation: null, lastForcedRotation: 0 } });
  });
  hasRecalled = true;
  await clock.advance(1_000);
  await eventually("the manager has issued itself a certificate", () => identity.credentials.certificate !== certificate);
  expect(identity.credentials.rootCertificate).toBe(next.certificate);
});

test("a certificate that cannot be saved is not used: the one before is, until the disk takes the new one", async () => {
  let [hasRecalled, asked] = [false, 0];
  const managers = () => {
    asked++;
    return [];
  };
  const { clock, identity, certificate } = await keeperOf({ ageDays: 400, hasRecalled: () => hasRecalled, managers });
  await rm(folder, { recursive: true });
  hasRecalled = true;
  await clock.advance(50);
  await eventually("it is to be tried again", () => clock.pending > 0);
  expect(identity.credentials.certificate).toBe(certificate);
  await mkdir(folder);
  await clock.advance(2_000);
  await eventually("it has a new one", () => identity.credentials.certificate !== certificate);
  expect(await onDisk("swarm-node.crt")).toContain(identity.credentials.certificate.trimEnd());
  expect(asked).toBe(0);
});

describe("roots that a manager names", () => {
  test("are trusted, on the disk first, and not written again while they are the same", async () => {
    const next = createRootCa({ nowMs: Date.now() });
    let told = "";
    const { keeper, identity, certificate } = await keeperOf({ toldRoots: () => told });
    const seen: string[] = [];
    opened.add(identity.onReplace(() => seen.push(readFileSync(join(folder, "swarm-root-ca.crt"), "utf8"))));
    for (told of ["", ca.root.certificate, ca.root.certificate + next.certificate, ca.root.certificate + next.certificate, ""])
      await keeper.adoptRoots(new AbortController().signal);
    expect(seen).toEqual([expect.stringContaining(ca.root.certificate + next.certificate.trimEnd())]);
    expect(identity.credentials).toMatchObject({ rootCertificate: ca.root.certificate + next.certificate, certificate });
  });

  test("and of which none issued this node's certificate, are trusted with a new certificate only", async () => {
    const { keeper, identity } = await keeperOf({ toldRoots: () => createRootCa({ nowMs: Date.now() }).certificate });
    const before = identity.credentials;
    await expect(keeper.adoptRoots(new AbortController().signal)).rejects.toThrow("no manager is known");
    expect(identity.credentials).toBe(before);
  });
});

test("a manager past its certificate that nobody can renew says so, and why, until it can", async () => {
  const { keeper, clock, identity, certificate, store } = await keeperOf({ ageDays: 400, hasKey: false, managers: () => ["127.0.0.1:1"] });
  await eventually("the renewal has failed", () => keeper.error !== "", 10_000);
  const expiredAt = new Date(identity.identity.expiresAtMs).toISOString();
  expect(keeper.error).toBe(
    `this node's certificate expired at ${expiredAt}, and cannot be renewed: cannot reach 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1`,
  );
  await store.update((tx) => {
    const { cluster } = tx;
    if (cluster !== undefined) tx.update("cluster", { ...cluster, rootCa: { ...ca.root, joinTokens: null, rotation: null, lastForcedRotation: 0 } });
  });
  await clock.advance(2_000);
  await eventually("the manager has issued itself a certificate", () => identity.credentials.certificate !== certificate);
  expect(keeper.error).toBe("");
});

test("a renewal that failed is no trouble as long as the certificate is valid", async () => {
  const askedAt: number[] = [];
  const managers = () => {
    askedAt.push(0);
    return [];
  };
  const { keeper } = await keeperOf({ ageDays: 80, managers });
  await eventually("a manager was asked for", () => askedAt.length > 0);
  expect(keeper.error).toBe("");
});

test("a certificate that is due the moment it comes is not renewed again at once", async () => {
  let issued = 0;
  const handlers: Pick<ServiceHandlers<typeof CaService>, "issueCertificate"> = {
    issueCertificate: async ({ csr }) => {
      issued++;
      const request = { rootCa: ca.root, csr, nodeId: "n1", role: "manager", clusterId: ca.clusterId } as const;
      // Dated back by an hour, with a minute left.
      const certificate = issueNodeCertificate({ ...request, validityMs: 3_600_000, nowMs: Date.now() - 59 * 60_000 });
      return { nodeId: "n1", role: "manager", certificate, rootCertificate: ca.root.certificate };
    },
  };
  const refused = () => Promise.reject(new Error("not asked for here"));
  const server = opened.use(ca.server(ca.identity("m1"))).add(CaService, { ...handlers, rootCertificate: refused, renewalNonce: refused, renewLate: refused });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const { clock, identity } = await keeperOf({ managers: () => [address], ageDays: 80 });
  await eventually("the keeper sleeps", () => clock.pending > 0, 10_000);
  expect(issued).toBe(1);
  const { certificate } = identity.credentials;
  await clock.advance(60_000);
  await eventually("it has renewed once more", () => identity.credentials.certificate !== certificate);
});
