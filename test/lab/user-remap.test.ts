import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

const client = dockerClients()[0] ?? "docker";
const FIRST = 700_000;

/** A host whose containers' root is nobody outside, by the stock command line. */
describe("userns-remap", () => {
  let lab: TestLab;
  let docker: LabDocker;
  let folder: string;
  const must = (...args: readonly string[]) => docker.must(1, ...args);
  const run = (...args: readonly string[]) => docker.try(1, "run", "--rm", ...args);
  const shell = async (script: string) => {
    const env = `export DOCKER_HOST=unix:///var/lib/swarm-lab/${lab.name}/1/swarmd.sock; docker() { ${client} "$@"; }`;
    const outcome = await lab.run(["bash", "-c", `set -e; cd /var/lib; ${env}; ${script}`]);
    if (outcome.code !== 0) throw new Error(`${script} exited with ${outcome.code}: ${outcome.stderr}${outcome.stdout}`);
    return outcome.stdout;
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "lab-user-remap-"));
    writeFileSync(join(folder, "ids"), `nobody:${FIRST}:65536\n`);
    writeFileSync(
      join(folder, "daemon.json"),
      JSON.stringify({ "userns-remap": "nobody", runtimes: { runc: { path: "runc" }, crun: { path: "/usr/bin/crun" } } }),
    );
    process.env.SWARM_LAB_CONFIG = join(folder, "daemon.json");
    lab = await TestLab.open();
    docker = new LabDocker(lab, client);
    // In the lab's own view of this machine's files.
    for (const file of ["/etc/subuid", "/etc/subgid"]) await lab.run(["mount", "--bind", join(folder, "ids"), file]);
    await lab.lab("up", "--managers", "1", "--workers", "0");
    await docker.importBusybox([1]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
    delete process.env.SWARM_LAB_CONFIG;
    rmSync(folder, { recursive: true });
  });

  test("the daemon says so, and its containers are root inside alone", async () => {
    expect(await must("info", "--format", "{{.SecurityOptions}}")).toContain("name=userns");
    await must(
      "run",
      "-d",
      "--name",
      "web",
      "--health-cmd",
      "id -u | grep -qx 0",
      "--health-interval",
      "1s",
      "bb:v1",
      "sh",
      "-c",
      "while :; do echo hello | nc -l -p 80; done",
    );
    const [pid, address] = (await must("inspect", "web", "--format", "{{.State.Pid}} {{.NetworkSettings.IPAddress}}")).split(" ");
    expect((await lab.run(["stat", "-c", "%u:%g", `/proc/${pid}`])).stdout).toBe(`${FIRST}:${FIRST}\n`);
    expect(await must("exec", "web", "sh", "-c", "id -u; tr -s ' ' </proc/self/uid_map")).toBe(`0\n 0 ${FIRST} 65536`);
    await until("it answers", async () => (await run("bb:v1", "sh", "-c", `nc ${address} 80 </dev/null`)).stdout === "hello\n");
    await until("it is healthy", async () => (await must("inspect", "web", "--format", "{{.State.Health.Status}}")) === "healthy");
    expect(
      (await run("--network", "container:web", "--sysctl", "kernel.shmmni=99", "bb:v1", "sh", "-c", "ip -4 addr show eth0; cat /proc/sys/kernel/shmmni"))
        .stdout,
    ).toMatch(new RegExp(`inet ${address}/[^]*\n99\n$`));
    await must("rm", "-f", "web");
  });

  test.each(["runc", "crun"])("under %s as well: on a network, with a volume, a program run in it and files copied out", async (runtime) => {
    await must("run", "-d", "--name", "other", "--runtime", runtime, "-v", "kept:/kept", "bb:v1", "sh", "-c", "touch /kept/by /made; sleep 100000");
    const [pid, address] = (await must("inspect", "other", "--format", "{{.State.Pid}} {{.NetworkSettings.IPAddress}}")).split(" ");
    expect((await lab.run(["stat", "-c", "%u:%g", `/proc/${pid}`])).stdout).toBe(`${FIRST}:${FIRST}\n`);
    expect(await must("exec", "other", "sh", "-c", "id -u; tr -s ' ' </proc/self/uid_map; ip -4 addr show eth0 | grep -c inet")).toBe(
      `0\n 0 ${FIRST} 65536\n1`,
    );
    expect((await run("bb:v1", "ping", "-c", "1", "-W", "5", address ?? "")).code).toBe(0);
    await until("it has made its files", async () => (await must("exec", "other", "ls", "/")).includes("made"));
    expect(await shell("docker cp other:/made - | tar -tvf - --numeric-owner")).toContain(" 0/0 ");
    expect((await run("-v", "kept:/kept", "bb:v1", "stat", "-c", "%u:%g", "/kept/by")).stdout).toBe("0:0\n");
    await must("rm", "-f", "other");
    await must("volume", "rm", "kept");
  });

  test("folders, copies, changes and images have the owners that are seen inside", async () => {
    await must(
      "run",
      "-d",
      "--name",
      "own",
      "-v",
      "/var/lib/made/here:/made",
      "bb:v1",
      "sh",
      "-c",
      "mkdir /d; touch /d/f /made/f; chown 5:6 /d/f; rm /etc/group; echo done; exec sleep 1000",
    );
    await until("it has written", async () => (await must("logs", "own")) === "done");
    const owners = await shell(`
      stat -c %u made made/here made/here/f; stat -c %a swarm-lab/${lab.name}/1/data
      echo text >in; chown 9:9 in; docker cp -a in own:/d/archived; docker cp in own:/d/plain; docker exec own stat -c %u /d/archived /d/plain
      docker cp own:/d - | tar -tv --numeric-owner | awk '{ print $2, $6 }' | sort
      docker export own | tar -tv --numeric-owner d/f | awk '{ print $2 }'
      docker cp own:/dev/null node; stat -c '%F %t %T' node`);
    expect(owners.split("\n")).toEqual([
      ...[String(FIRST), String(FIRST), String(FIRST), "710", "9", "9"],
      ...["0/0 d/", "5/6 d/f", "9/9 d/archived", "9/9 d/plain", "5/6", "character special file 1 3", ""],
    ]);
    expect((await must("diff", "own")).split("\n")).toEqual(["A /d", "A /d/archived", "A /d/f", "A /d/plain", "C /etc", "D /etc/group", "A /made"]);
    await must("commit", "own", "owned:v1");
    for (const flags of [[], ["--userns", "host"]])
      expect((await run(...flags, "owned:v1", "stat", "-c", "%u:%g", "/d/f", "/d/archived")).stdout).toBe("5:6\n9:9\n");
    await must("rm", "-f", "own");
    await must("rmi", "owned:v1");
  });

  test("what needs the host's own is refused unless it stays in the host's user namespace", async () => {
    const refusals = {
      "--privileged": "privileged mode is incompatible with user namespaces",
      "--network=host": "cannot share the host's network namespace when user namespaces are enabled",
      "--pid=host": "cannot share the host PID namespace when user namespaces are enabled",
      "--ipc=host": "cannot share the host's IPC namespace when user namespaces are enabled",
    };
    for (const [flag, words] of Object.entries(refusals)) {
      const outcome = await run(flag, "bb:v1", "true");
      expect(outcome.stderr).toContain(words);
      expect(outcome.code).toBe(125);
    }
    expect((await run("--privileged", "--network=host", "--userns=host", "bb:v1", "tr", "-s", " ", "<", "/proc/self/uid_map")).code).not.toBe(125);
    await must("create", "--name", "hosts", "--userns", "host", "bb:v1");
    expect(await must("inspect", "hosts", "--format", "{{.HostConfig.UsernsMode}}")).toBe("host");
    await must("rm", "hosts");
  });

  test("tasks too, and they go on when the daemon is killed", async () => {
    await docker.create("service", ["--replicas", "1"], "sh", "-c", "id -u; exec sleep 1000");
    const id = await must("ps", "-q", "--filter", "label=com.docker.swarm.service.name=service");
    const pid = await must("inspect", id, "--format", "{{.State.Pid}}");
    expect((await lab.run(["stat", "-c", "%u", `/proc/${pid}`])).stdout).toBe(`${FIRST}\n`);
    await lab.lab("kill", "1");
    await lab.lab("start", "1");
    expect(await must("inspect", id, "--format", "{{.State.Pid}} {{.State.Status}}")).toBe(`${pid} running`);
    expect(await must("exec", id, "id", "-u")).toBe("0");
    await must("service", "rm", "service");
  });

  test("a daemon that cannot have it says what is missing where", async () => {
    const start = (setting: string) =>
      lab.run(["dist/main/swarmd.js", "--userns-remap", setting, "--data-root", "/var/lib/none", "--exec-root", "/var/lib/none/run"]);
    expect(await start("daemon")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`has no line for daemon in /etc/subuid: add "daemon:${FIRST + 65_536}:65536" to it`),
    });
    expect(await start("no-such")).toMatchObject({ code: 1, stderr: expect.stringContaining("has no user in /etc/passwd: no-such") });
  });
});
