import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

/** Nodes come, change their role and go: 3 managers and 2 workers with a global service on all of them. The tests are chapters of one story. */
describe("nodes of a swarm", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const refused = async (node: number, args: readonly string[], text: RegExp) => {
    const outcome = await docker.try(node, ...args);
    expect(outcome.code, `docker ${args.join(" ")} succeeded: ${outcome.stdout}`).toBe(1);
    expect(outcome.stderr).toMatch(text);
  };
  const folderOf = (node: number) => join(dirname(lab.socket(node)), "data");
  const swarmState = (node: number) => docker.must(node, "info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}");

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "3", "--workers", "2");
    await docker.importBusybox([1, 2, 3, 4, 5]);
    await docker.create("each", ["--mode", "global"]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("a manager or a node that is up cannot be removed", async () => {
    await refused(1, ["node", "rm", "node-2"], /must be demoted to worker before removal/);
    await refused(1, ["node", "rm", "--force", "node-2"], /must be demoted to worker before removal/);
    await refused(1, ["node", "rm", "node-5"], /is not down and can't be removed/);
    await refused(1, ["node", "rm", "nowhere"], /No such node: nowhere/);
  });

  test("a worker becomes a manager and back", async () => {
    await docker.must(2, "node", "promote", "node-4");
    await until("node 4 answers as a manager", async () => (await swarmState(4)) === "active true");
    await docker.nodeIs(4, "node-4", "Ready Active Reachable");
    await docker.must(4, "service", "update", "--quiet", "--detach", "--label-add", "by=4", "each");
    await docker.must(2, "node", "demote", "node-4");
    await until("node 4 answers as a worker", async () => (await swarmState(4)) === "active false");
    await docker.nodeIs(1, "node-4", "Ready Active");
    await refused(4, ["node", "ls"], /This node is not a swarm manager/);
    await until("the log of the former manager is gone", () => !existsSync(join(folderOf(4), "swarm/raft")));
    await docker.running(1, "each", 5);
  });

  test("the leader is demoted: another one leads, and writes go on", async () => {
    const leader = await docker.leader([1, 2, 3]);
    const [other = 0, third = 0] = [1, 2, 3].filter((node) => node !== leader);
    await docker.must(leader, "node", "demote", `node-${leader}`);
    await docker.must(other, "service", "update", "--quiet", "--detach", "--label-add", "after=demotion", "each");
    await docker.nodeIs(other, `node-${leader}`, "Ready Active");
    const roles = [await docker.node(other, `node-${other}`), await docker.node(other, `node-${third}`)].sort();
    expect(roles).toEqual(["Ready Active Leader", "Ready Active Reachable"]);
    await docker.must(other, "node", "promote", `node-${leader}`);
    await docker.nodeIs(other, `node-${leader}`, "Ready Active Reachable");
    await docker.running(other, "each", 5);
  });

  test("a manager that was demoted and promoted again while it was down is one when it is back", async () => {
    const leader = await docker.leader([1, 2, 3]);
    const [other = 0, third = 0] = [1, 2, 3].filter((node) => node !== leader);
    await lab.lab("kill", `${third}`);
    await docker.nodeIs(other, `node-${third}`, "Down Active Unreachable");
    await docker.must(other, "node", "demote", `node-${third}`);
    await docker.nodeIs(other, `node-${third}`, "Down Active");
    await docker.must(other, "node", "promote", `node-${third}`);
    // What the others still meant to tell it about its removal goes with their daemons.
    for (const node of [leader, other]) {
      await lab.lab("kill", `${node}`);
      await lab.lab("start", `${node}`);
    }
    await lab.lab("start", `${third}`);
    await docker.nodeIs(other, `node-${third}`, "Ready Active Reachable");
    await until(
      "it takes writes",
      async () => (await docker.try(third, "service", "update", "--quiet", "--detach", "--label-add", "again=there", "each")).code === 0,
    );
  });

  test("a rotated token is refused, the new one works, and nobody is thrown out", async () => {
    const before = await docker.must(2, "swarm", "join-token", "-q", "worker");
    const manager = await docker.must(2, "swarm", "join-token", "-q", "manager");
    const after = await docker.must(2, "swarm", "join-token", "--rotate", "-q", "worker");
    expect(after).not.toBe(before);
    expect(await docker.must(3, "swarm", "join-token", "-q", "worker")).toBe(after);
    expect(await docker.must(3, "swarm", "join-token", "-q", "manager")).toBe(manager);
    await docker.must(5, "swarm", "leave");
    await refused(5, ["swarm", "join", "--token", before, "10.88.0.2:2377"], /a valid join token is necessary/);
    expect(await swarmState(5)).toBe("inactive false");
    await docker.nodeIs(2, "node-5", "Down Active");
    await docker.must(2, "node", "rm", "node-5");
    await docker.must(5, "swarm", "join", "--token", after, "10.88.0.3:2377");
    await docker.nodeIs(2, "node-5", "Ready Active");
    expect((await docker.running(2, "each", 5)).map((task) => task.node)).toContain("node-5");
    for (const name of ["node-1", "node-2", "node-3", "node-4"]) expect(await docker.node(2, name)).toMatch(/^Ready/);
  });

  test("a worker that leaves takes its containers and its state with it", async () => {
    expect(await docker.must(4, "ps", "--quiet")).not.toBe("");
    await docker.must(4, "swarm", "leave");
    expect(await docker.must(4, "ps", "--all", "--quiet")).toBe("");
    expect(existsSync(join(folderOf(4), "swarm"))).toBe(false);
    expect(readdirSync(join(folderOf(4), "agent/tasks"))).toEqual([]);
    await refused(4, ["swarm", "leave"], /not part of a swarm/);
    await docker.nodeIs(2, "node-4", "Down Active");
    await docker.must(2, "node", "rm", "node-4");
    expect(await docker.node(2, "node-4")).toBe("");
    await docker.running(2, "each", 4);
    await docker.must(4, "swarm", "join", "--token", await docker.must(2, "swarm", "join-token", "-q", "worker"), "10.88.0.2:2377");
    await docker.running(2, "each", 5);
  });

  test("a manager leaves only by force, and best after its demotion", async () => {
    await refused(3, ["swarm", "leave"], /participating as a manager/);
    expect(await docker.node(2, "node-3")).toMatch(/^Ready Active (Reachable|Leader)$/);
    await docker.must(2, "node", "demote", "node-3");
    await docker.must(3, "swarm", "leave", "--force");
    expect(await swarmState(3)).toBe("inactive false");
    expect(await docker.must(3, "ps", "--all", "--quiet")).toBe("");
    await docker.nodeIs(2, "node-3", "Down Active");
    await docker.must(2, "node", "rm", "node-3");
    await docker.must(3, "swarm", "join", "--token", await docker.must(2, "swarm", "join-token", "-q", "manager"), "10.88.0.2:2377");
    await docker.nodeIs(3, "node-3", "Ready Active Reachable");
  });

  test("a manager that left without a word is demoted and removed by the others", async () => {
    await docker.must(3, "swarm", "leave", "--force");
    await docker.nodeIs(2, "node-3", "Down Active Unreachable");
    await docker.must(2, "node", "demote", "node-3");
    await docker.nodeIs(2, "node-3", "Down Active");
    await docker.must(2, "node", "rm", "node-3");
    await docker.must(2, "service", "update", "--quiet", "--detach", "--label-add", "still=here", "each");
  });

  test("a manager that was removed while it was down says so when it is back, and not that it misses a leader", async () => {
    await docker.must(3, "swarm", "join", "--token", await docker.must(2, "swarm", "join-token", "-q", "manager"), "10.88.0.2:2377");
    await docker.nodeIs(2, "node-3", "Ready Active Reachable");
    await lab.lab("kill", "3");
    await docker.nodeIs(2, "node-3", "Down Active Unreachable");
    await docker.must(2, "node", "demote", "node-3");
    await until("node 3 is removed", async () => (await docker.try(2, "node", "rm", "node-3")).code === 0);
    await lab.lab("start", "3");
    await until("node 3 says so", async () => /was removed from the cluster: leave/.test(await docker.must(3, "info", "--format", "{{.Swarm.Error}}")));
    const said = /This node is not a swarm manager: node .* was removed from the cluster: leave/;
    await until("node 3 says so to everybody", async () => said.test((await docker.try(3, "node", "ls")).stderr));
    await refused(3, ["swarm", "leave"], /Use `--force` to ignore this message. What keeps it: node .* was removed from the cluster/);
    await until("node 3 cannot keep its keys as the cluster wants them", () => lab.logOf(3).includes("keys are not as the cluster wants them"));
    expect(await docker.must(3, "info", "--format", "{{.Swarm.Error}}")).toMatch(
      /^node \w+ was removed from the cluster: leave by force, and join again with a token$/,
    );
    await docker.must(3, "swarm", "leave", "--force");
    expect(await swarmState(3)).toBe("inactive false");
  });

  test("the last manager cannot be demoted, and the last service leaves nothing", async () => {
    await docker.must(2, "node", "demote", "node-1");
    // Of two members one goes: until the other leads alone, nobody does.
    await until("the manager that is left leads", async () => (await docker.try(2, "node", "ls")).code === 0);
    await docker.nodeIs(2, "node-1", "Ready Active");
    await refused(2, ["node", "demote", "node-2"], /last manager of the swarm/);
    await docker.must(2, "service", "rm", "each");
    for (const node of [1, 2, 4, 5]) await until(`node ${node} has no container`, async () => (await docker.must(node, "ps", "--all", "--quiet")) === "");
  });

  test("a worker that is removed while it is up says so itself", async () => {
    await docker.must(2, "node", "rm", "--force", "node-5");
    await until("node 5 says so", async () => /was removed from the cluster: leave/.test(await docker.must(5, "info", "--format", "{{.Swarm.Error}}")));
  });
});
