import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, TestLab } from "../support/lab.js";
import { busyboxTar } from "../support/root-filesystem.js";
import { until } from "../support/until.js";

const client = dockerClients()[0] ?? "docker";

/** Bad input: one clear sentence, the right exit code, and nothing changed. Two clusters: node 1 and 2 form one, node 3 is another, node 4 is in none. */
describe("bad input", () => {
  let lab: TestLab;
  const docker = (node: number, ...args: string[]) => lab.docker(client, node, ...args);
  const good = async (node: number, ...args: string[]) => {
    const outcome = await docker(node, ...args);
    expect(outcome, `docker ${args.join(" ")}: ${outcome.stderr}`).toMatchObject({ code: 0 });
    return outcome.stdout.trim();
  };
  /** The command fails with one line that says this. */
  const refused = async (node: number, args: string[], text: RegExp) => {
    const outcome = await docker(node, ...args);
    expect(outcome.code, `docker ${args.join(" ")} succeeded: ${outcome.stdout}`).toBe(1);
    expect(outcome.stderr).toMatch(text);
    expect(outcome.stderr.trim().split("\n").length, outcome.stderr).toBeLessThanOrEqual(4);
  };
  const swarmState = (node: number) => good(node, "info", "--format", "{{.Swarm.LocalNodeState}}");

  let token = "";
  let foreignToken = "";

  beforeAll(async () => {
    lab = await TestLab.open();
    await lab.lab("up", "--bare", "--managers", "4", "--workers", "0");
    await good(1, "swarm", "init", "--advertise-addr", "10.88.0.1");
    await good(3, "swarm", "init", "--advertise-addr", "10.88.0.3");
    token = await good(1, "swarm", "join-token", "-q", "worker");
    foreignToken = await good(3, "swarm", "join-token", "-q", "worker");
    await good(2, "swarm", "join", "--token", token, "10.88.0.1:2377");
    await lab.run([client, "-H", `unix:///var/lib/swarm-lab/${lab.name}/1/swarmd.sock`, "import", "--change", 'CMD ["sleep","100000"]', "-", "bb:v1"], {
      input: busyboxTar(),
    });
    await good(
      1,
      "service",
      "create",
      "--detach",
      "--quiet",
      "--name",
      "taken",
      "--constraint",
      "node.hostname==node-1",
      "--restart-condition",
      "none",
      "bb:v1",
    );
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("a token with a wrong secret", async () => {
    const wrong = `${token.slice(0, -25)}${"0".repeat(25)}`;
    await refused(4, ["swarm", "join", "--token", wrong, "10.88.0.1:2377"], /a valid join token is necessary/);
    expect(await swarmState(4)).toBe("inactive");
  });

  test("a token of another cluster", async () => {
    await refused(4, ["swarm", "join", "--token", foreignToken, "10.88.0.1:2377"], /token/);
    expect(await swarmState(4)).toBe("inactive");
  });

  test("a token that is none", async () => {
    await refused(4, ["swarm", "join", "--token", "SWMTKN-1-abc", "10.88.0.1:2377"], /invalid join token/);
  });

  test("an address where nobody listens", async () => {
    await refused(4, ["swarm", "join", "--token", token, "10.88.0.4:2377"], /10\.88\.0\.4:2377/);
    expect(await swarmState(4)).toBe("inactive");
  });

  test("a host that does not answer ends within 15 s", async () => {
    const started = Date.now();
    await refused(4, ["swarm", "join", "--token", token, "10.88.0.99:2377"], /10\.88\.0\.99:2377/);
    expect(Date.now() - started).toBeLessThan(24_000);
  });

  test("a second init, and a join of a member", async () => {
    await refused(1, ["swarm", "init"], /already part of a swarm/);
    await refused(2, ["swarm", "join", "--token", token, "10.88.0.1:2377"], /already part of a swarm/);
  });

  test("a port that is in use", async () => {
    const script = `setsid deploy/lab --name ${lab.name} exec 4 node -e 'require("net").createServer().listen(2377)' >/dev/null 2>&1 </dev/null & echo $!`;
    const listener = await lab.run(["bash", "-c", script]);
    await until(
      "something listens on node 4's port",
      async () => (await lab.run(["deploy/lab", "--name", lab.name, "exec", "4", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/2377"])).code === 0,
    );
    await refused(4, ["swarm", "init", "--advertise-addr", "10.88.0.4"], /2377.*in use/i);
    expect(await swarmState(4)).toBe("inactive");
    await lab.signal("9", listener.stdout.trim());
  });

  test("an address that this host does not have", async () => {
    await refused(4, ["swarm", "init", "--advertise-addr", "nonsense"], /nonsense/);
    expect(await swarmState(4)).toBe("inactive");
  });

  test("leave of the last manager without force", async () => {
    await refused(1, ["swarm", "leave"], /last manager/);
    expect(await swarmState(1)).toBe("active");
  });

  test("manager commands on a worker, and outside of a swarm", async () => {
    await refused(2, ["node", "ls"], /This node is not a swarm manager/);
    await refused(4, ["service", "ls"], /This node is not a swarm manager/);
  });

  test("a name that is taken", async () => {
    await refused(1, ["service", "create", "--detach", "--name", "taken", "bb:v1"], /service taken already exists/);
  });

  test.each([
    ["a constraint that cannot be read", ["--constraint", "node.hostname=x"], /node\.hostname=x/],
    ["an ingress port", ["--publish", "80:80"], /ingress|routing mesh/],
    ["an overlay network", ["--network", "nowhere"], /nowhere/],
    ["a health check that is too often", ["--health-cmd", "true", "--health-interval", "1us"], /Interval in HealthConfig cannot be less than 1ms/],
    ["a job", ["--mode", "replicated-job"], /job/],
    ["too little memory", ["--limit-memory", "1m"], /4MiB/],
  ])("%s", async (_what, flags, text) => {
    await refused(1, ["service", "create", "--detach", "--name", "never", ...flags, "bb:v1"], text);
    expect(await good(1, "service", "ls", "--quiet", "--filter", "name=never")).toBe("");
  });

  test("an unknown image in tag, rm and inspect", async () => {
    await refused(1, ["tag", "nothere:v1", "x:v1"], /No such image: nothere:v1/);
    await refused(1, ["rmi", "nothere:v1"], /No such image: nothere:v1/);
    await refused(1, ["image", "inspect", "nothere:v1"], /No such image: nothere:v1/);
  });

  test("the cluster is as it was", async () => {
    expect((await good(1, "service", "ls", "--format", "{{.Name}}")).split("\n")).toEqual(["taken"]);
    expect((await good(1, "node", "ls", "--format", "{{.Hostname}}")).split("\n").sort()).toEqual(["node-1", "node-2"]);
  });

  test("tasks say why they do not run", async () => {
    const reason = (service: string) => good(1, "service", "ps", service, "--no-trunc", "--format", "{{.CurrentState}}|{{.Error}}");
    const create = (name: string, ...rest: string[]) =>
      good(1, "service", "create", "--detach", "--quiet", "--name", name, "--constraint", "node.hostname==node-1", "--restart-condition", "none", ...rest);
    await create("no-image", "nothere:v1");
    await until("the missing image is named", async () => /^Rejected.*No such image: nothere:v1/m.test(await reason("no-image")));
    await create("no-command", "bb:v1", "/no/such/program");
    await until("the missing program is named", async () => /^Failed.*\/no\/such\/program/m.test(await reason("no-command")));
    await create("exits", "bb:v1", "sh", "-c", "exit 7");
    await until("the exit code is named", async () => /^Failed.*non-zero exit \(7\)/m.test(await reason("exits")));
    await good(1, "service", "create", "--detach", "--quiet", "--name", "nowhere", "--constraint", "node.labels.x==y", "bb:v1");
    await until("the scheduler says why", async () => /no suitable node \(scheduling constraints not satisfied on 2 nodes\)/.test(await reason("nowhere")));
  });
});

/** A daemon that is killed at any moment comes back with what was acknowledged, and its containers go on. */
describe("a daemon that dies", () => {
  let lab: TestLab;
  const docker = async (node: number, ...args: string[]) => {
    const outcome = await lab.docker(client, node, ...args);
    expect(outcome, `docker ${args.join(" ")}: ${outcome.stderr}`).toMatchObject({ code: 0 });
    return outcome.stdout.trim();
  };

  beforeAll(async () => {
    lab = await TestLab.open();
    await lab.lab("up", "--managers", "1", "--workers", "0");
    await lab.run([client, "-H", `unix:///var/lib/swarm-lab/${lab.name}/1/swarmd.sock`, "import", "--change", 'CMD ["sleep","100000"]', "-", "bb:v1"], {
      input: busyboxTar(),
    });
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("comes back with its services, and with the same containers", async () => {
    await docker(1, "service", "create", "--quiet", "--name", "steady", "--replicas", "4", "bb:v1");
    const before = (await docker(1, "ps", "--quiet", "--no-trunc")).split("\n").sort();
    expect(before).toHaveLength(4);
    for (let label = 1; label <= 5; label++) {
      await docker(1, "service", "update", "--detach", "--quiet", "--label-add", `round=${label}`, "steady");
      await lab.lab("kill", "1");
      await lab.lab("start", "1");
      await until("the daemon leads again", async () => (await lab.docker(client, 1, "service", "ls")).code === 0);
      expect(await docker(1, "service", "inspect", "steady", "--format", "{{.Spec.Labels.round}}")).toBe(String(label));
    }
    await until("every task is reported as running", async () => (await docker(1, "service", "ls", "--format", "{{.Replicas}}")) === "4/4");
    expect((await docker(1, "ps", "--quiet", "--no-trunc")).split("\n").sort()).toEqual(before);
  });

  test("an exit that nobody watched is found and acted on", async () => {
    await docker(
      1,
      "service",
      "create",
      "--quiet",
      "--name",
      "short",
      "--restart-delay",
      "1ms",
      "bb:v1",
      "sh",
      "-c",
      "trap 'exit 3' TERM; while :; do sleep 0.05; done",
    );
    const id = await docker(1, "ps", "--quiet", "--filter", "label=com.docker.swarm.service.name=short");
    const pid = await docker(1, "inspect", id, "--format", "{{.State.Pid}}");
    await lab.lab("kill", "1");
    await lab.signal("TERM", pid);
    await until("the container is gone", async () => (await lab.signal("0", pid)).code !== 0);
    await lab.lab("start", "1");
    await until("the exit is reported with its code", async () =>
      /Failed.*non-zero exit \(3\)/.test(await docker(1, "service", "ps", "short", "--no-trunc", "--format", "{{.CurrentState}}|{{.Error}}")),
    );
    await until("a replacement runs", async () => (await docker(1, "service", "ls", "--filter", "name=short", "--format", "{{.Replicas}}")) === "1/1");
  });

  test("a power cut takes the containers, and their replacements start", async () => {
    await lab.lab("power", "1");
    await lab.lab("start", "1");
    await until(
      "all tasks run again",
      async () => {
        const outcome = await lab.docker(client, 1, "service", "ls", "--format", "{{.Name}} {{.Replicas}}");
        return outcome.code === 0 && outcome.stdout.includes("steady 4/4") && outcome.stdout.includes("short 1/1");
      },
      40,
    );
  });
});
