import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Outcome, TestLab } from "../support/lab.js";
import { busyboxTar } from "../support/root-filesystem.js";
import { until } from "../support/until.js";

/** A cluster from nothing to nothing with the command line `swarm` alone, on 3 hosts. The tests follow each other. */
describe("the command line swarm", () => {
  let lab: TestLab;
  const folder = (node: number) => `/var/lib/swarm-lab/${lab.name}/${node}`;
  const swarm = (node: number, ...args: string[]): Promise<Outcome> =>
    lab.run(["node", "dist/main/swarm.js", ...args], { env: { SWARM_HOST: `unix://${folder(node)}/swarmd.sock` } });
  /** Its output, once it exits with 0. */
  const must = async (node: number, ...args: string[]) => {
    const outcome = await swarm(node, ...args);
    expect(outcome, `swarm ${args.join(" ")}: ${outcome.stderr}`).toMatchObject({ code: 0 });
    return outcome.stdout.trim();
  };
  const lines = (text: string) => (text === "" ? [] : text.split("\n"));
  const json = async (node: number, ...args: string[]) => lines(await must(node, ...args, "--format", "json")).map((line) => JSON.parse(line));
  const fails = async (node: number, code: number, text: RegExp, ...args: string[]) => {
    const outcome = await swarm(node, ...args);
    expect(outcome, `swarm ${args.join(" ")}: ${outcome.stdout}${outcome.stderr}`).toMatchObject({ code, stderr: expect.stringMatching(text) });
    expect(lines(outcome.stderr.trim()).length, outcome.stderr).toBeLessThanOrEqual(3);
  };
  const quick = ["--update-monitor", "300ms", "--rollback-monitor", "300ms", "--stop-grace-period", "1s", "--restart-delay", "10ms"];

  beforeAll(async () => {
    lab = await TestLab.open();
    await lab.lab("up", "--bare", "--managers", "3", "--workers", "0");
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("init, join-token and join make a swarm", async () => {
    await fails(1, 1, /^swarm: This node is not a swarm manager. Use "swarm init"/, "node", "ls");
    const hello = await must(1, "init", "--advertise-addr", "10.88.0.1");
    const command = /swarm join --token (SWMTKN-1-\S+) (10\.88\.0\.1:2377)/.exec(hello);
    expect(await must(2, "join", "--token", command?.[1] ?? "", command?.[2] ?? "")).toBe("This node joined a swarm as a worker.");
    const manager = await must(1, "join-token", "-q", "manager");
    expect(await must(3, "join", "--token", manager, "10.88.0.1")).toBe("This node joined a swarm as a manager.");
    expect(await must(3, "join-token", "--rotate", "-q", "manager")).not.toBe(manager);
    await fails(1, 1, /already part of a swarm\. Use "swarm leave"/, "init");
    await fails(1, 2, /"boss" is not one of worker, manager/, "join-token", "boss");
  });

  test("node ls, inspect, update, promote and demote", async () => {
    const table = await must(3, "node", "ls");
    expect(lines(table)[0]).toMatch(/^ID +HOSTNAME +STATUS +AVAILABILITY +MANAGER STATUS +ENGINE VERSION$/);
    expect(lines(table)[3]).toMatch(/^[0-9a-z]{25} \* +node-3 +Ready +Active +Reachable +\d/);
    const nodes = await json(3, "node", "ls");
    expect(nodes.map((node) => `${node.Hostname} ${node.ManagerStatus} ${node.Self}`)).toEqual([
      "node-1 Leader false",
      "node-2  false",
      "node-3 Reachable true",
    ]);
    expect(lines(await must(3, "node", "ls", "-q"))).toEqual(nodes.map((node) => node.ID));
    expect(lines(await must(3, "node", "ls", "-q", "--filter", "role=worker"))).toEqual([nodes[1].ID]);
    await must(1, "node", "update", "--label-add", "disk=ssd", "--availability", "pause", "node-2");
    const [inspected] = await json(1, "node", "inspect", "node-2");
    expect(inspected.Spec).toMatchObject({ Labels: { disk: "ssd" }, Availability: "pause", Role: "worker" });
    await must(1, "node", "update", "--label-rm", "disk", "--availability", "active", "node-2");
    await fails(1, 1, /node node-2 has no label "disk"/, "node", "update", "--label-rm", "disk", "node-2");
    expect(await must(1, "node", "promote", "node-2")).toBe("Node node-2 promoted to a manager in the swarm.");
    await until("node 2 is a manager", async () =>
      (await json(1, "node", "ls")).some((node) => node.Hostname === "node-2" && node.ManagerStatus === "Reachable"),
    );
    expect(await must(1, "node", "demote", "node-2")).toBe("Node node-2 demoted in the swarm.");
    await until("node 2 is a worker", async () => (await swarm(2, "node", "ls")).code === 1);
    await fails(1, 1, /^swarm: node nowhere not found/, "node", "inspect", "nowhere");
    await fails(1, 1, /is not down and can't be removed/, "node", "rm", "node-2");
    await fails(1, 2, /availability "asleep" is not one of active, pause, drain/, "node", "update", "--availability", "asleep", "node-2");
  });

  test("image import, ls, tag and rm", async () => {
    const tar = busyboxTar();
    for (const node of [1, 2, 3]) {
      const outcome = await lab.run(
        ["node", "dist/main/swarm.js", "-H", `unix://${folder(node)}/swarmd.sock`, "image", "import", "--change", 'CMD ["sleep","1000"]', "-", "bb:v1"],
        {
          input: tar,
        },
      );
      expect(outcome, outcome.stderr).toMatchObject({ code: 0, stdout: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) });
      await must(node, "image", "tag", "bb:v1", "bb:v2");
    }
    expect((await json(1, "image", "ls")).map((image) => `${image.Repository}:${image.Tag}`).sort()).toEqual(["bb:v1", "bb:v2"]);
    await must(1, "image", "tag", "bb:v1", "registry.example:5000/team/bb:v3");
    expect(await must(1, "image", "rm", "registry.example:5000/team/bb:v3")).toBe("Untagged: registry.example:5000/team/bb:v3");
    await fails(1, 1, /^swarm: No such image: nowhere/, "image", "rm", "nowhere");
    await fails(1, 2, /cannot read \/no\/such\.tar: there is no such file/, "image", "import", "/no/such.tar", "x:v1");
  });

  test("service create tells its way in plain lines", async () => {
    const outcome = await swarm(
      1,
      "service",
      "create",
      "--name",
      "web",
      "--replicas",
      "3",
      ...quick,
      "--env",
      "COLOUR=blue",
      "bb:v1",
      "sh",
      "-c",
      "echo $COLOUR; exec sleep 1000",
    );
    expect(outcome, outcome.stderr).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9a-z]{25}\n$/) });
    expect(outcome.stderr).not.toContain("\r");
    expect(outcome.stderr).toMatch(/3 of 3 tasks running, watching that they stay so\nthe service has converged\n$/);
    expect(await json(3, "service", "ls")).toMatchObject([{ Name: "web", Mode: "replicated", Replicas: "3/3", Image: "bb:v1" }]);
    const tasks = await json(3, "service", "ps", "web");
    expect(tasks.map((task) => `${task.Name} ${task.Node} ${task.DesiredState}`).sort()).toEqual(
      ["web.1", "web.2", "web.3"].map((name, index) => `${name} ${tasks[index].Node} Running`),
    );
    expect(lines(await must(3, "service", "ps", "-q", "web"))).toHaveLength(3);
    expect(lines(await must(1, "node", "ps", "-q", "node-1", "node-2", "node-3"))).toHaveLength(3);
    expect(await must(1, "service", "inspect", "--pretty", "web")).toMatch(/^Service Mode: +Replicated\n Replicas: +3\n Running: +3 of 3\n/m);
    expect(await must(1, "node", "inspect", "--pretty", "self")).toMatch(
      /^Manager Status:\n Address: +10\.88\.0\.1:2377\n Raft Status: +Reachable\n Leader: +Yes$/m,
    );
    expect((await json(1, "service", "inspect", "web"))[0].Spec).toMatchObject({ Name: "web", TaskTemplate: { ContainerSpec: { Env: ["COLOUR=blue"] } } });
  });

  test("service logs, of a service and of one task", async () => {
    const all = await until("each task has said its line", async () => {
      const told = lines(await must(3, "service", "logs", "web"));
      return told.length === 3 ? told : undefined;
    });
    expect(all.map((line) => line.replace(/\.[0-9a-z]{12}@node-\d {4}/, " ")).sort()).toEqual(["web.1 | blue", "web.2 | blue", "web.3 | blue"]);
    expect(lines(await must(3, "service", "logs", "--no-task-ids", "web"))[0]).toMatch(/^web\.\d@node-\d {4}\| blue$/);
    expect(lines(await must(3, "service", "logs", "--raw", "web"))).toEqual(["blue", "blue", "blue"]);
    const [task = ""] = lines(await must(1, "service", "ps", "-q", "web"));
    expect(lines(await must(1, "service", "logs", "--tail", "1", "--timestamps", task))[0]).toMatch(
      /^\d{4}-\d\d-\d\dT\S+Z web\.\d\.[0-9a-z]{12}@node-\d {4}\| blue$/,
    );
    await fails(1, 1, /nowhere/, "service", "logs", "nowhere");
    await fails(1, 2, /--tail "x" is neither a number nor all/, "service", "logs", "--tail", "x", "web");
  });

  test("scale, update and rollback", async () => {
    expect(await must(3, "service", "scale", "web=4")).toBe("web scaled to 4");
    expect(await must(1, "service", "update", "--quiet", "--image", "bb:v2", "--update-parallelism", "2", "web")).toBe("web");
    expect((await json(1, "service", "ps", "web", "--filter", "desired-state=running")).map((task) => task.Image)).toEqual(Array(4).fill("bb:v2"));
    expect(await must(1, "service", "rollback", "--quiet", "web")).toBe("web");
    expect((await json(1, "service", "ps", "web", "--filter", "desired-state=running")).map((task) => task.Image)).toEqual(Array(4).fill("bb:v1"));
    await fails(1, 2, /"web=many": "many" is not a whole number/, "service", "scale", "web=many");
    await fails(1, 1, /service nowhere not found/, "service", "scale", "nowhere=2");
  });

  test("an update that fails says why, where to look and how to go back; exit code 1", async () => {
    const outcome = await swarm(1, "service", "update", "--quiet", "--args", "/no/such/program", "web");
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(
      /^swarm: service web: update paused due to failure .*: .*\/no\/such\/program.*\nlook with: swarm service ps web; go back with: swarm service rollback web\n$/,
    );
    expect((await json(1, "service", "ps", "web")).some((task) => /\/no\/such\/program/.test(task.Error))).toBe(true);
    await must(1, "service", "rollback", "--quiet", "web");
  });

  test("a service whose tasks end for good is not waited for", async () => {
    await fails(
      1,
      1,
      /^swarm: service broken: No such image: bb:nowhere \(.*\), and its restart policy starts no more tasks$/m,
      "service",
      "create",
      "--quiet",
      "--name",
      "broken",
      "--restart-condition",
      "none",
      "bb:nowhere",
    );
    const done = await swarm(1, "service", "create", "--name", "once", "--restart-condition", "on-failure", "bb:v1", "true");
    expect(done, done.stderr).toMatchObject({ code: 0, stderr: expect.stringMatching(/its tasks have ended well, and its restart policy starts no more\n$/) });
    expect(lines(await must(1, "service", "rm", "broken", "once"))).toEqual(["broken", "once"]);
  });

  test("exit codes: refused 1, misused 2, nobody there 3", async () => {
    await fails(
      1,
      1,
      /^swarm: name conflicts with an existing object: service web already exists$/m,
      "service",
      "create",
      "--detach",
      "--name",
      "web",
      "bb:v1",
    );
    await fails(1, 2, /^swarm: missing required argument 'image'\n--help shows how it is used$/m, "service", "create");
    await fails(1, 2, /^swarm: unknown command 'servce'\n\(Did you mean service\?\)$/m, "servce");
    await fails(1, 2, /unknown option '--replcas'/, "service", "create", "--replcas", "2", "bb:v1");
    await fails(1, 3, /^swarm: cannot reach the daemon at unix:\/\/\/no\/such\.sock: is swarmd running\?$/m, "-H", "unix:///no/such.sock", "node", "ls");
    await fails(1, 2, /host "http:\/\/x" is neither unix:\/\/\/path nor tcp:\/\/host:port/, "-H", "http://x", "node", "ls");
    const some = await swarm(1, "service", "rm", "nowhere", "web");
    expect(some).toMatchObject({ code: 1, stdout: "web\n", stderr: "nowhere: service nowhere not found\nswarm: 1 of 2 failed\n" });
  });

  test("info and version", async () => {
    expect(await must(1, "info")).toMatch(/^Swarm: +active$/m);
    expect((await json(2, "info"))[0].Swarm).toMatchObject({ LocalNodeState: "active", ControlAvailable: false });
    expect(await must(1, "version")).toMatch(/^Command line: \S+\nDaemon: +\S+ \(API 1\.24 to 1\.47, linux\//);
    const unreachable = await swarm(1, "-H", "unix:///no/such.sock", "version");
    expect(unreachable).toMatchObject({ code: 3, stdout: expect.stringMatching(/^Command line: \S+\n$/) });
  });

  test("completion in a real bash, at a prompt: of commands, of flags, and of names that the daemon knows", async () => {
    const bin = await mkdtemp(join(tmpdir(), "swarm-bin-"));
    try {
      await symlink(resolve("dist/main/swarm.js"), join(bin, "swarm"));
      const host = await lab.lab("socket", "1");
      await must(1, "volume", "create", "data");
      const typed = ["source <(swarm completion bash)", `swarm -H ${host} vol\tinsp\t--form\t'<{{.Name}}>' da\t`, "exit", ""].join("\n");
      const shell = `env PATH=${bin}:$PATH INPUTRC=/dev/null TERM=dumb bash --noprofile --norc -i`;
      const { stdout } = await lab.run(["script", "-qec", shell, "/dev/null"], { input: typed });
      expect(stdout).toContain("\n<data>");
    } finally {
      await rm(bin, { recursive: true });
    }
  });

  test("leave and node rm take the swarm down", async () => {
    expect(await must(2, "leave")).toBe("Node left the swarm.");
    await fails(2, 1, /not part of a swarm/, "leave");
    await until("node 2 is Down", async () => (await json(1, "node", "ls")).some((node) => node.Hostname === "node-2" && node.Status === "Down"));
    expect(await must(1, "node", "rm", "node-2")).toBe("node-2");
    await fails(3, 1, /participating as a manager/, "leave");
    await must(1, "node", "demote", "node-3");
    await until("node 3 is a worker", async () => (await swarm(3, "leave")).code === 0);
    await fails(1, 1, /last manager/, "leave");
    expect(await must(1, "leave", "--force")).toBe("Node left the swarm.");
    expect(await must(1, "info")).toMatch(/^Swarm: +inactive$/m);
  });
});
