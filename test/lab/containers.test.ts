import Docker from "dockerode";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, type Outcome, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

const client = dockerClients()[0] ?? "docker";

/** Containers of one host that is in no swarm, by the stock command line and an SDK. */
describe("a host on its own", () => {
  let folder: string;
  let lab: TestLab;
  let docker: LabDocker;
  const must = (...args: readonly string[]) => docker.must(1, ...args);
  const run = (...args: readonly string[]) => docker.try(1, "run", "--rm", ...args);
  const withInput = (input: string, ...args: readonly string[]): Promise<Outcome> =>
    lab.run([client, "-H", `unix:///var/lib/swarm-lab/${lab.name}/1/swarmd.sock`, ...args], { input });
  /** As a person at a terminal of 31 x 97. */
  const atTerminal = (command: string) =>
    lab.run(["script", "-qec", `stty rows 31 cols 97; ${client} -H unix:///var/lib/swarm-lab/${lab.name}/1/swarmd.sock ${command}`, "/dev/null"]);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "lab-containers-"));
    writeFileSync(join(folder, "daemon.json"), JSON.stringify({ runtimes: { runc: { path: "runc" }, crun: { path: "/usr/bin/crun" } } }));
    process.env.SWARM_LAB_CONFIG = join(folder, "daemon.json");
    lab = await TestLab.open();
    docker = new LabDocker(lab, client);
    await lab.lab("up", "--managers", "1", "--workers", "0");
    await must("swarm", "leave", "--force");
    await docker.importBusybox([1]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
    delete process.env.SWARM_LAB_CONFIG;
    rmSync(folder, { recursive: true });
  });

  test("run: output, errors, input and exit code are the program's, and nothing is left", async () => {
    expect(await run("bb:v1", "sh", "-c", "echo out; echo err >&2; exit 7")).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
    expect(await withInput("one\ntwo\n", "run", "--rm", "-i", "bb:v1", "cat")).toEqual({ code: 0, stdout: "one\ntwo\n", stderr: "" });
    expect(await run("bb:v1", "no-such-program")).toMatchObject({ code: 127 });
    await until("the containers are gone", async () => (await must("ps", "-aq")) === "");
  });

  test("run at a terminal: it has the client's size", async () => {
    const outcome = await atTerminal(`run --rm -it bb:v1 sh -c 'until [ "$(stty size)" = "31 97" ]; do sleep 0.05; done; tty'`);
    expect(outcome.stdout).toContain("/dev/pts/0");
    expect(outcome.code).toBe(0);
  });

  test("the flags of run come to what they say", async () => {
    const flags =
      "--hostname box --add-host db:1.2.3.4 --dns 9.9.9.9 --env A=b --workdir /etc --user 0:7 --ulimit nofile=99 --read-only --tmpfs /t:size=1m --shm-size 2m " +
      "--cap-drop ALL --cap-add NET_ADMIN --memory 50m --cpus 0.5 --cpuset-cpus 0 --pids-limit 33 --init --sysctl net.ipv4.ip_forward=1 --security-opt no-new-privileges " +
      "--label x=y --volume /proc/sys/kernel:/k:ro --mount type=bind,source=/etc,target=/e,readonly --device /dev/fuse";
    const script =
      "hostname; grep -c 1.2.3.4 /etc/hosts; grep 9.9 /etc/resolv.conf; echo $A; pwd; id -g; ulimit -n; touch /f 2>/dev/null || echo read-only; touch /t/f && echo written; " +
      "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpuset/cpuset.cpus; head -c 11 /proc/1/cmdline | head -c 5; echo; test -e /k/ostype && test -e /e/passwd && test -c /dev/fuse && echo mounted; " +
      "grep NoNewPrivs /proc/self/status | grep -c 1; grep CapEff /proc/self/status";
    const { stdout, stderr } = await run(...flags.split(" "), "bb:v1", "sh", "-c", script);
    expect(stderr).toBe("");
    const expected = ["box", "1", "nameserver 9.9.9.9", "b", "/etc", "7", "99", "read-only", "written", "33", "52428800", "0", "/sbin", "mounted", "1"];
    expect(stdout.trim().split("\n")).toEqual([...expected, "CapEff:\t0000000000001000"]);
  });

  test("networks: a published port, none, the host's and another container's", async () => {
    await must("run", "-d", "--name", "web", "-p", "8099:80", "-P", "bb:v1", "sh", "-c", "while :; do echo hello | nc -l -p 80; done");
    expect(await must("port", "web")).toBe("80/tcp -> 0.0.0.0:8099");
    expect((await docker.try(1, "run", "-d", "-p", "8099:80", "bb:v1")).stderr).toContain("8099");
    await must(
      "run",
      "-d",
      "--name",
      "near",
      "-p",
      "127.0.0.1:8098:80",
      "-p",
      "8097-8099:81",
      "bb:v1",
      "sh",
      "-c",
      "while :; do echo near | nc -l -p 80; done",
    );
    expect([await must("port", "near", "80"), await must("port", "near", "81")]).toEqual(["127.0.0.1:8098", "0.0.0.0:8097"]);
    const atHost = (script: string) => run("--network", "host", "bb:v1", "sh", "-c", script);
    await until("it answers the host", async () => (await atHost("nc 127.0.0.1 8098 </dev/null")).stdout === "near\n");
    expect((await atHost("nc -w 5 10.88.0.1 8098 </dev/null")).code).not.toBe(0);
    await must("rm", "-f", "near");
    const gateway = `[ "$(grep gw /etc/hosts | cut -f1)" = "$(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p')" ] && echo same`;
    expect((await run("--add-host", "gw:host-gateway", "bb:v1", "sh", "-c", gateway)).stdout).toBe("same\n");
    expect((await run("--pid", "host", "--uts", "host", "bb:v1", "sh", "-c", "hostname; [ $$ -gt 2 ] && echo among others")).stdout).toBe(
      `${await must("info", "--format", "{{.Name}}")}\namong others\n`,
    );
    expect((await run("--network", "none", "bb:v1", "sh", "-c", "ls /sys/class/net")).stdout).toBe("lo\n");
    const address = await must("inspect", "web", "--format", "{{.NetworkSettings.IPAddress}}");
    expect((await run("--network", "container:web", "bb:v1", "ip", "-4", "addr", "show", "eth0")).stdout).toContain(`inet ${address}/`);
    expect((await run("--network", "host", "bb:v1", "ls", "/sys/class/net")).stdout).toMatch(/sw\w+0/);
    const withMac = (network: string, ...command: readonly string[]) => run("--network", network, "--mac-address", "92:d0:c6:0a:29:34", "bb:v1", ...command);
    for (const network of ["host", "container:web"]) {
      expect((await withMac(network, "true")).stderr).toContain("conflicting options: mac-address and the network mode");
    }
    expect((await withMac("none", "ls", "/sys/class/net")).stdout).toBe("lo\n");
    await must("rm", "-f", "web");
  });

  test.each(["runc", "crun"])("under %s, on a network, with programs run in it, over a restart of the daemon", async (runtime) => {
    expect(JSON.parse(await must("info", "--format", "{{json .Runtimes}}"))).toMatchObject({ runc: { path: "runc" }, crun: { path: "/usr/bin/crun" } });
    await must(
      "run",
      "-d",
      "--name",
      "other",
      "--runtime",
      runtime,
      "-p",
      "8098:80",
      "--cpuset-cpus",
      "0",
      "bb:v1",
      "sh",
      "-c",
      "trap 'exit 3' TERM; while :; do echo hello | nc -l -p 80; done",
    );
    expect(await must("inspect", "other", "--format", "{{.HostConfig.Runtime}}")).toBe(runtime);
    expect(await must("exec", "other", "grep", "Cpus_allowed_list", "/proc/1/status", "/proc/self/status")).toMatch(/^([^\n]*:\t0\n?){2}$/);
    const address = await must("inspect", "other", "--format", "{{.NetworkSettings.IPAddress}}");
    await until("it answers", async () => (await run("bb:v1", "sh", "-c", `nc ${address} 80 </dev/null`)).stdout === "hello\n");
    expect(await must("exec", "-u", "nobody", "other", "sh", "-c", "id -un; ip -4 addr show eth0")).toMatch(new RegExp(`^nobody\n[^]*inet ${address}/`));
    expect((await run("--network", "container:other", "--runtime", runtime, "bb:v1", "ip", "-4", "addr", "show", "eth0")).stdout).toContain(`inet ${address}/`);
    const pid = await must("inspect", "other", "--format", "{{.State.Pid}}");
    await lab.lab("kill", "1");
    await lab.lab("start", "1");
    expect(await must("inspect", "other", "--format", "{{.State.Pid}} {{.State.Status}}")).toBe(`${pid} running`);
    await must("exec", "other", "kill", "-TERM", "1");
    await must("rm", "-f", "other");
    expect((await docker.try(1, "run", "--runtime", "kata", "bb:v1")).stderr).toContain("unknown or invalid runtime name: kata");
  });

  test("namespaces of another container, and how they end", async () => {
    await must("run", "-d", "--name", "donor", "--ipc", "shareable", "bb:v1", "sh", "-c", "echo common >/dev/shm/f; exec sleep 100123");
    const id = await must("inspect", "donor", "--format", "{{.Id}}");
    await must("run", "-d", "--name", "guest", "--pid", "container:donor", "--ipc", "container:donor", "--cgroupns", "host", "bb:v1", "sleep", "100124");
    const modes = "{{.HostConfig.PidMode}} {{.HostConfig.IpcMode}} {{.HostConfig.CgroupnsMode}}";
    expect(await must("inspect", "guest", "--format", modes)).toBe(`container:${id} container:${id} host`);
    expect(await must("inspect", "donor", "--format", modes)).toBe("shareable private");
    const sees = await must("exec", "guest", "sh", "-c", "cat /dev/shm/f; ps");
    expect(sees).toContain("common");
    expect(sees).toMatch(/ 1 root .*sleep 100123(.|\n)*sleep 100124/);
    await lab.lab("kill", "1");
    await lab.lab("start", "1");
    expect(await must("inspect", "donor", "guest", "--format", "{{.State.Status}}")).toBe("running\nrunning");
    await must("stop", "-t", "0", "donor");
    expect(await must("wait", "guest")).toBe("137");
    expect((await docker.try(1, "start", "guest")).stderr).toContain(`cannot join PID of a non running container: ${id}`);
    await must("start", "donor");
    await must("start", "guest");
    await must("rm", "-f", "donor", "guest");
    expect((await run("--pid", "container:donor", "bb:v1", "true")).stderr).toContain("No such container: donor");
  });

  test("a filter of one's own, and none", async () => {
    const filter = join(folder, "filter.json");
    const refusal = { names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 28 };
    writeFileSync(filter, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [refusal] }));
    expect((await run("--security-opt", `seccomp=${filter}`, "bb:v1", "mkdir", "/d")).stderr).toContain("No space left on device");
    expect((await run("--security-opt", "seccomp=unconfined", "bb:v1", "mkdir", "/d")).code).toBe(0);
    expect((await run("--security-opt", "label=x", "bb:v1", "true")).stderr).toContain('the security option "label=x" is not supported yet');
  });

  test("exec: streams, input, code, user, folder, environment, detached", async () => {
    await must("run", "-d", "--name", "box", "bb:v1");
    expect(await docker.try(1, "exec", "box", "sh", "-c", "echo out; echo err >&2; exit 4")).toEqual({ code: 4, stdout: "out\n", stderr: "err\n" });
    expect(await withInput("typed", "exec", "-i", "box", "cat")).toMatchObject({ code: 0, stdout: "typed" });
    expect((await docker.try(1, "exec", "-e", "A=b", "-w", "/tmp", "-u", "12:34", "box", "sh", "-c", "echo $A; pwd; id -u")).stdout).toBe("b\n/tmp\n12\n");
    await must("exec", "-d", "box", "sh", "-c", "echo made >/tmp/made");
    await until("the file is made", async () => (await docker.try(1, "exec", "box", "cat", "/tmp/made")).stdout === "made\n");
    expect(await docker.try(1, "exec", "box", "no-such-program")).toMatchObject({ code: 127, stdout: expect.stringContaining("executable file not found") });
    expect((await atTerminal("exec -it box tty")).stdout).toContain("/dev/pts/");
    await must("rm", "-f", "box");
    expect((await docker.try(1, "exec", "box", "true")).stderr).toContain("No such container: box");
  });

  test("a life: create, start, logs, top, stats, pause, rename, update, restart, stop, kill, wait, inspect, events", async () => {
    const id = await must("create", "--name", "life", "bb:v1", "sh", "-c", "trap 'echo stopped; exit 3' TERM; echo started; while :; do sleep 0.1; done");
    expect(await must("start", "life")).toBe("life");
    await until("it has started", async () => (await must("logs", "life")) === "started");
    expect(await must("top", "life")).toContain("trap");
    expect(await must("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "life")).toMatch(/^life [1-9]/);
    await must("pause", "life");
    expect(await must("ps", "--filter", "status=paused", "--format", "{{.Names}} {{.Status}}")).toMatch(/^life Up .*\(Paused\)$/);
    await must("unpause", "life");
    await must("rename", "life", "second");
    await must("update", "--memory", "64m", "--restart", "on-failure:2", "second");
    expect(await must("inspect", "second", "--format", "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}")).toBe("67108864 on-failure");
    await must("restart", "second");
    await until("it has started again", async () => (await must("logs", "second")) === "started\nstopped\nstarted");
    await must("stop", "second");
    expect(await must("wait", "second")).toBe("3");
    expect(await must("ps", "-a", "--filter", "exited=3", "--format", "{{.Names}}")).toBe("second");
    expect((await docker.try(1, "kill", "second")).stderr).toContain("is not running");
    await must("rm", "second");
    const actions = (
      await must("events", "--since", "1h", "--until", `${Math.floor(Date.now() / 1000) + 1}`, "--filter", `container=${id}`, "--format", "{{.Action}}")
    ).split("\n");
    const stop = ["kill", "die", "stop"];
    expect(actions).toEqual(["create", "start", "top", "pause", "unpause", "rename", "update", ...stop, "start", "restart", ...stop, "destroy"]);
  });

  test("policies: restarts are counted and bounded, and the daemon's end disturbs nothing but starts what it should", async () => {
    await must("run", "-d", "--name", "failing", "--restart", "on-failure:2", "bb:v1", "sh", "-c", "exit 9");
    await must("run", "-d", "--name", "steady", "--restart", "always", "-p", "8077:80", "--mac-address", "92:d0:c6:0a:29:33", "bb:v1");
    await must("run", "-d", "--name", "stopped", "--restart", "unless-stopped", "--stop-timeout", "1", "bb:v1");
    await must("run", "-d", "--name", "killed", "--restart", "unless-stopped", "bb:v1");
    await must("stop", "stopped");
    await until(
      "it has been restarted twice",
      async () => (await must("inspect", "failing", "--format", "{{.RestartCount}} {{.State.Status}}")) === "2 exited",
    );
    const pid = await must("inspect", "steady", "--format", "{{.State.Pid}}");
    const victim = await must("inspect", "killed", "--format", "{{.State.Pid}}");
    await lab.lab("kill", "1");
    await lab.signal("KILL", victim);
    await lab.lab("start", "1");
    expect(await must("inspect", "steady", "--format", "{{.State.Pid}} {{.State.Status}}")).toBe(`${pid} running`);
    expect(await must("port", "steady")).toBe("80/tcp -> 0.0.0.0:8077");
    const shown = "{{.Config.MacAddress}} {{.NetworkSettings.MacAddress}} {{.NetworkSettings.Networks.bridge.MacAddress}}";
    for (const step of ["the daemon's restart", "its own"]) {
      expect(await must("exec", "steady", "cat", "/sys/class/net/eth0/address"), step).toBe("92:d0:c6:0a:29:33");
      expect(await must("inspect", "steady", "--format", shown), step).toBe(Array(3).fill("92:d0:c6:0a:29:33").join(" "));
      await must("restart", "-t", "0", "steady");
    }
    await until("what ended meanwhile runs again", async () => (await must("inspect", "killed", "--format", "{{.State.Status}}")) === "running");
    expect(await must("inspect", "stopped", "--format", "{{.State.Status}}")).toBe("exited");
    await must("rm", "-f", "failing", "steady", "stopped", "killed");
  });

  test("one whose record is damaged is dead until it is mended, and runs on", async () => {
    const id = await must("run", "-d", "--name", "whole", "bb:v1");
    const record = join(dirname(await must("inspect", "whole", "--format", "{{.HostsPath}}")), "record.json");
    const restartAfter = async (...command: readonly string[]) => {
      await lab.lab("kill", "1");
      expect(await lab.run(command)).toMatchObject({ code: 0 });
      await lab.lab("start", "1");
    };
    await restartAfter("sed", "--in-place=.whole", "1s/{/X/", record);
    expect(await must("ps", "-a", "--no-trunc", "--filter", "status=dead", "--format", "{{.ID}} {{.Status}}")).toBe(`${id} Dead`);
    expect((await docker.try(1, "rm", "-f", id.slice(0, 12))).stderr).toContain(
      `container ${id} has a damaged record, and nothing can be done with it: put the record back`,
    );
    await restartAfter("mv", `${record}.whole`, record);
    expect(await must("ps", "-a", "--filter", "name=whole", "--format", "{{.Names}} {{.State}}")).toBe("whole running");
    await must("rm", "-f", "whole");
  });

  test("what is not built is refused with one sentence", async () => {
    for (const [flags, sentence] of [
      [["--mount", "type=volume,target=/d,volume-driver=flocker"], 'the volume driver "flocker" is not supported yet: local is'],
      [["--network", "other"], 'attaching containers to networks is not supported yet: "other"'],
      [["--cgroup-parent", "/other"], 'HostConfig.CgroupParent "/other" is not supported yet'],
    ] as const) {
      expect((await run(...flags, "bb:v1", "true")).stderr).toContain(sentence);
    }
  });

  test("dockerode attaches and executes", async () => {
    const dockerode = new Docker({ socketPath: lab.socket(1) });
    const container = await dockerode.createContainer({
      Image: "bb:v1",
      Cmd: ["cat"],
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
    });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    const output = new PassThrough();
    dockerode.modem.demuxStream(stream, output, output);
    await container.start();
    stream.write("through\n");
    await new Promise((resolve) => output.once("data", resolve)).then((data) => expect(String(data)).toBe("through\n"));
    const exec = await container.exec({ Cmd: ["sh", "-c", "exit 6"], AttachStdout: true });
    const running = await exec.start({ hijack: true });
    running.resume();
    await until("it has ended", async () => (await exec.inspect()).ExitCode === 6);
    stream.end();
    expect(await container.wait()).toMatchObject({ StatusCode: 0 });
    await container.remove();
  });

  test("the keys to detach leave a terminal's program running", async () => {
    const dockerode = new Docker({ socketPath: lab.socket(1) });
    const container = await dockerode.createContainer({ Image: "bb:v1", Cmd: ["sh"], Tty: true, OpenStdin: true });
    await container.start();
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true, detachKeys: "ctrl-x,q" });
    let seen = "";
    stream.on("data", (data: Buffer) => {
      seen += data.toString();
    });
    stream.write("echo from-$((40+2))\n");
    await until("it has answered", () => seen.includes("from-42"));
    const ended = new Promise((resolve) => stream.once("end", resolve));
    stream.write("\x18q");
    await ended;
    expect((await container.inspect()).State.Running).toBe(true);
    await container.remove({ force: true });
  });
});
