import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRootCa, type RootCa } from "../../src/pki/root-ca.js";
import { dockerClients, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";
import { certificateOf } from "../unit/api-http/tls-identity.js";

const client = dockerClients()[0] ?? "docker";
const NO_LEADER = /^(rpc error: code = Unknown desc = )?The swarm does not have a leader/;

/** The daemon as those see it who run it: stopped, started twice, scraped, without a quorum. 3 managers and a worker with tasks on each. */
describe("the daemon in operation", () => {
  let lab: TestLab;
  let docker: LabDocker;

  const call = (node: number, path: string, method = "GET") =>
    new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
      const outgoing = request({ socketPath: lab.socket(node), path, method, timeout: 15_000 }, (reply) => {
        const chunks: Buffer[] = [];
        reply.on("data", (chunk: Buffer) => chunks.push(chunk));
        reply.on("end", () => resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      });
      outgoing.on("timeout", () => outgoing.destroy(new Error(`${path} got no answer within 15 s`)));
      outgoing.on("error", reject).end();
    });
  /** One figure of a node's metrics; undefined when there is none. */
  const metric = async (node: number, name: string) => {
    const { status, text } = await call(node, "/metrics");
    expect(status).toBe(200);
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length));
  };
  const containers = async (node: number) => (await docker.must(node, "ps", "--quiet", "--no-trunc")).split("\n").sort();
  const isAlive = async (pid: string) => (await lab.run(["bash", "-c", `[ -d /proc/${pid} ] && ! grep -q '^State:.Z' /proc/${pid}/status`])).code === 0;

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab, client);
    await lab.lab("up", "--managers", "3", "--workers", "1");
    await docker.importBusybox([1, 2, 3, 4]);
    // Daemons end and start: on a busy machine none must seem down before it is back.
    await docker.must(1, "swarm", "update", "--dispatcher-heartbeat", "5s");
    await docker.create("steady", ["--replicas", "8"]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test.each([
    ["a worker", 4],
    ["a follower", 2],
    ["the leader", 1],
  ])("%s stops on SIGTERM, and its containers go on", async (_what, node) => {
    const before = await containers(node);
    expect(before.length).toBeGreaterThan(0);
    const pid = await lab.lab("pid", String(node));
    await lab.signal("TERM", pid);
    await until("the daemon has ended", async () => !(await isAlive(pid)));
    expect(lab.logOf(node)).toMatch(/"signal":"SIGTERM"/);
    await lab.lab("start", String(node));
    expect(await containers(node)).toEqual(before);
    await until("every task is reported as running", async () => (await docker.try(3, "service", "ls", "--format", "{{.Replicas}}")).stdout.trim() === "8/8");
    await docker.nodeIs(3, `node-${node}`, node === 4 ? "Ready Active" : "Ready Active Reachable");
    expect(await containers(node)).toEqual(before);
  });

  test("a daemon stops within seconds while nobody answers what it dials, not even that there is nobody", async () => {
    const pid = await lab.lab("pid", "4");
    // As a firewall does, or a host that is overwhelmed: the kernel would try for two minutes.
    const drop =
      "add table inet silence; add chain inet silence in { type filter hook input priority 0; }; add rule inet silence in iifname eth0 tcp flags syn drop";
    for (const manager of ["1", "2", "3"]) {
      await lab.lab("exec", manager, "nft", drop);
      await lab.lab("kill", manager);
      await lab.lab("start", manager);
    }
    await until("it dials in vain", () => /no answer within 3000 ms/.test(lab.logOf(4)));
    await lab.signal("TERM", pid);
    await until("it has ended", async () => !(await isAlive(pid)), 15);
    for (const manager of ["1", "2", "3"]) await lab.lab("exec", manager, "nft", "delete table inet silence");
    await lab.lab("start", "4");
    await docker.nodeIs(3, "node-4", "Ready Active");
  });

  test("a second daemon on the same data root is refused with one sentence", async () => {
    const folder = `/var/lib/swarm-lab/${lab.name}/4`;
    const command = ["dist/main/swarmd.js", "--data-root", `${folder}/data`, "--exec-root", `${folder}/run`, "--host", `unix://${folder}/second.sock`];
    const outcome = await lab.run(["deploy/lab", "--name", lab.name, "exec", "4", ...command]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr.trim().split("\n")).toHaveLength(1);
    expect(outcome.stderr).toMatch(new RegExp(`^swarmd: .*${folder}/data.*`));
    expect((await call(4, "/_ping")).text).toBe("OK");
  });

  test("a daemon of the lab has nothing open that its starter had", async () => {
    const verb = `deploy/lab --name ${lab.name}`;
    const script = `exec 9>/var/lib/held; ${verb} kill 4 && ${verb} start 4 && find /proc/$(${verb} pid 4)/fd -lname /var/lib/held`;
    expect(await lab.run(["bash", "-c", script])).toMatchObject({ code: 0, stdout: "" });
    await docker.nodeIs(3, "node-4", "Ready Active");
  });

  test("a daemon whose starter's files are private makes containers as ever: what others read in them, they can", async () => {
    const verb = `deploy/lab --name ${lab.name}`;
    expect(await lab.run(["bash", "-c", `umask 077; ${verb} kill 4 && ${verb} start 4`])).toMatchObject({ code: 0 });
    await docker.nodeIs(3, "node-4", "Ready Active");
    const files = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
    const shown = await docker.must(4, "run", "--rm", "--user", "1000:1000", "--hostname", "inside", "bb:v1", "cat", ...files);
    expect(shown).toMatch(/\tinside\n.*inside/s);
  });

  test("a daemon that is not root's says so", async () => {
    const started = await lab.run(["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "dist/main/swarmd.js", "--data-root", "/tmp/nobodys"]);
    expect(started).toMatchObject({ code: 1, stderr: "swarmd: root is needed: to make containers and their networks\n" });
  });

  test("metrics: raft on managers, what the node runs on all", async () => {
    const leaders = await Promise.all([1, 2, 3].map((node) => metric(node, "swarm_raft_leader")));
    expect(leaders.toSorted()).toEqual([0, 0, 1]);
    for (const node of [1, 2, 3]) {
      expect(await metric(node, "swarm_raft_term")).toBeGreaterThan(0);
      expect(await metric(node, "swarm_raft_members")).toBe(3);
      const commit = (await metric(node, "swarm_raft_commit_index")) ?? 0;
      expect(commit).toBeGreaterThan(10);
      expect(await metric(node, "swarm_raft_applied_index")).toBeGreaterThan(10);
      await until(`node ${node} knows of four nodes`, async () => (await metric(node, 'swarm_nodes{state="ready"}')) === 4);
      await until(`node ${node} knows of eight tasks`, async () => (await metric(node, 'swarm_tasks{state="running"}')) === 8);
    }
    expect(await metric(4, "swarm_raft_term")).toBeUndefined();
    expect(await metric(4, "swarm_raft_leader")).toBeUndefined();
    expect(await metric(4, 'swarm_nodes{state="ready"}')).toBeUndefined();
    expect(await metric(4, 'swarm_containers{state="running"}')).toBe((await containers(4)).length);
    for (const node of [1, 4]) expect(await metric(node, "process_resident_memory_bytes")).toBeGreaterThan(1e7);
    for (const node of [1, 4]) {
      const days = ((await metric(node, 'swarm_certificate_expiry_seconds{certificate="node"}')) ?? 0) / 86_400;
      expect([Math.ceil(days), await metric(node, 'swarm_certificate_expiry_warning{certificate="root"}')]).toEqual([90, 0]);
    }
  });

  test("without a quorum a manager says so at once, and what needs none is answered", async () => {
    const before = await containers(1);
    await lab.lab("kill", "2");
    await lab.lab("kill", "3");
    for (const path of ["/_ping", "/version", "/info", "/metrics", "/containers/json", "/images/json"]) {
      const started = Date.now();
      expect(await call(1, path), path).toMatchObject({ status: 200 });
      expect(Date.now() - started, path).toBeLessThan(10_000);
    }
    for (const [method, path] of [
      ["GET", "/services"],
      ["GET", "/nodes"],
      ["DELETE", "/services/steady"],
    ] as const) {
      const { status, text } = await call(1, path, method);
      expect(status, `${method} ${path}: ${text}`).toBe(503);
      expect(JSON.parse(text).message, `${method} ${path}`).toMatch(NO_LEADER);
    }
    const write = await docker.try(1, "service", "scale", "--detach", "steady=1");
    expect(write).toMatchObject({ code: 1, stderr: expect.stringContaining("The swarm does not have a leader") });
    expect(await containers(1)).toEqual(before);
    await lab.lab("start", "2");
    await until(
      "a write is accepted",
      async () => (await docker.try(1, "service", "update", "--quiet", "--detach", "--label-add", "a=b", "steady")).code === 0,
    );
    await lab.lab("start", "3");
    await until("every task runs", async () => (await docker.try(3, "service", "ls", "--format", "{{.Replicas}}")).stdout.trim() === "8/8");
    expect(await containers(1)).toEqual(before);
  });
});

/** The API over TCP: full control of a machine, for holders of a certificate only. */
describe("the API over TCP", () => {
  let lab: TestLab;
  /** As the daemon and its clients see it. */
  let folder: string;

  const write = (name: string, text: string) => writeFileSync(join(dirname(lab.socket(1)), "tls", name), text, { mode: 0o600 });
  const identity = (rootCa: RootCa, name: string) => {
    const { certificate, key } = certificateOf(rootCa, name);
    write(`${name}.pem`, certificate);
    write(`${name}.key`, key);
  };
  /** A daemon on node 1's host that this test starts itself, to see how it ends; its process id is in the file "pid". */
  const swarmd = (...args: string[]) => {
    const command = ["dist/main/swarmd.js", "--data-root", `${folder}/data`, "--exec-root", `${folder}/run`, ...args];
    return lab.run(["deploy/lab", "--name", lab.name, "exec", "1", "bash", "-c", `echo $$ >${folder}/pid; exec "$@"`, "swarmd", ...command]);
  };
  const tls = (certificate: string) => [
    "--tlscacert",
    `${folder}/ca.pem`,
    "--tlscert",
    `${folder}/${certificate}.pem`,
    "--tlskey",
    `${folder}/${certificate}.key`,
  ];
  const curl = (...args: string[]) =>
    lab.run([
      "deploy/lab",
      "--name",
      lab.name,
      "exec",
      "1",
      "curl",
      "-sS",
      "-m",
      "5",
      "--resolve",
      "daemon:2376:10.88.0.1",
      ...args,
      "https://daemon:2376/info",
    ]);

  beforeAll(async () => {
    lab = await TestLab.open();
    await lab.lab("up", "--bare", "--managers", "1", "--workers", "0");
    folder = `/var/lib/swarm-lab/${lab.name}/1/tls`;
    mkdirSync(join(dirname(lab.socket(1)), "tls"));
    const [ours, theirs] = [createRootCa({ nowMs: Date.now() }), createRootCa({ nowMs: Date.now() })];
    write("ca.pem", ours.certificate);
    for (const name of ["daemon", "person"]) identity(ours, name);
    identity(theirs, "stranger");
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("is not opened without certificates", async () => {
    const outcome = await swarmd("--host", "tcp://10.88.0.1:2376");
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^swarmd: a tcp host needs tlscacert, tlscert and tlskey/);
  });

  test("answers who has a certificate, refuses who has none or a foreign one, and ends with 0", async () => {
    const ended = swarmd("--host", "tcp://10.88.0.1:2376", "--host", `unix://${folder}/api.sock`, ...tls("daemon"));
    const trust = ["--cacert", `${folder}/ca.pem`];
    const known = [...trust, "--cert", `${folder}/person.pem`, "--key", `${folder}/person.key`];
    const answer = await until("the daemon answers over TCP", async () => {
      const outcome = await curl(...known);
      return outcome.code === 0 ? JSON.parse(outcome.stdout) : undefined;
    });
    expect(answer.Swarm.LocalNodeState).toBe("inactive");
    for (const bad of [trust, [...trust, "--cert", `${folder}/stranger.pem`, "--key", `${folder}/stranger.key`]]) {
      const outcome = await curl(...bad);
      expect(outcome.code, outcome.stdout).not.toBe(0);
      expect(outcome.stdout).toBe("");
    }
    const host = ["-H", "tcp://10.88.0.1:2376"];
    const flags = ["--tls", "--tlscacert", `${folder}/ca.pem`, "--tlscert", `${folder}/person.pem`, "--tlskey", `${folder}/person.key`];
    const stock = await lab.run(["deploy/lab", "--name", lab.name, "exec", "1", client, ...host, ...flags, "info", "--format", "{{.Swarm.LocalNodeState}}"]);
    expect(stock, stock.stderr).toMatchObject({ code: 0, stdout: "inactive\n" });
    const plain = await lab.run(["deploy/lab", "--name", lab.name, "exec", "1", "curl", "-sS", "-m", "5", "http://10.88.0.1:2376/info"]);
    expect(plain.code).not.toBe(0);
    await lab.signal("TERM", readFileSync(join(dirname(lab.socket(1)), "tls/pid"), "utf8").trim());
    const outcome = await ended;
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  });
});
