import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { createHttpServer, type HttpServer } from "../../../src/api/http/server.js";
import { FakeBackend } from "../../support/fake-backend.js";
import { dockerClients } from "../../support/lab.js";

/** The stock command line against a real socket: what it prints shows that it understood every answer. */
describe.each(dockerClients())("%s", (client) => {
  let folder: string;
  let server: HttpServer;
  const backend = new FakeBackend();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "api-http-"));
    server = createHttpServer({ backend, logger: silentLogger, clock: systemClock });
    await server.listen({ type: "unix", path: join(folder, "api.sock") });
  });

  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  /** Combined output; rejects with it when the exit code is not the expected one. */
  function docker(args: readonly string[], expected = 0, input?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const environment = { PATH: process.env.PATH, HOME: folder, DOCKER_HOST: `unix://${join(folder, "api.sock")}` };
      const child = execFile(client, [...args], { env: environment }, (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code);
        if (code === expected) resolve((stdout + stderr).trim());
        else reject(new Error(`docker ${args.join(" ")} exited with ${code}: ${stdout}${stderr}`));
      });
      child.stdin?.end(input);
    });
  }

  test("outside a swarm says what to do", async () => {
    expect(await docker(["node", "ls"], 1)).toContain('This node is not a swarm manager. Use "docker swarm init" or "docker swarm join"');
    expect(await docker(["info"])).toContain("Swarm: inactive");
    expect(await docker(["swarm", "leave"], 1)).toContain("This node is not part of a swarm");
  });

  test("makes a swarm once", async () => {
    expect(await docker(["swarm", "init"])).toContain("docker swarm join --token SWMTKN-1-root-worker 10.88.0.1:2377");
    expect(await docker(["swarm", "init"], 1)).toContain("This node is already part of a swarm");
    expect(await docker(["swarm", "join-token", "-q", "manager"])).toBe("SWMTKN-1-root-manager");
    expect(await docker(["swarm", "unlock-key"], 1)).toContain("no unlock key is set");
    await docker(["swarm", "update", "--task-history-limit", "7"]);
    expect(backend.store.view.cluster?.spec?.taskHistoryRetentionLimit).toBe(7n);
  });

  test("shows version, info and nodes", async () => {
    expect(await docker(["version", "--format", "{{.Server.Version}} {{.Server.APIVersion}} {{.Server.MinAPIVersion}}"])).toBe("0.1.0 1.47 1.24");
    expect(await docker(["info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.Nodes}} {{.Swarm.Managers}}"])).toBe("active 1 1");
    expect(await docker(["info"])).toContain("Is Manager: true");
    expect(await docker(["node", "ls"])).toMatch(/ \* +node-1 +Ready +Active +Leader/);
    expect(await docker(["node", "inspect", "--pretty", "self"])).toContain("node-1");
    expect(await docker(["node", "ls", "--format", "{{.TLSStatus}}"])).toBe("Ready");
    expect(await docker(["swarm", "ca"])).toBe(backend.rootCa.certificate.trim());
    await docker(["node", "update", "--label-add", "disk=ssd", "--availability", "drain", "node-1"]);
    expect(await docker(["node", "inspect", "node-1", "--format", "{{.Spec.Labels.disk}} {{.Spec.Availability}}"])).toBe("ssd drain");
  });

  test("imports, tags, lists and removes images", async () => {
    await writeFile(join(folder, "root.tar"), Buffer.alloc(300_000, 7));
    expect(await docker(["import", "--change", 'CMD ["sleep", "1d"]', "--change", "ENV A=1", "-m", "hello", join(folder, "root.tar"), "bb:v1"])).toMatch(
      /^sha256:[0-9a-f]{64}$/,
    );
    expect(backend.images.imports).toEqual([
      { reference: "bb:v1", message: "hello", changes: ['CMD ["sleep", "1d"]', "ENV A=1"], platform: "", sizeBytes: 300_000 },
    ]);
    await docker(["tag", "bb:v1", "some/where/bb:v2"]);
    expect((await docker(["images", "--format", "{{.Repository}}:{{.Tag}}"])).split("\n").sort()).toEqual(["bb:v1", "some/where/bb:v2"]);
    expect(await docker(["image", "inspect", "some/where/bb:v2", "--format", "{{.Config.Cmd}}"])).toBe("[sleep]");
    expect(await docker(["history", "bb:v1", "--format", "{{.Size}}"])).toBe("300kB");
    expect(await docker(["rmi", "some/where/bb:v2"])).toBe("Untagged: some/where/bb:v2");
    expect(await docker(["image", "inspect", "absent"], 1)).toContain("No such image: absent");
    expect(await docker(["tag", "absent", "x"], 1)).toContain("No such image: absent");
    expect(await docker(["rmi", "absent"], 1)).toContain("No such image: absent");
    expect(await docker(["pull", "bb:v9"], 1)).toMatch(/manifest for (docker.io\/library\/)?bb:v9 not found/);
  });

  test("pulls, pushes, saves, loads and prunes images", async () => {
    await writeFile(join(folder, "root.tar"), Buffer.alloc(1000, 7));
    await docker(["import", join(folder, "root.tar"), "reg.example/bb:v1"]);
    const image = backend.images.resolve("reg.example/bb:v1");
    for (const name of ["reg.example/bb:v2", "reg.example/bb:v1"]) backend.transfer.remote.set(name, async () => image!);
    const pulled = await docker(["pull", "reg.example/bb:v2"]);
    expect(pulled).toMatch(/Digest: sha256:d{64}\n/);
    expect(pulled).toContain("Status: Downloaded newer image for reg.example/bb:v2");
    expect(await docker(["push", "reg.example/bb:v1"])).toMatch(/0123456789ab: Pushed/);
    expect(backend.transfer.calls.map(({ verb, reference }) => `${verb} ${reference}`).slice(-2)).toEqual(["pull reg.example/bb:v2", "push reg.example/bb:v1"]);
    expect(await docker(["push", "reg.example/bb:absent"], 1)).toContain("An image does not exist locally with the tag: reg.example/bb:absent");
    expect(await docker(["save", "-o", join(folder, "saved.tar"), "reg.example/bb:v1"])).toBe("");
    expect(await readFile(join(folder, "saved.tar"), "utf8")).toBe("reg.example/bb:v1");
    expect(await docker(["save", "-o", join(folder, "none.tar"), "absent:v1"], 1)).toContain("No such image: absent:v1");
    expect(await docker(["load", "-i", join(folder, "root.tar")])).toContain("Loaded image: loaded:v1");
    expect(await docker(["image", "prune", "--force", "--all"])).toMatch(/Total reclaimed space: \S+B/);
    expect(backend.images.list()).toEqual([]);
  });

  test("makes, shows, changes and removes services", async () => {
    const id = await docker([
      "service",
      "create",
      "--detach",
      "--name",
      "web",
      "--replicas",
      "3",
      "--network",
      "host",
      "-e",
      "A=1",
      "--limit-memory",
      "64M",
      "bb:v1",
      "sleep",
      "1d",
    ]);
    expect(id.split("\n")[0]).toMatch(/^[0-9a-z]{25}$/);
    expect(await docker(["service", "create", "--detach", "--name", "web", "bb:v1"], 1)).toContain(
      "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already exists",
    );
    expect(await docker(["service", "ls", "--format", "{{.Name}} {{.Mode}} {{.Replicas}} {{.Image}}"])).toBe("web replicated 3/3 bb:v1");
    expect((await docker(["service", "ps", "web", "--format", "{{.Name}} {{.Node}} {{.DesiredState}} {{.CurrentState}}"])).split("\n").sort()[0]).toMatch(
      /^web\.1 node-1 Running Running/,
    );
    expect(await docker(["service", "inspect", "--pretty", "web"])).toContain("Name:\t\tweb");
    expect(
      await docker([
        "service",
        "inspect",
        "web",
        "--format",
        "{{.Spec.TaskTemplate.RestartPolicy.Condition}} {{.Spec.UpdateConfig.Order}} {{.Spec.TaskTemplate.Resources.Limits.MemoryBytes}}",
      ]),
    ).toBe("any stop-first 67108864");
    await docker(["service", "update", "--detach", "--image", "bb:v2", "--update-parallelism", "4", "web"]);
    expect(await docker(["service", "inspect", "web", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}} {{.Spec.UpdateConfig.Parallelism}}"])).toBe(
      "bb:v2 4",
    );
    await docker(["service", "rollback", "--detach", "web"]);
    expect(await docker(["service", "inspect", "web", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}"])).toBe("bb:v1");
    await docker(["service", "scale", "--detach", "web=5"]);
    expect((await docker(["service", "ps", "-q", "web"])).split("\n")).toHaveLength(5);
    expect(await docker(["node", "ps", "node-1", "-q"])).not.toBe("");
    expect(await docker(["service", "inspect", "absent"], 1)).toContain("no such service: absent");
    await docker(["service", "rm", "web"]);
    expect(await docker(["service", "rm", "web"], 1)).toMatch(/service web not found|No such service: web/);
    expect(await docker(["service", "ls", "-q"])).toBe("");
  });

  test("waits until an update has converged", async () => {
    const output = await docker(["service", "create", "--name", "slow", "--replicas", "2", "--update-monitor", "1s", "bb:v1"]);
    expect(output).toContain("converged");
    await docker(["service", "rm", "slow"]);
  });

  test("shows the log of a service, line by line", async () => {
    await docker(["service", "create", "--detach", "--name", "talk", "bb:v1"]);
    const task = [...backend.store.view.tasks.all()].find((candidate) => candidate.serviceName === "talk")!;
    const origin = { nodeId: task.nodeId, serviceId: task.serviceId, taskId: task.id, attributes: {}, timestampNs: 1_700_000_000_000_000_001n };
    backend.logBatches = [
      {
        messages: [
          { ...origin, stream: "stdout", data: Buffer.from("first\n") },
          { ...origin, stream: "stderr", data: Buffer.from("second") },
        ],
        missing: [],
      },
      { messages: [], missing: [`node ${task.nodeId} is not available`] },
    ];
    const lines = (await docker(["service", "logs", "-t", "talk"])).split("\n");
    expect(lines[0]).toMatch(/^2023-11-14T22:13:20\.000000001Z talk\.1\.\w+@node-1 +\| first$/);
    expect(lines[1]).toMatch(/talk\.1\.\w+@node-1 +\| second$/);
    expect(lines[2]).toContain(`warning: incomplete log stream: node ${task.nodeId} is not available`);
    expect(await docker(["service", "logs", "--raw", "talk"])).toContain("first\nsecond");
    await docker(["service", "rm", "talk"]);
  });

  test("shows what happened in the swarm", async () => {
    const lines = (await docker(["events", "--since", "1", "--until", "1700000100", "--filter", "type=service", "--filter", "service=web"])).split("\n");
    expect(lines[0]).toMatch(/^2023-11-1\dT\S+ service create [0-9a-z]{25} \(name=web\)$/);
    expect(lines.some((line) => line.endsWith("(image.new=bb:v2, image.old=bb:v1, name=web)"))).toBe(true);
    expect(lines.at(-1)).toMatch(/service remove/);
  });

  test("lists containers and what does not exist yet", async () => {
    expect(await docker(["ps", "-a", "-q"])).toBe("");
    for (const kind of ["network", "secret", "config", "volume", "plugin"]) await docker([kind, "ls"]);
    expect(await docker(["network", "create", "-d", "overlay", "net"], 1)).toContain("networks cannot be created yet");
    expect(await docker(["secret", "create", "s", "-"], 1, "x")).toContain("secrets are not supported yet");
    expect(await docker(["system", "df"])).toContain("Images");
    expect(await docker(["inspect", "absent"], 1)).toContain("No such object: absent");
    expect(await docker(["swarm", "leave", "--force"])).toBe("Node left the swarm.");
  });
});
