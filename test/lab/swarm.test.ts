import { Readable } from "node:stream";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, TestLab } from "../support/lab.js";
import { busyboxTar } from "../support/root-filesystem.js";
import { until } from "../support/until.js";

/**
 * The life of a swarm as a person has it, on 3 managers and 2 workers, driven by each docker command line that is here. The tests of one
 * client follow each other: they are chapters of one story.
 */
describe.each(dockerClients())("a swarm driven by %s", (client) => {
  let lab: TestLab;
  /** Runs docker against a node and fails with its words. */
  const docker = async (node: number, ...args: string[]) => {
    const outcome = await lab.docker(client, node, ...args);
    if (outcome.code !== 0) throw new Error(`docker ${args.join(" ")} exited with ${outcome.code}: ${outcome.stderr}${outcome.stdout}`);
    return outcome.stdout.trim();
  };
  const lines = (text: string) => (text === "" ? [] : text.split("\n"));
  const tasks = async (node: number, service: string) =>
    lines(
      await docker(
        node,
        "service",
        "ps",
        service,
        "--no-trunc",
        "--filter",
        "desired-state=running",
        "--format",
        "{{.Name}}|{{.Image}}|{{.Node}}|{{.CurrentState}}",
      ),
    ).map((line) => {
      const [name = "", image = "", host = "", state = ""] = line.split("|");
      return { name, image, host, isRunning: state.startsWith("Running") };
    });
  const running = (node: number, service: string, count: number) =>
    until(
      `${service} has ${count} running tasks`,
      async () => {
        const all = (await tasks(node, service)).filter((task) => task.isRunning);
        return all.length === count ? all : undefined;
      },
      30,
    );
  const containers = async (node: number) => lines(await docker(node, "ps", "--all", "--quiet"));

  beforeAll(async () => {
    lab = await TestLab.open();
    await lab.lab("up", "--managers", "3", "--workers", "2");
    const tar = busyboxTar();
    for (const node of [1, 2, 3, 4, 5]) {
      const outcome = await lab.run(
        [client, "-H", `unix:///var/lib/swarm-lab/${lab.name}/${node}/swarmd.sock`, "import", "--change", 'CMD ["sleep","100000"]', "-", "bb:v1"],
        { input: tar },
      );
      expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
      await docker(node, "tag", "bb:v1", "bb:v2");
    }
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("shows five Ready nodes and three managers", async () => {
    const nodes = lines(await docker(1, "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}"));
    // On a busy machine another one than the first may have been elected meanwhile.
    expect(nodes.filter((line) => line.endsWith(" Leader"))).toHaveLength(1);
    expect(nodes.map((line) => line.trim().replace(/Leader$/, "Reachable")).sort()).toEqual([
      "node-1 Ready Active Reachable",
      "node-2 Ready Active Reachable",
      "node-3 Ready Active Reachable",
      "node-4 Ready Active",
      "node-5 Ready Active",
    ]);
  });

  test("creates six replicas through a follower, spread over five nodes", async () => {
    await docker(2, "service", "create", "--quiet", "--name", "web", "--replicas", "6", "--stop-grace-period", "1s", "--update-monitor", "1s", "bb:v1");
    const all = await running(3, "web", 6);
    expect(new Set(all.map((task) => task.host)).size).toBe(5);
  });

  test("scales up and down", async () => {
    await docker(1, "service", "scale", "web=12");
    await running(1, "web", 12);
    await docker(1, "service", "scale", "web=5");
    const all = await running(1, "web", 5);
    expect(new Set(all.map((task) => task.host)).size).toBe(5);
  });

  test("rolls to a new version four at a time, and back", async () => {
    await docker(1, "service", "update", "--quiet", "--image", "bb:v2", "--update-parallelism", "4", "web");
    expect((await running(1, "web", 5)).map((task) => task.image)).toEqual(Array(5).fill("bb:v2"));
    expect(await docker(1, "service", "inspect", "web", "--format", "{{.UpdateStatus.State}}")).toBe("completed");
    await docker(1, "service", "rollback", "--quiet", "web");
    expect((await running(1, "web", 5)).map((task) => task.image)).toEqual(Array(5).fill("bb:v1"));
    // The command line waits for the update's monitor period, which may be shorter than that of the rollback.
    await until(
      "the rollback is completed",
      async () => (await docker(1, "service", "inspect", "web", "--format", "{{.UpdateStatus.State}}")) === "rollback_completed",
    );
  });

  test("keeps running when the leader is killed, and takes it back", async () => {
    await lab.lab("kill", "1");
    await until(
      "a write is accepted without the old leader",
      async () => (await lab.docker(client, 2, "service", "scale", "--detach", "web=8")).code === 0,
      30,
    );
    await until(
      "the old leader is Down",
      async () => lines(await docker(2, "node", "ls", "--format", "{{.Hostname}} {{.Status}}")).includes("node-1 Down"),
      30,
    );
    const all = await running(2, "web", 8);
    expect(all.map((task) => task.host)).not.toContain("node-1");
    await lab.lab("start", "1");
    await until(
      "the killed node is Ready again",
      async () => lines(await docker(2, "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}")).includes("node-1 Ready Reachable"),
      30,
    );
    await until("the returned node shut down the tasks that were replaced", async () => (await docker(1, "ps", "--quiet")) === "", 30);
  });

  test("removes the service and leaves no container", async () => {
    await docker(3, "service", "rm", "web");
    for (const node of [1, 2, 3, 4, 5]) await until(`node ${node} has no container`, async () => (await containers(node)).length === 0);
    expect(await docker(1, "service", "ls", "--quiet")).toBe("");
  });

  test("down leaves no trace, not of what was left running on a host either, and takes no other word", async () => {
    expect(await lab.run(["deploy/lab", "--name", lab.name, "down", "other"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('unknown argument "other"'),
    });
    const left1 = await lab.lab("exec", "1", "bash", "-c", "sleep 12345 >/dev/null 2>&1 & echo $!");
    // From one of the hosts: who asks for it lives to see the end of it.
    await lab.lab("exec", "2", "deploy/lab", "--name", lab.name, "down");
    expect((await lab.signal("0", left1)).code).toBe(1);
    const left = await lab.run([
      "bash",
      "-c",
      `ls /run/netns /var/lib/swarm-lab; ls -d /sys/fs/cgroup/*/swarm-lab/${lab.name} 2>/dev/null; for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep -E 'swarmd[.]js|swarm-shi[m]'`,
    ]);
    expect(left.stdout.split("\n").filter((line) => line !== "" && !line.endsWith(":"))).toEqual([]);
  });
});

describe("a swarm driven by dockerode", () => {
  let lab: TestLab;
  let docker: Docker;

  beforeAll(async () => {
    lab = await TestLab.open();
    await lab.lab("up", "--managers", "1", "--workers", "1");
    docker = new Docker({ socketPath: lab.socket(1) });
    for (const node of [1, 2]) {
      const engine = new Docker({ socketPath: lab.socket(node) });
      const progress = await engine.importImage(Readable.from([busyboxTar()]), { repo: "bb", tag: "v1", changes: 'CMD ["sleep","100000"]' });
      await new Promise((done, fail) => engine.modem.followProgress(progress, (error) => (error === null ? done(undefined) : fail(error))));
    }
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("creates, lists, updates and removes a service", async () => {
    const service = await docker.createService({
      Name: "api",
      TaskTemplate: { ContainerSpec: { Image: "bb:v1", StopGracePeriod: 1_000_000_000 } },
      Mode: { Replicated: { Replicas: 4 } },
    } as never);
    const handle = docker.getService(service.id);
    const running = async (count: number) =>
      (await docker.listTasks({ filters: { service: ["api"], "desired-state": ["running"] } })).filter(
        (task: { Status?: { State?: string } }) => task.Status?.State === "running",
      ).length === count;
    await until("four tasks run", () => running(4));
    const found = await handle.inspect();
    await handle.update({ ...found.Spec, version: found.Version.Index, Mode: { Replicated: { Replicas: 2 } } });
    await until("two tasks run", () => running(2));
    await expect(handle.update({ ...found.Spec, version: found.Version.Index })).rejects.toMatchObject({
      statusCode: 500,
      message: expect.stringContaining("update out of sequence"),
    });
    await handle.remove();
    await expect(handle.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });
});
