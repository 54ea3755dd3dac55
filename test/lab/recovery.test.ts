import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

/** Two of three managers are gone: the third one goes on alone, with what it has. The tests are chapters of one story. */
describe("a new cluster by force", () => {
  let lab: TestLab;
  let docker: LabDocker;
  /** Containers of a node that run. */
  const containers = async (node: number) =>
    (await docker.must(node, "ps", "--quiet", "--no-trunc"))
      .split("\n")
      .filter((id) => id !== "")
      .sort();
  const info = (node: number, format: string) => docker.must(node, "info", "--format", format);
  const serviceIds = async (node: number) => (await docker.must(node, "service", "ls", "--quiet")).split("\n").sort();

  let services: readonly string[];
  let survivors: readonly (readonly string[])[];
  let versionBefore: number;
  const version = async (node: number) => Number(await docker.must(node, "service", "inspect", "--format", "{{.Version.Index}}", "each"));

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "3", "--workers", "1");
    await docker.importBusybox([1, 2, 3, 4]);
    // Daemons end and start: on a busy machine none must seem down before it is back.
    await docker.must(1, "swarm", "update", "--dispatcher-heartbeat", "5s");
    await docker.create("each", ["--mode", "global"]);
    await docker.create("some", ["--replicas", "2", "--constraint", "node.hostname==node-4"]);
    await docker.running(1, "each", 4);
    await docker.running(1, "some", 2);
    services = await serviceIds(1);
    survivors = [await containers(3), await containers(4)];
    versionBefore = await version(3);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("it is refused on a worker", async () => {
    const outcome = await docker.try(4, "swarm", "init", "--force-new-cluster");
    expect(outcome.stderr).toMatch(/not a swarm manager/);
    expect(await info(4, "{{.Swarm.LocalNodeState}}")).toBe("active");
  });

  test("without a quorum, docker info shows what the manager has, and nothing can be changed", async () => {
    await lab.lab("kill", "1");
    await lab.lab("kill", "2");
    expect(await info(3, "{{.Swarm.Nodes}} {{.Swarm.Managers}} {{.Swarm.LocalNodeState}}")).toBe("4 3 active");
    const outcome = await docker.try(3, "service", "update", "--detach", "--label-add", "a=b", "each");
    expect(outcome.stderr).toMatch(/The swarm does not have a leader/);
  });

  test("the last manager founds the cluster anew: services and containers are what they were", async () => {
    const command = ["node", "dist/main/swarm.js", "-H", await lab.lab("socket", "3"), "init", "--force-new-cluster"];
    expect(await lab.run([...command, "--listen-addr", "10.88.0.99"])).toMatchObject({
      code: 1,
      stderr: "swarm: cannot listen on 10.88.0.99:2377: it is no address of this host\n",
    });
    expect(await info(3, "{{.Swarm.Managers}}")).toBe("3");
    expect(await lab.run(command)).toMatchObject({ code: 0, stderr: "" });
    expect(await info(3, "{{.Swarm.Managers}} {{.Swarm.ControlAvailable}}")).toBe("1 true");
    expect(await serviceIds(3)).toEqual(services);
    await docker.nodeIs(3, "node-3", "Ready Active Leader");
    // The worker had no part in it and comes back by itself.
    await docker.nodeIs(3, "node-4", "Ready Active");
    await docker.must(3, "service", "update", "--quiet", "--detach", "--label-add", "anew=yes", "each");
    expect(await version(3)).toBeGreaterThan(versionBefore);
    expect([await containers(3), await containers(4)]).toEqual(survivors);
  });

  test("a member of the old group is refused, and told what to do", async () => {
    await lab.lab("start", "1");
    await until("node 1 was refused", () => lab.logOf(1).includes("the cluster was founded anew"));
    expect(await info(3, "{{.Swarm.Managers}}")).toBe("1");
  });

  test("new managers join, and the new cluster survives the loss of its founder", async () => {
    const token = await docker.must(3, "swarm", "join-token", "-q", "manager");
    await lab.lab("start", "2");
    for (const node of [1, 2]) {
      await docker.must(node, "swarm", "leave", "--force");
      // The host's network stays: containers that are not of the swarm use it too.
      expect(await lab.lab("exec", String(node), "ip", "-brief", "link")).toMatch(/^sw[0-9a-f]{8}0 /m);
      await docker.must(node, "swarm", "join", "--token", token, "10.88.0.3:2377");
    }
    expect(await lab.lab("exec", "1", "ip", "-brief", "link")).toMatch(/^sw[0-9a-f]{8}0 /m);
    expect(await info(3, "{{.Swarm.Managers}}")).toBe("3");
    await lab.lab("kill", "3");
    await until(
      "another manager leads",
      async () => (await docker.try(1, "service", "update", "--quiet", "--detach", "--label-add", "led=again", "each")).code === 0,
      30,
    );
    await lab.lab("start", "3");
    await docker.nodeIs(1, "node-3", "Ready Active Reachable");
    expect([await containers(3), await containers(4)]).toEqual(survivors);
  });
});

/** The managers that were given up were only cut off, and still have a quorum among themselves. The tests are chapters of one story. */
describe("a new cluster by force while the old one lives on", () => {
  let lab: TestLab;
  let docker: LabDocker;
  let containers: string;
  const info = (node: number, format: string) => docker.must(node, "info", "--format", format);

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "3", "--workers", "1");
    await docker.importBusybox([4]);
    await docker.create("some", ["--replicas", "2", "--constraint", "node.hostname==node-4"]);
    await docker.running(1, "some", 2);
    containers = await docker.must(4, "ps", "--quiet", "--no-trunc");
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("as soon as they reach the new cluster they give up, say what to do, and the worker comes over", async () => {
    await lab.lab("cut", "3");
    await until("node 3 has no leader", async () => (await docker.try(3, "service", "ls")).code !== 0, 30);
    await docker.must(3, "swarm", "init", "--force-new-cluster");
    await docker.nodeIs(3, "node-3", "Ready Active Leader");
    await docker.must(1, "service", "update", "--quiet", "--detach", "--label-add", "side=old", "some");
    await lab.lab("heal", "3");
    for (const node of [1, 2])
      await until(
        `node ${node} gives up`,
        async () => /founded anew, as incarnation .*: leave it by force on this node, and join again/.test(await info(node, "{{.Swarm.Error}}")),
        60,
      );
    expect((await docker.try(1, "service", "ls")).stderr).toMatch(/This node is not a swarm manager: the cluster was founded anew/);
    await docker.nodeIs(3, "node-4", "Ready Active");
    expect(await docker.must(4, "ps", "--quiet", "--no-trunc")).toBe(containers);
    expect(await docker.must(3, "service", "inspect", "--format", '{{index .Spec.Labels "side"}}', "some")).toBe("");
  });

  test("also after a restart; and they join again when they have left", async () => {
    await lab.lab("kill", "1");
    await lab.lab("start", "1");
    await until("node 1 gives up again", async () => /founded anew/.test(await info(1, "{{.Swarm.Error}}")), 60);
    const token = await docker.must(3, "swarm", "join-token", "-q", "manager");
    for (const node of [1, 2]) {
      await docker.must(node, "swarm", "leave", "--force");
      await docker.must(node, "swarm", "join", "--token", token, "10.88.0.3:2377");
    }
    expect(await info(3, "{{.Swarm.Managers}}")).toBe("3");
    expect(await docker.must(4, "ps", "--quiet", "--no-trunc")).toBe(containers);
  });
});

/** A cluster is lost with all of its machines; what is left is a file and a passphrase. */
describe("backup and restore", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const files = "/var/lib/swarm-lab";

  /** Our own command line against a node. */
  const swarm = async (node: number, ...args: readonly string[]) =>
    await lab.run(["node", "dist/main/swarm.js", "-H", await lab.lab("socket", String(node)), ...args]);
  const services = async (node: number) => (await docker.must(node, "service", "ls", "--format", "{{.ID}} {{.Name}} {{.Replicas}}")).split("\n").sort();
  const version = async (node: number) => Number(await docker.must(node, "service", "inspect", "--format", "{{.Version.Index}}", "web"));
  let versionBefore: number;

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--bare", "--managers", "3", "--workers", "0");
    await docker.importBusybox([1, 3]);
    await docker.must(1, "swarm", "init", "--advertise-addr", "10.88.0.1");
    await docker.create("web", ["--replicas", "2"]);
    await docker.running(1, "web", 2);
    await lab.run(["sh", "-c", `echo 'open sesame' > ${files}/passphrase; echo 'open barley' > ${files}/wrong`]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("a running cluster is written to a file that says nothing without the passphrase", async () => {
    expect(await swarm(1, "backup", `${files}/state`, "--passphrase-file", `${files}/passphrase`)).toMatchObject({ code: 0, stderr: "" });
    expect((await lab.run(["grep", "-c", "web", `${files}/state`])).code).toBe(1);
    expect((await lab.run(["stat", "-c", "%a", `${files}/state`])).stdout.trim()).toBe("600");
    // The cluster goes on after its backup, and clients see these versions.
    await docker.must(1, "service", "update", "--quiet", "--detach", "--label-add", "after=backup", "web");
    versionBefore = await version(1);
    await lab.lab("power", "1");
  });

  test("it is restored by nobody without the passphrase, and nothing is left of the attempt", async () => {
    const wrong = await swarm(3, "restore", `${files}/state`, "--passphrase-file", `${files}/wrong`, "--advertise-addr", "10.88.0.3");
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("the passphrase is not the backup's") });
    expect(await docker.must(3, "info", "--format", "{{.Swarm.LocalNodeState}}")).toBe("inactive");
  });

  test("it is restored by nobody who cannot listen, and nothing is left of the attempt", async () => {
    const flags = ["--passphrase-file", `${files}/passphrase`, "--listen-addr", "10.88.0.99", "--advertise-addr", "10.88.0.3"];
    expect(await swarm(3, "restore", `${files}/state`, ...flags)).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^swarm: cannot listen on 10\.88\.0\.99:2377: EADDRNOTAVAIL/),
    });
    expect(await docker.must(3, "info", "--format", "{{.Swarm.LocalNodeState}}")).toBe("inactive");
  });

  test("another host with another address goes on with the same services", async () => {
    const restored = await swarm(3, "restore", `${files}/state`, "--passphrase-file", `${files}/passphrase`, "--advertise-addr", "10.88.0.3");
    expect(restored).toMatchObject({ code: 0, stderr: "" });
    expect((await services(3)).map((line) => line.split(" ")[1])).toEqual(["web"]);
    await docker.nodeIs(3, "node-3", "Ready Active Leader");
    await docker.must(3, "service", "update", "--quiet", "--detach", "--label-add", "after=restore", "web");
    expect(await version(3)).toBeGreaterThan(versionBefore);
    // The tasks of the host that is gone begin anew here.
    await until("web runs on node 3", async () => (await docker.must(3, "ps", "--quiet")).split("\n").filter((id) => id !== "").length === 2, 40);
  });

  test("nodes join the restored cluster with the tokens that it had", async () => {
    const token = await docker.must(3, "swarm", "join-token", "-q", "manager");
    await docker.must(2, "swarm", "join", "--token", token, "10.88.0.3:2377");
    await docker.nodeIs(3, "node-2", "Ready Active Reachable");
    expect((await swarm(3, "restore", `${files}/state`, "--passphrase-file", `${files}/passphrase`)).stderr).toMatch(/already part of a swarm/);
  });
});
