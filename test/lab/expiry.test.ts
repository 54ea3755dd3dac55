import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeBackup } from "../../src/node/backup-file.js";
import { createCsr } from "../../src/pki/csr.js";
import { identityOf, isValidAt } from "../../src/pki/identity.js";
import { issueNodeCertificate, NODE_VALIDITY_MS } from "../../src/pki/node-certificate.js";
import type { RootCa } from "../../src/pki/root-ca.js";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { certificateOf, identityFilesOf } from "../support/node-identity.js";
import { until } from "../support/until.js";

const DAY_MS = 24 * 3_600_000;
const ALL = [1, 2, 3, 4, 5];

/**
 * Hosts that were off for longer than their certificates live. The certificates' dates are moved, with the key of the authority from a backup; nobody's clock is.
 * The tests are chapters of one story.
 */
describe("certificates that are outside their validity", () => {
  let lab: TestLab;
  let docker: LabDocker;
  let rootCa: RootCa;
  let before: readonly string[];
  const hostFolder = (node: number) => dirname(lab.socket(node));
  const identity = async (node: number) => identityOf(await certificateOf(lab, node));
  const isCertified = async (node: number) => isValidAt(await identity(node), Date.now());

  /** The same certificate for the same key, issued so many days ago. */
  async function shift(node: number, days: number): Promise<void> {
    const files = await identityFilesOf(lab, node);
    const { credentials } = files;
    const { nodeId, role, clusterId } = identityOf(credentials.certificate);
    const nowMs = Date.now() - days * DAY_MS;
    const certificate = issueNodeCertificate({ rootCa, csr: createCsr(credentials.key), nodeId, role, clusterId, validityMs: NODE_VALIDITY_MS, nowMs });
    await files.replace({ ...credentials, certificate }, { isWorker: false });
  }

  const containers = () => Promise.all(ALL.map((node) => docker.must(node, "ps", "--quiet", "--no-trunc")));

  async function stopAll(): Promise<void> {
    for (const node of ALL) await lab.lab("kill", String(node));
  }

  async function allReady(): Promise<void> {
    for (const node of ALL) await until(`node ${node} has a valid certificate`, () => isCertified(node), 40);
    for (const node of ALL)
      await until(
        `node-${node} is ready`,
        async () => (await docker.try(1, "node", "ls", "--format", "{{.Hostname}} {{.Status}}")).stdout.includes(`node-${node} Ready`),
        40,
      );
  }

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "3", "--workers", "2");
    await docker.importBusybox(ALL);
    // All are started one after the other: on a busy machine the last must not seem down before it is.
    await docker.must(1, "swarm", "update", "--dispatcher-heartbeat", "5s");
    await docker.create("each", ["--mode", "global"]);
    await docker.running(1, "each", ALL.length);
    before = await containers();
    const files = "/var/lib/swarm-lab";
    await lab.run(["sh", "-c", `echo secret > ${files}/passphrase`]);
    await lab.run(["node", "dist/main/swarm.js", "-H", await lab.lab("socket", "1"), "backup", `${files}/state`, "--passphrase-file", `${files}/passphrase`]);
    const file = await readFile(join(dirname(dirname(hostFolder(1))), "state"));
    const { origin } = await decodeBackup(
      (async function* () {
        yield file;
      })(),
      "secret",
    );
    for (const object of origin.objects) if (object.type === "cluster" && object.cluster.rootCa !== null) rootCa = object.cluster.rootCa;
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test.each([
    ["all managers and workers were off for 400 days", 400],
    ["all were certified by a clock that was 400 days ahead", -400],
  ])(
    "%s: the cluster comes back by itself, with the same containers",
    async (_what, days) => {
      await stopAll();
      for (const node of ALL) await shift(node, days);
      for (const node of ALL) expect(await isCertified(node)).toBe(false);
      for (const node of ALL) await lab.lab("start", String(node));
      await allReady();
      await docker.must(1, "service", "update", "--quiet", "--detach", "--label-add", `off=${days}`, "each");
      expect(await containers()).toEqual(before);
    },
    150_000,
  );

  test("another validity is what certificates have from their renewal on", async () => {
    await docker.must(1, "swarm", "update", "--cert-expiry", "1h");
    for (const node of [1, 4]) {
      await lab.lab("kill", String(node));
      await shift(node, 80);
      await lab.lab("start", String(node));
    }
    for (const node of [1, 4]) {
      const lifeMs = async () => {
        const { expiresAtMs } = await identity(node);
        return expiresAtMs - Date.now();
      };
      await until(`node ${node} has renewed its certificate`, async () => (await lifeMs()) <= 3_600_000, 40);
      expect(await lifeMs()).toBeGreaterThan(3_000_000);
    }
    // Those that are not due keep theirs.
    expect((await identity(2)).expiresAtMs - Date.now()).toBeGreaterThan(80 * DAY_MS);
    await allReady();
  });

  test("a manager that was demoted while it was off comes back as a worker, and one that was removed not at all", async () => {
    await lab.lab("kill", "3");
    await lab.lab("kill", "5");
    await docker.nodeIs(1, "node-3", "Down Active Unreachable");
    await docker.nodeIs(1, "node-5", "Down Active");
    await docker.must(1, "node", "demote", "node-3");
    await docker.must(1, "node", "rm", "node-5");
    for (const node of [3, 5]) await shift(node, 400);
    await lab.lab("start", "3");
    await lab.lab("start", "5");
    await docker.nodeIs(1, "node-3", "Ready Active");
    await until("node 3 has the certificate of a worker", async () => (await identity(3)).role === "worker");
    await until("node 5 was refused", () => /it was removed/.test(lab.logOf(5)), 30);
    expect(await isCertified(5)).toBe(false);
    expect(await docker.node(1, "node-5")).toBe("");
  });
});
