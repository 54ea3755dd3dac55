import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCsr } from "../../src/pki/csr.js";
import { identityOf, isIssuedBy } from "../../src/pki/identity.js";
import { issueNodeCertificate, NODE_VALIDITY_MS } from "../../src/pki/node-certificate.js";
import { createRootCa } from "../../src/pki/root-ca.js";
import { chainIn } from "../../src/pki/trust.js";
import { readCertificate } from "../../src/pki/x509.js";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { certificateOf, identityFilesOf } from "../support/node-identity.js";
import { until } from "../support/until.js";

const DAY_MS = 24 * 3_600_000;
const FILES = "/var/lib/swarm-lab";
/** On the network of host 3, which is the last to join. */
const [ADDRESS, PORT] = ["10.88.0.3", "8888"];
const URL = `https://${ADDRESS}:${PORT}/api/v1/cfssl/sign`;

/**
 * A root whose key only a server outside of the swarm has, which speaks the CFSSL protocol on one of the lab's hosts: named at init, rotated to, asked for who joins and
 * who renews, and gone for a while. The tests are chapters of one story.
 */
describe("an external certificate authority", () => {
  let lab: TestLab;
  let docker: LabDocker;
  let serverPid: string;
  const root = createRootCa({ nowMs: Date.now() });
  const flag = `protocol=cfssl,url=${URL},cacert=${FILES}/theirs.pem`;
  const write = (name: string, content: string) => lab.run(["sh", "-c", `cat > ${FILES}/${name}`], { input: content });
  const own = async (node: number, ...args: readonly string[]) => lab.run(["node", "dist/main/swarm.js", "-H", await lab.lab("socket", String(node)), ...args]);
  const token = (role: string) => docker.must(1, "swarm", "join-token", "--quiet", role);
  const join2 = async (node: number, role: string) => docker.try(node, "swarm", "join", "--token", await token(role), "10.88.0.1:2377");
  const leafOf = async (node: number) => chainIn(await certificateOf(lab, node)).leaf;
  const isTheirs = async (node: number) => isIssuedBy(await leafOf(node), readCertificate(root.certificate));
  const restart = async (node: number) => {
    await lab.lab("kill", String(node));
    await lab.lab("start", String(node));
  };

  async function startServer(): Promise<void> {
    const command = `deploy/lab --name ${lab.name} exec 3 ${process.execPath} --import tsx test/support/cfssl-host.ts ${ADDRESS} ${PORT} ${FILES}/theirs.json ${FILES}/trusted.pem`;
    const started = await lab.run(["bash", "-c", `setsid ${command} > ${FILES}/ca.log 2>&1 < /dev/null & echo $!`]);
    serverPid = started.stdout.trim();
    await until("the authority listens", async () => (await lab.run(["cat", `${FILES}/ca.log`])).stdout.includes("https://"), 30);
  }

  /** The node's certificate as it would be if it had been issued so many days ago. */
  async function age(node: number, days: number): Promise<string> {
    const files = await identityFilesOf(lab, node);
    const { nodeId, role, clusterId } = identityOf(files.credentials.certificate);
    const nowMs = Date.now() - days * DAY_MS;
    const request = { csr: createCsr(files.credentials.key), nodeId, role, clusterId, validityMs: NODE_VALIDITY_MS, nowMs };
    const certificate = issueNodeCertificate({ ...request, rootCa: root });
    await files.replace({ ...files.credentials, certificate }, { isWorker: role === "worker" });
    return certificate;
  }

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--bare", "--managers", "1", "--workers", "2");
    await write("theirs.pem", root.certificate);
    await write("theirs.json", JSON.stringify(root));
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("is named at init, and rotated to: the swarm's certificates are its from then on", async () => {
    await docker.must(1, "swarm", "init", "--advertise-addr", "10.88.0.1", "--external-ca", flag);
    expect(await docker.must(1, "info", "--format", "{{json .Swarm.Cluster.Spec.CAConfig.ExternalCAs}}")).toContain(URL);
    await write("trusted.pem", await docker.must(1, "swarm", "ca"));
    const early = await docker.try(1, "swarm", "ca", "--rotate", "--ca-cert", `${FILES}/theirs.pem`, "--external-ca", `protocol=cfssl,url=${URL}`);
    expect(early.code).not.toBe(0);
    expect(early.stderr).toMatch(
      /there must be at least one valid, reachable external CA corresponding to the desired CA certificate: the external CA at .*ECONNREFUSED/,
    );
    await startServer();
    await docker.must(1, "swarm", "ca", "--rotate", "--quiet", "--ca-cert", `${FILES}/theirs.pem`, "--external-ca", `protocol=cfssl,url=${URL}`);
    expect((await docker.must(1, "swarm", "ca")).trim()).toBe(root.certificate.trim());
    expect(await isTheirs(1)).toBe(true);
  });

  test("certifies who joins, and renews", async () => {
    expect((await join2(2, "worker")).stderr).toBe("");
    await docker.nodeIs(1, "node-2", "Ready Active");
    expect(await isTheirs(2)).toBe(true);
    const aged = await age(2, 80);
    await restart(2);
    await until("node 2 has renewed its certificate", async () => (await certificateOf(lab, 2)) !== aged, 40);
    expect(await isTheirs(2)).toBe(true);
    // Thirty days, as this authority decides.
    expect(identityOf(await leafOf(2)).expiresAtMs - Date.now()).toBeLessThan(31 * DAY_MS);
    await docker.nodeIs(1, "node-2", "Ready Active");
  });

  test("while it is gone, who joins and who renews says why; the swarm goes on, and what is there runs", async () => {
    await lab.signal("TERM", serverPid);
    await until("nobody listens any more", async () => (await lab.signal("0", serverPid)).code !== 0, 30);
    const refused = await join2(3, "worker");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(new RegExp(`the external CA at ${URL.replaceAll("/", "\\/")} cannot be asked: .*ECONNREFUSED`));
    const aged = await age(2, 80);
    await restart(2);
    await until(
      "node 2 says why it keeps its certificate",
      () => /could not be renewed; trying again/.test(lab.logOf(2)) && lab.logOf(2).includes(`the external CA at ${URL} cannot be asked`),
      40,
    );
    await docker.nodeIs(1, "node-2", "Ready Active");
    expect(await certificateOf(lab, 2)).toBe(aged);
    await docker.importBusybox([1, 2]);
    await docker.create("each", ["--mode", "global"]);
    await docker.running(1, "each", 2);
  });

  test("when it is back, both get theirs", async () => {
    await startServer();
    const aged = await certificateOf(lab, 2);
    await restart(2);
    await until("node 2 has renewed its certificate", async () => (await certificateOf(lab, 2)) !== aged, 40);
    expect((await join2(3, "manager")).stderr).toBe("");
    await docker.nodeIs(1, "node-3", "Ready Active Reachable");
    expect(await isTheirs(3)).toBe(true);
  });

  test("is not given up for another one as long as nobody has a key to vouch for that: Swarm refuses it, too", async () => {
    await write("third.pem", createRootCa({ nowMs: Date.now() }).certificate);
    const refused = await own(1, "ca", "--rotate", "--ca-cert", `${FILES}/third.pem`, "--external-ca", `protocol=cfssl,url=${URL}`);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("cannot rotate from one external CA to another");
    const unreachable = await own(1, "update", "--external-ca", `protocol=cfssl,url=https://${ADDRESS}:1/sign`);
    expect(unreachable.stderr).toMatch(/there must be at least one valid, reachable external CA corresponding to the current CA certificate/);
    expect((await own(1, "update", "--external-ca", flag)).stderr).toBe("");
  });

  test("vouches for a new root whose key is in the swarm: every node changes over", async () => {
    const rotated = await own(1, "ca", "--rotate", "--quiet");
    expect(rotated.stderr).toBe("");
    expect(rotated.stdout).not.toContain(root.certificate.trim());
    for (const [node, state] of [
      [1, "Ready Active Leader"],
      [2, "Ready Active"],
      [3, "Ready Active Reachable"],
    ] as const) {
      await docker.nodeIs(1, `node-${node}`, state);
      expect(await isTheirs(node)).toBe(false);
    }
  });
});
