import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chainIn } from "../../src/pki/trust.js";
import { dockerClients, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { certificateOf, trustedRootOf } from "../support/node-identity.js";
import { until } from "../support/until.js";

interface SwarmAnswer {
  readonly RootRotationInProgress: boolean;
  readonly TLSInfo: { readonly TrustRoot: string; readonly CertIssuerPublicKey: string };
}

/** The root certificate is replaced while containers run and a client writes: 3 managers and 2 workers. The tests are chapters of one story. */
describe("a rotation of the root certificate", () => {
  let lab: TestLab;
  let docker: LabDocker;
  let before: readonly string[];
  const ALL = [1, 2, 3, 4, 5];
  const newest = () => dockerClients().at(-1) ?? "docker";

  const textOf = (node: number, path: string) =>
    new Promise<string>((done, fail) => {
      const outgoing = request({ socketPath: lab.socket(node), path }, async (reply) => {
        let text = "";
        for await (const chunk of reply) text += String(chunk);
        if (reply.statusCode === 200) done(text);
        else fail(new Error(`GET ${path} of node ${node}: ${reply.statusCode} ${text}`));
      });
      outgoing.on("error", fail);
      outgoing.end();
    });
  const get = async <T>(node: number, path: string) => JSON.parse(await textOf(node, `/v1.41${path}`)) as T;
  const termOf = async (node: number) => /^swarm_raft_term (\d+)$/m.exec(await textOf(node, "/metrics"))?.[1];
  const swarm = (node: number) => get<SwarmAnswer>(node, "/swarm");
  const own = (node: number, ...args: readonly string[]) =>
    lab.run(["node", "dist/main/swarm.js", "-H", `unix:///var/lib/swarm-lab/${lab.name}/${node}/swarmd.sock`, ...args]);
  const containers = (nodes: readonly number[]) => Promise.all(nodes.map((node) => docker.must(node, "ps", "--quiet", "--no-trunc")));

  /** Host names of the nodes whose certificate is not of the authority that the swarm wants. */
  async function behind(node: number): Promise<readonly string[]> {
    const { TLSInfo } = await swarm(node);
    const nodes = await get<readonly { readonly Description: { readonly Hostname: string; readonly TLSInfo: SwarmAnswer["TLSInfo"] } }[]>(node, "/nodes");
    return nodes
      .filter(({ Description }) => Description.TLSInfo.CertIssuerPublicKey !== TLSInfo.CertIssuerPublicKey)
      .map(({ Description }) => Description.Hostname);
  }

  /** Writes through a node, one write after the other, until the action has ended; says what came of them. */
  async function writingThrough(node: number, action: () => Promise<void>): Promise<{ readonly written: number; readonly failed: readonly string[] }> {
    let isOver = false;
    const ended = action().finally(() => {
      isOver = true;
    });
    let written = 0;
    const failed: string[] = [];
    while (!isOver) {
      const outcome = await docker.try(node, "service", "update", "--quiet", "--detach", "--label-add", `write=${written}`, "each");
      if (outcome.code === 0) written++;
      else failed.push(`${outcome.stderr}${failureIn(lab.logOf(node))}`);
    }
    await ended;
    return { written, failed };
  }

  /** Why the last request failed that a daemon has in its log. */
  const failureIn = (log: string) => log.split("\n").findLast((line) => line.includes("a request failed")) ?? "";

  /** Each node hears of the rotation's end in its own time. */
  const trustsAlone = (node: number, root: string) =>
    until(`node ${node} trusts the new root alone`, async () => (await trustedRootOf(lab, node)) === root, 40);
  const finished = (node: number) => until("the rotation has ended", async () => !(await swarm(node)).RootRotationInProgress, 40);

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "3", "--workers", "2");
    await docker.importBusybox(ALL);
    await docker.create("each", ["--mode", "global"]);
    await docker.running(1, "each", ALL.length);
    before = await containers(ALL);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("docker's command line rotates it and shows how; every write succeeds, every container goes on", async () => {
    const old = (await swarm(1)).TLSInfo.TrustRoot;
    const term = await termOf(1);
    let shown = "";
    const { written, failed } = await writingThrough(2, async () => {
      shown = await docker.must(1, "swarm", "ca", "--rotate");
    });
    // A machine that is busy with something else may have brought an election, which the rotation has no part in.
    if ((await termOf(1)) === term) expect(failed).toEqual([]);
    else expect(failed.filter((text) => !/outcome unknown|does not have a leader/.test(text))).toEqual([]);
    expect(written).toBeGreaterThan(0);
    const { TLSInfo, RootRotationInProgress } = await swarm(3);
    expect(RootRotationInProgress).toBe(false);
    expect(TLSInfo.TrustRoot).not.toBe(old);
    for (const text of ["desired root digest: sha256:", "rotated TLS certificates:", "rotated CA certificates:", TLSInfo.TrustRoot.trim()])
      expect(shown).toContain(text);
    for (const node of ALL) await trustsAlone(node, TLSInfo.TrustRoot);
    expect(await containers(ALL)).toEqual(before);
  });

  test("a join token of before names a root that is not there any more; the new one lets in", async () => {
    const token = await docker.must(1, "swarm", "join-token", "--quiet", "worker");
    expect((await own(1, "ca", "--rotate", "--quiet")).code).toBe(0);
    await docker.must(5, "swarm", "leave");
    await docker.nodeIs(1, "node-5", "Down Active");
    await docker.must(1, "node", "rm", "node-5");
    const refused = await docker.try(5, "swarm", "join", "--token", token, "10.88.0.2:2377");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/its certificate authority has another digest; if it was rotated since, take a new token there/);
    await docker.must(5, "swarm", "join", "--token", await docker.must(3, "swarm", "join-token", "--quiet", "worker"), "10.88.0.2:2377");
    await docker.running(1, "each", ALL.length);
    before = await containers(ALL);
  });

  test("the leader is killed in the middle, and a node is down: the next leader goes on, and the rotation ends when the node is back", async () => {
    const old = (await swarm(1)).TLSInfo.TrustRoot;
    const leader = await docker.leader([1, 2, 3]);
    const [first = 0, second = 0] = [1, 2, 3].filter((node) => node !== leader);
    await lab.lab("kill", "4");
    await docker.nodeIs(first, "node-4", "Down Active");
    const { written } = await writingThrough(second, async () => {
      expect((await own(leader, "ca", "--rotate", "--detach")).code).toBe(0);
      await lab.lab("kill", String(leader));
      await until(
        "the nodes that are up have new certificates",
        async () => {
          const names = await behind(first).catch(() => null); // There may be no leader yet.
          return names?.every((name) => name === "node-4" || name === `node-${leader}`);
        },
        40,
      );
      expect(await swarm(first)).toMatchObject({ RootRotationInProgress: true, TLSInfo: { TrustRoot: old } });
      await lab.lab("start", String(leader));
      await until("only the node that is down is behind", async () => String(await behind(leader).catch(() => [])) === "node-4", 40);
    });
    expect(written).toBeGreaterThan(0);
    expect(chainIn(await certificateOf(lab, first)).intermediates).toHaveLength(1);
    expect((await swarm(leader)).RootRotationInProgress).toBe(true);
    await lab.lab("start", "4");
    await finished(leader);
    const { TrustRoot } = (await swarm(leader)).TLSInfo;
    expect(TrustRoot).not.toBe(old);
    for (const node of ALL) await trustsAlone(node, TrustRoot);
    for (const node of ALL) await until(`node-${node} is ready`, async () => (await docker.node(leader, `node-${node}`)).startsWith("Ready"), 30);
    // What ran on a node that was down is replaced, whatever it was down for.
    const others = ALL.filter((node) => node !== 4 && node !== leader);
    expect(await containers(others)).toEqual(others.map((node) => before[node - 1]));
  });

  test("a rotation that waits is replaced by another, and that one is taken back by giving the present root", async () => {
    const client = new LabDocker(lab, newest());
    await lab.lab("kill", "5");
    await client.must(1, "swarm", "ca", "--rotate", "--detach");
    const first = (await swarm(1)).TLSInfo;
    await until("only the node that is down is behind", async () => String(await behind(1)) === "node-5", 40);
    await client.must(2, "swarm", "ca", "--rotate", "--detach");
    const second = (await swarm(1)).TLSInfo;
    expect(second.TrustRoot).toBe(first.TrustRoot);
    expect(second.CertIssuerPublicKey).not.toBe(first.CertIssuerPublicKey);
    await until("only the node that is down is behind", async () => String(await behind(1)) === "node-5", 40);
    const file = "/var/lib/swarm-lab/present.pem";
    await lab.run(["sh", "-c", `cat > ${file}`], { input: second.TrustRoot });
    const back = await own(1, "ca", "--rotate", "--ca-cert", file);
    expect(back.code, back.stderr).toBe(0);
    expect(back.stdout.trim()).toBe(second.TrustRoot.trim());
    expect((await swarm(1)).RootRotationInProgress).toBe(false);
    await lab.lab("start", "5");
    for (const node of ALL) await until(`node-${node} is ready`, async () => (await docker.node(1, `node-${node}`)).startsWith("Ready"), 30);
    expect(await behind(1)).toEqual([]);
  });
});
