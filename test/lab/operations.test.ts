import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

/** What people do to services besides scaling them: nodes 1 to 3 are managers, 4 is a worker, 5 joins on the way. */
describe("services in operation", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const on = (node: number) => `node.hostname==node-${node}`;
  const remove = (...services: string[]) => docker.must(1, "service", "rm", ...services);
  const shell = (script: string) => lab.run(["bash", "-c", script]);

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--bare", "--managers", "5", "--workers", "0");
    await docker.must(1, "swarm", "init", "--advertise-addr", "10.88.0.1");
    const token = await docker.must(1, "swarm", "join-token", "-q", "manager");
    for (const node of [2, 3]) await docker.must(node, "swarm", "join", "--token", token, "10.88.0.1:2377");
    await docker.must(4, "swarm", "join", "--token", await docker.must(1, "swarm", "join-token", "-q", "worker"), "10.88.0.1:2377");
    await docker.importBusybox([1, 2, 3, 4, 5]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("a global service has one task on each node, also on a new one, and none on a drained one", async () => {
    await docker.create("each", ["--mode", "global"]);
    expect((await docker.running(1, "each", 4)).map((task) => task.node).sort()).toEqual(["node-1", "node-2", "node-3", "node-4"]);
    await docker.must(5, "swarm", "join", "--token", await docker.must(2, "swarm", "join-token", "-q", "worker"), "10.88.0.2:2377");
    expect((await docker.running(1, "each", 5)).map((task) => task.node)).toContain("node-5");
    await docker.must(1, "node", "update", "--availability", "drain", "node-5");
    await docker.running(1, "each", 4);
    await until("the drained node has no running container", async () => (await docker.must(5, "ps", "--quiet")) === "");
    await docker.must(1, "node", "update", "--availability", "active", "node-5");
    await docker.running(1, "each", 5);
    await remove("each");
  });

  test("a drained node gives its tasks away and gets none back", async () => {
    await docker.create("moving", ["--replicas", "5"]);
    expect((await docker.running(1, "moving", 5)).map((task) => task.node)).toContain("node-4");
    await docker.must(2, "node", "update", "--availability", "drain", "node-4");
    const moved = await until("no task is left on the drained node", async () => {
      const all = await docker.running(1, "moving", 5);
      return all.every((task) => task.node !== "node-4") ? all : undefined;
    });
    await docker.must(2, "node", "update", "--availability", "active", "node-4");
    // What is created now runs on the node, so all that its return leads to has been decided.
    await docker.create("later", ["--constraint", on(4)]);
    expect((await docker.running(1, "moving", 5)).map((task) => task.id).sort()).toEqual(moved.map((task) => task.id).sort());
    await remove("moving", "later");
  });

  test("a label decides where tasks run, and moves them when it moves", async () => {
    await docker.must(1, "node", "update", "--label-add", "tier=front", "node-4");
    await docker.create("placed", ["--replicas", "2", "--constraint", "node.labels.tier==front"]);
    expect((await docker.running(1, "placed", 2)).map((task) => task.node)).toEqual(["node-4", "node-4"]);
    await docker.must(1, "node", "update", "--label-add", "tier=front", "node-5");
    await docker.must(1, "node", "update", "--label-rm", "tier", "node-4");
    await until("the tasks moved with the label", async () => (await docker.running(1, "placed", 2)).every((task) => task.node === "node-5"));
    const left = (await docker.tasks(1, "placed")).filter((task) => task.node === "node-4");
    expect(left).toHaveLength(2);
    for (const task of left) {
      expect(task).toMatchObject({ desired: "Shutdown", state: "Rejected", error: expect.stringContaining("assigned node no longer meets constraints") });
    }
    await remove("placed");
  });

  test("a broken update pauses, says so, and leaves the rest of the old tasks alone", async () => {
    await docker.create("careful", ["--replicas", "3"]);
    const outcome = await docker.try(1, "service", "update", "--args", "/no/such/program", "careful");
    expect(outcome.code, outcome.stdout).toBe(1);
    expect(outcome.stderr).toMatch(/service update paused: update paused due to failure or early termination of task/);
    expect(await docker.updateState(1, "careful")).toBe("paused");
    const live = (await docker.tasks(1, "careful")).filter((task) => task.state === "Running");
    expect(live).toHaveLength(2);
    await docker.must(1, "service", "update", "--quiet", "--args", "sleep 1000", "careful");
    await docker.running(1, "careful", 3);
    await remove("careful");
  });

  test("a broken update that starts first rolls back without losing a task", async () => {
    await docker.create("safe", ["--replicas", "3", "--update-order", "start-first", "--update-failure-action", "rollback", "--rollback-order", "start-first"]);
    const before = (await docker.running(1, "safe", 3)).map((task) => task.id).sort();
    await docker.must(1, "service", "update", "--detach", "--image", "bb:nowhere", "safe");
    await until("the update is rolled back", async () => (await docker.updateState(1, "safe")) === "rollback_completed");
    const after = await docker.running(1, "safe", 3);
    expect(after.map((task) => task.id).sort()).toEqual(before);
    expect(after.map((task) => task.image)).toEqual(Array(3).fill("bb:v1"));
    expect((await docker.tasks(1, "safe")).some((task) => /No such image: bb:nowhere/.test(task.error))).toBe(true);
    await remove("safe");
  });

  test.each([
    ["on-failure, at most twice", ["--restart-condition", "on-failure", "--restart-max-attempts", "2"], "exit 3", 3, "Failed"],
    ["on-failure, and success is none", ["--restart-condition", "on-failure"], "exit 0", 1, "Complete"],
    ["none", ["--restart-condition", "none"], "exit 3", 1, "Failed"],
  ])("restart condition %s", async (_what, flags, command, count, state) => {
    await docker.create("ending", ["--detach", ...flags], "sh", "-c", command);
    const all = await until("nothing is to run any more", async () => {
      const tasks = await docker.tasks(1, "ending");
      return tasks.length >= count && tasks.every((task) => task.desired === "Shutdown" && task.state === state) ? tasks : undefined;
    });
    expect(all).toHaveLength(count);
    await remove("ending");
  });

  test("logs from a follower: all, the last, with times, followed; a node that is down is named", async () => {
    const script = "for i in 1 2 3 4 5; do echo line $i; done; while :; do sleep 0.1; echo more; done";
    await docker.create("talk", ["--mode", "global", "--constraint", "node.role==worker"], "sh", "-c", script);
    // One node's stream may begin long after the other's: read until both have told five lines and what came later.
    const enough = "{ print } / more$/ { told[/@node-4 /]++ } told[0] >= 9 && told[1] >= 9 { exit }";
    const followed = await shell(`${dockerClients()[0]} -H $(deploy/lab --name ${lab.name} socket 2) service logs --follow talk 2>&1 | awk '${enough}'`);
    const lines = followed.stdout.trim().split("\n");
    for (const node of ["node-4", "node-5"]) {
      expect(
        lines
          .filter((line) => line.includes(`@${node} `))
          .map((line) => line.slice(line.indexOf("| ") + 2))
          .slice(0, 5),
      ).toEqual([1, 2, 3, 4, 5].map((number) => `line ${number}`));
    }
    const tail = (await docker.must(3, "service", "logs", "--tail", "2", "--timestamps", "talk")).split("\n");
    expect(tail).toHaveLength(4);
    for (const line of tail) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z talk\.\S+@node-[45] +\| more$/);
    await lab.lab("kill", "5");
    await docker.nodeIs(1, "node-5", "Down Active");
    const partial = await docker.try(2, "service", "logs", "--tail", "1", "talk");
    expect(partial.stdout).toMatch(/@node-4 +\| more/);
    expect(partial.stderr + partial.stdout).toMatch(/node-5|incomplete log stream/);
    await lab.lab("start", "5");
    await docker.nodeIs(1, "node-5", "Ready Active");
    await remove("talk");
  });

  test("a port in host mode answers its own host and others; a second one is told why it cannot", async () => {
    const publish = ["--publish", "mode=host,target=80,published=8081", "--constraint", on(4)];
    await docker.create("site", publish, "httpd", "-f", "-p", "80", "-h", "/etc");
    for (const [node, address] of [
      ["1", "10.88.0.4"],
      ["4", "10.88.0.4"],
      ["4", "127.0.0.1"],
    ] as const) {
      const page = () => lab.lab("exec", node, "curl", "-s", "-m", "5", `http://${address}:8081/passwd`);
      await until(`it answers node ${node} at ${address}`, async () => (await page()).startsWith("root:"));
    }
    expect(await docker.must(1, "service", "ps", "site", "--format", "{{.Ports}}")).toBe("*:8081->80/tcp");
    expect(await docker.must(4, "ps", "--filter", "label=com.docker.swarm.service.name=site", "--format", "{{.Ports}}")).toMatch(/8081->80\/tcp/);
    await docker.create("rival", ["--detach", ...publish], "httpd", "-f", "-p", "80");
    await until("the conflict is explained", async () =>
      (await docker.tasks(1, "rival")).some((task) => task.state === "Pending" && /host-mode port already in use on 1 node/.test(task.error)),
    );
    await remove("site");
    await docker.running(1, "rival", 1);
    await remove("rival");
  });

  test("a reservation that no node has is explained, and runs when it fits", async () => {
    await docker.create("greedy", ["--detach", "--reserve-memory", "900g"]);
    await until("the lack is explained", async () =>
      (await docker.tasks(1, "greedy")).some((task) => task.state === "Pending" && /insufficient resources on 5 nodes/.test(task.error)),
    );
    await docker.must(1, "service", "update", "--quiet", "--reserve-memory", "16m", "greedy");
    await docker.running(1, "greedy", 1);
    await remove("greedy");
  });

  test("a node's own containers: ps, inspect and logs", async () => {
    await docker.create(
      "local",
      ["--constraint", on(4), "--env", "COLOUR=blue", "--container-label", "a=b"],
      "sh",
      "-c",
      "echo $COLOUR; echo bad >&2; exec sleep 1000",
    );
    const name = await docker.must(4, "ps", "--format", "{{.Names}}", "--filter", "label=a=b");
    expect(name).toMatch(/^local\.1\.[0-9a-z]{25}$/);
    const [task] = await docker.running(1, "local", 1);
    expect(name).toBe(`local.1.${task?.id}`);
    expect(
      await docker.must(4, "inspect", name, "--format", '{{.State.Status}} {{.Config.Image}} {{index .Config.Labels "com.docker.swarm.service.name"}}'),
    ).toBe("running bb:v1 local");
    await until("it has said both lines", async () => {
      const { stdout, stderr } = await docker.try(4, "logs", name);
      return stdout === "blue\n" && stderr === "bad\n";
    });
    expect((await docker.try(4, "inspect", "nothere")).stderr).toMatch(/No such object: nothere/);
    await remove("local");
    await until("the container is gone", async () => (await docker.must(4, "ps", "--all", "--quiet", "--filter", "label=a=b")) === "");
  });

  test("every manager tells the same events, and one goes on where another one ended", async () => {
    await docker.create("told", ["--detach"]);
    await docker.must(2, "service", "update", "--detach", "--quiet", "--replicas", "2", "told");
    await remove("told");
    const filters = ["--filter", "type=service", "--filter", "service=told"];
    const told = (asked: number) => docker.must(asked, "events", "--since", "10m", "--until", "0s", ...filters, "--format", "{{.Action}}");
    // The command line rounds the present down to a second.
    const first = await until("the end is told", async () => ((await told(1)).endsWith("remove") ? told(1) : undefined));
    expect([...new Set(first.split("\n"))]).toEqual(["create", "update", "remove"]);
    const events = async (asked: number, query: string) => {
      const socket = (await lab.lab("socket", String(asked))).replace("unix://", "");
      const { stdout } = await lab.run(["curl", "-s", "--unix-socket", socket, `http://swarm/events?${query}&until=${Math.ceil(Date.now() / 1000)}`]);
      // A node tells also what its own containers do, which is its own history.
      return stdout.split("\n").filter((line) => line.includes('"told"') && line.includes('"scope":"swarm"'));
    };
    const [all, begin] = [await events(1, "since=1"), JSON.parse((await events(1, "since=1"))[0] ?? "{}")];
    expect(await events(2, `revision=${begin.revision}`)).toEqual(all.slice(1));
    expect(await events(3, `revision=${begin.revision}`)).toEqual(all.slice(1));
    expect(await told(4)).toBe("");
  });

  test("the history of a slot is no longer than asked for", async () => {
    await docker.must(1, "swarm", "update", "--task-history-limit", "2");
    await docker.create("often", ["--replicas", "2"]);
    for (let round = 0; round < 4; round++) {
      await docker.must(1, "service", "update", "--quiet", "--force", "--update-parallelism", "0", "often");
    }
    await until("each slot has two tasks left", async () => {
      const names = (await docker.tasks(1, "often")).map((task) => task.name.trim());
      return names.length === 4;
    });
    await remove("often");
  });
});
