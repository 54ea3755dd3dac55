import { once } from "node:events";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

/** What keeps a host from joining is named, in time, and leaves nothing behind. */
describe("a join that fails", () => {
  let lab: TestLab;
  let docker: LabDocker;
  let token: string;
  let foreign: string;

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--bare", "--managers", "3", "--workers", "0");
    for (const node of [1, 2]) await docker.must(node, "swarm", "init", "--advertise-addr", `10.88.0.${node}`);
    token = await docker.must(1, "swarm", "join-token", "-q", "worker");
    foreign = await docker.must(2, "swarm", "join-token", "-q", "worker");
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test.each<readonly [string, () => string, string, RegExp]>([
    ["nobody listens there", () => token, "10.88.0.1:9", /cannot join through 10\.88\.0\.1:9: cannot reach .*ECONNREFUSED/],
    ["nobody is there", () => token, "10.88.0.77:2377", /cannot join through 10\.88\.0\.77:2377: cannot reach 10\.88\.0\.77:2377/],
    ["the name is unknown", () => token, "manager.invalid:2377", /the name "manager\.invalid" cannot be looked up/],
    ["the token is of another cluster", () => foreign, "10.88.0.1:2377", /join token does not belong to the cluster at 10\.88\.0\.1:2377/],
    ["the token's secret is wrong", () => `${token.slice(0, -3)}000`, "10.88.0.1:2377", /a valid join token is necessary/],
    ["the token is none", () => "SWMTKN-1-no", "10.88.0.1:2377", /invalid join token/],
  ])("because %s", async (_why, secret, address, expected) => {
    const startedAt = performance.now();
    const outcome = await docker.try(3, "swarm", "join", "--token", secret(), address);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(expected);
    expect(performance.now() - startedAt).toBeLessThan(24_000);
    expect(await docker.must(3, "info", "--format", "{{.Swarm.LocalNodeState}}")).toBe("inactive");
  });

  test.each<readonly [string, readonly string[], RegExp]>([
    ["the others cannot reach it as a manager", ["--advertise-addr", "10.88.0.99"], /heard nothing of the other managers at 10\.88\.0\.99:2377/],
    ["it cannot listen as a manager", ["--listen-addr", "10.88.0.77"], /cannot listen on 10\.88\.0\.77:2377/],
  ])("because %s, and then it is no node and does not count as one", async (_why, flags, expected) => {
    const manager = await docker.must(1, "swarm", "join-token", "-q", "manager");
    const startedAt = performance.now();
    const outcome = await docker.try(3, "swarm", "join", "--token", manager, ...flags, "10.88.0.1:2377");
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(expected);
    expect(performance.now() - startedAt).toBeLessThan(24_000);
    expect(await docker.must(1, "info", "--format", "{{.Swarm.Managers}} {{.Swarm.Nodes}}")).toBe("1 1");
  });

  test("does not keep the host from joining after; of several addresses it advertises the one from which it reaches the manager", async () => {
    await lab.lab("exec", "3", "ip", "address", "add", "10.99.0.3/24", "dev", "eth0");
    expect((await docker.try(3, "swarm", "init")).stderr).toMatch(/could not choose an IP address to advertise.*10\.99\.0\.3 on eth0/);
    await docker.must(3, "swarm", "join", "--token", token, "10.88.0.1:2377");
    expect(await docker.must(3, "info", "--format", "{{.Swarm.NodeAddr}}")).toBe("10.88.0.3");
    await docker.nodeIs(1, "node-3", "Ready Active");
    expect((await docker.must(1, "node", "ls", "--quiet")).split("\n")).toHaveLength(2);
  });

  test("is told when the managers have no leader, and that it may be a node when they lose theirs meanwhile", async () => {
    await docker.must(1, "node", "promote", "node-3");
    await docker.nodeIs(1, "node-3", "Ready Active Reachable");
    await docker.must(2, "swarm", "leave", "--force");
    await lab.lab("kill", "3");
    const join = () => docker.try(2, "swarm", "join", "--token", token, "10.88.0.1:2377");
    const lost = /cannot join through 10\.88\.0\.1:2377: the managers lost their leader, and may have made a node of this host: look there for one/;
    const none = /cannot join through 10\.88\.0\.1:2377: The swarm does not have a leader/;
    expect((await join()).stderr).toMatch(new RegExp(`${lost.source}|${none.source}`));
    await until("nobody leads", async () => (await docker.try(1, "node", "ls")).code !== 0, 30);
    expect((await join()).stderr).toMatch(none);
    expect(await docker.must(2, "info", "--format", "{{.Swarm.LocalNodeState}}")).toBe("inactive");
    await lab.lab("start", "3");
    await until("somebody leads", async () => (await docker.try(1, "node", "ls")).code === 0, 30);
  });

  test("and its way from one swarm to another does not end a stream of events that was opened before: it tells of each", async () => {
    const stream = request({ socketPath: lab.socket(2), path: "/events" });
    let text = "";
    stream.on("response", (response) => response.on("data", (chunk: Buffer) => (text += chunk.toString())));
    stream.end();
    await once(stream, "response");
    const create = (node: number, name: string) => docker.must(node, "service", "create", "--detach", "--replicas", "0", "--name", name, "busybox:lab");
    const told = (name: string) => text.split("\n").some((line) => line.includes('"service"') && line.includes('"create"') && line.includes(`"${name}"`));
    await docker.must(2, "swarm", "init", "--advertise-addr", "10.88.0.2");
    await create(2, "own");
    await until("the stream tells of the swarm that was founded", () => told("own"), 20);
    await docker.must(2, "swarm", "leave", "--force");
    await create(1, "before");
    const manager = await docker.must(1, "swarm", "join-token", "-q", "manager");
    await docker.must(2, "swarm", "join", "--token", manager, "10.88.0.1:2377");
    await create(1, "theirs");
    await until("the stream tells of the swarm that was joined", () => told("theirs"), 20);
    expect(told("before")).toBe(false);
    stream.destroy();
  });
});
