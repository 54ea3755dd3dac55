import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Outcome, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

/** Our own command line beside the stock one, on one host that is in no swarm. */
describe("swarm container and its short forms", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const host = () => `unix:///var/lib/swarm-lab/${lab.name}/1/swarmd.sock`;
  const swarm = (...args: readonly string[]): Promise<Outcome> => lab.run(["node", "dist/main/swarm.js", "-H", host(), ...args]);
  const withInput = (input: string, ...args: readonly string[]) => lab.run(["node", "dist/main/swarm.js", "-H", host(), ...args], { input });
  const must = async (...args: readonly string[]) => {
    const outcome = await swarm(...args);
    if (outcome.code !== 0) throw new Error(`swarm ${args.join(" ")} exited with ${outcome.code}: ${outcome.stderr}${outcome.stdout}`);
    return outcome.stdout.trim();
  };
  /** As a person at a terminal of 31 x 97, who types these lines. */
  const atTerminal = (command: string, typed = "") =>
    lab.run(["bash", "-c", `${typed === "" ? "" : typed} script -qec "stty rows 31 cols 97; node dist/main/swarm.js -H ${host()} ${command}" /dev/null`]);

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "1", "--workers", "0");
    await docker.must(1, "swarm", "leave", "--force");
    await docker.importBusybox([1]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("run: output, errors, input and exit code are the program's; the command's own are 125, 126 and 127", async () => {
    expect(await swarm("run", "--rm", "bb:v1", "sh", "-c", "echo out; echo err >&2; exit 7")).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
    expect(await withInput("one\ntwo\n", "run", "--rm", "-i", "bb:v1", "cat")).toEqual({ code: 0, stdout: "one\ntwo\n", stderr: "" });
    expect(await swarm("run", "--rm", "bb:v1", "no-such-program")).toMatchObject({ code: 127, stdout: "" });
    expect(await swarm("run", "--rm", "bb:v1", "/etc")).toMatchObject({ code: 126, stdout: "" });
    expect(await swarm("run", "--rm", "--no-such-flag", "bb:v1")).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("unknown option '--no-such-flag'"),
    });
    expect(await swarm("run", "--pull", "never", "nowhere:v1")).toMatchObject({ code: 125, stderr: "swarm: No such image: nowhere:v1\n" });
    expect(await swarm("run", "--rm=true", "--sig-proxy=false", "-a", "stderr", "bb:v1", "sh", "-c", "echo out; echo err >&2")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "err\n",
    });
    // Of those that were removed as they ended some may not be gone yet.
    await must("container", "prune", "--force");
    await until("nothing is left", async () => (await must("ps", "-aq")) === "", 30);
  });

  test("the flags of run come to what they say", async () => {
    const files = "/var/lib/swarm-lab";
    await lab.run(["bash", "-c", `printf 'FROM_FILE=yes\\n' >${files}/env`]);
    const flags =
      `--cidfile ${files}/id --env-file ${files}/env -e A=b -w /etc -u 0:7 -h box --add-host db:1.2.3.4 --dns 9.9.9.9 --ulimit nofile=99 --read-only --tmpfs /t:size=1m ` +
      "--memory 50m --cpus 0.5 --pids-limit 33 --init --security-opt no-new-privileges --cap-drop ALL --cap-add NET_ADMIN --label x=y -v /proc/sys/kernel:/k:ro " +
      "--mount type=bind,source=/etc,target=/e,readonly --net none --health-cmd true --health-interval 1h --log-driver json-file --log-opt max-size=1m --stop-timeout 1 --name flags";
    const script =
      "hostname; grep -c 1.2.3.4 /etc/hosts; echo $A $FROM_FILE; pwd; id -g; ulimit -n; touch /f 2>/dev/null || echo read-only; touch /t/f && echo written; ls /sys/class/net; " +
      "test -e /k/ostype && test -e /e/passwd && echo mounted; grep NoNewPrivs /proc/self/status | grep -c 1; grep CapEff /proc/self/status";
    const { stdout, stderr, code } = await swarm("run", ...flags.split(" "), "bb:v1", "sh", "-c", script);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.trim().split("\n")).toEqual([
      "box",
      "1",
      "b yes",
      "/etc",
      "7",
      "99",
      "read-only",
      "written",
      "lo",
      "mounted",
      "1",
      "CapEff:\t0000000000001000",
    ]);
    const inspected = "{{.Id}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.Config.Labels.x}} {{.Config.StopTimeout}}";
    const id = (await lab.run(["cat", `${files}/id`])).stdout;
    expect(await must("container", "inspect", "-f", inspected, "flags")).toBe(`${id} 52428800 500000000 33 y 1`);
    expect(await swarm("run", "--cidfile", `${files}/id`, "bb:v1", "true")).toMatchObject({ code: 125, stderr: expect.stringContaining("id exists") });
    await must("container", "rm", "flags");
  });

  test("run -it: the program has this terminal's size, its input and its keys", async () => {
    const sized = await atTerminal(`run --rm -it bb:v1 sh -c 'until [ \\"\\$(stty size)\\" = \\"31 97\\" ]; do sleep 0.05; done; tty; exit 3'`);
    expect(sized.stdout).toContain("/dev/pts/0");
    expect(sized.code).toBe(3);
    expect(await swarm("run", "--rm", "-it", "bb:v1", "true")).toMatchObject({ code: 125, stderr: "swarm: the input device is not a TTY\n" });
  });

  test("the keys to detach leave the program running, and attach finds it again", async () => {
    await lab.run(["mkfifo", "/var/lib/swarm-lab/keys"]);
    const session = atTerminal(
      "run --name kept --detach-keys ctrl-x,q -it bb:v1 sh -c 'echo ready; read line; echo got \\$line; exit 5'",
      "exec 0<>/var/lib/swarm-lab/keys;",
    );
    await until("it has started", async () => (await swarm("logs", "kept")).stdout.includes("ready"), 30);
    await lab.run(["bash", "-c", "printf '\\x18q' >/var/lib/swarm-lab/keys"]);
    expect((await session).code).toBe(0);
    expect(await must("container", "inspect", "-f", "{{.State.Status}}", "kept")).toBe("running");
    const again = atTerminal("container attach kept", "exec 0<>/var/lib/swarm-lab/keys;");
    await until(
      "it listens",
      async () =>
        (await docker.try(1, "events", "--since", "1h", "--until", "0s", "--filter", "event=attach", "--format", "{{.Action}}")).stdout.split("attach").length >
        2,
      30,
    );
    await lab.run(["bash", "-c", "printf 'typed\\r' >/var/lib/swarm-lab/keys"]);
    expect(await again).toMatchObject({ code: 5, stdout: expect.stringContaining("got typed") });
    await must("container", "rm", "kept");
  });

  test("signals go to the program, and its end is the command's", async () => {
    const running = swarm("run", "--name", "trapped", "bb:v1", "sh", "-c", "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.1; done");
    await until("it has started", async () => (await swarm("logs", "trapped")).stdout.includes("ready"), 30);
    await lab.run(["bash", "-c", "for p in /proc/[0-9]*; do grep -qa 'swarm.js.*[t]rapped' $p/cmdline && kill -TERM $(basename $p); done"]);
    expect(await running).toMatchObject({ code: 9, stdout: "ready\ncaught\n" });
    await must("container", "rm", "trapped");
  });

  test("an interrupt ends what is followed with 130 and without a word; a reader that goes away is no failure, a full disk is one", async () => {
    await must("run", "-d", "--name", "chat", "bb:v1", "sh", "-c", "while echo line; do sleep 0.1; done");
    const shell = (line: string) => lab.run(["bash", "-c", `swarm() { node dist/main/swarm.js -H ${host()} "$@"; }; ${line}`]);
    const interrupted = (command: string) => {
      const file = "/var/lib/swarm-lab/followed";
      const wait = `until [ -s ${file} ]; do kill -0 $p && sleep 0.1 || break; done`;
      return shell(`rm -f ${file}; node dist/main/swarm.js -H ${host()} ${command} >${file} & p=$!; ${wait}; kill -INT $p; wait $p`);
    };
    for (const command of ["logs -f chat", "stats chat"]) expect(await interrupted(command), command).toEqual({ code: 130, stdout: "", stderr: "" });
    expect(await shell("set -o pipefail; swarm logs -f chat | head -n 1")).toEqual({ code: 0, stdout: "line\n", stderr: "" });
    const full = await shell("swarm logs chat >/dev/full");
    expect(full).toEqual({ code: 1, stdout: "", stderr: "swarm: cannot write the output: ENOSPC: no space left on device, write\n" });
    await must("rm", "-f", "chat");
  });

  test("exec: streams, input, code, user, folder, environment", async () => {
    await must("run", "-d", "--name", "box", "bb:v1");
    expect(await swarm("exec", "box", "sh", "-c", "echo out; echo err >&2; exit 4")).toEqual({ code: 4, stdout: "out\n", stderr: "err\n" });
    expect(await withInput("typed", "exec", "-i", "box", "cat")).toMatchObject({ code: 0, stdout: "typed" });
    expect((await swarm("exec", "-e", "A=b", "-w", "/tmp", "-u", "12:34", "box", "sh", "-c", "echo $A; pwd; id -u")).stdout).toBe("b\n/tmp\n12\n");
    expect(await swarm("exec", "box", "no-such-program")).toMatchObject({ code: 127, stdout: expect.stringContaining("executable file not found") });
    expect(await swarm("exec", "--frob", "box", "true")).toMatchObject({ code: 125 });
    expect(await swarm("exec", "nobody", "true")).toEqual({ code: 1, stdout: "", stderr: "swarm: No such container: nobody\n" });
    const terminal = await atTerminal("exec -it box tty");
    expect(terminal.stdout).toContain("/dev/pts/");
    await must("container", "rm", "-f", "box");
  });

  test("ls, inspect, top, port, stats and logs say what the stock command line says", async () => {
    await must(
      "run",
      "-d",
      "--name",
      "one",
      "--label",
      "a=b",
      "-p",
      "8099:80",
      "-p",
      "8100-8101:8100-8101",
      "-v",
      "/etc:/e:ro",
      "bb:v1",
      "sh",
      "-c",
      "echo said; exec sleep 100000",
    );
    await must("container", "create", "--name", "two", "--restart", "on-failure:3", "--memory", "64m", "bb:v1", "true");
    await until("it has written", async () => (await swarm("logs", "one")).stdout === "said\n", 30);
    /** Ages that moved on between two calls, and the widths of their columns, are no difference. */
    const same = async (ours: readonly string[], theirs = ours) => {
      const bare = (text: string) =>
        text
          .replace(/\b(Less than a second|About a minute|\d+ (seconds?|minutes))\b/g, "some time")
          .replace(/ +/g, " ")
          .replace(/ $/gm, "")
          .trim();
      expect(bare(await must(...ours)), ours.join(" ")).toBe(bare(await docker.must(1, ...theirs)));
    };
    await same(["ps"]);
    await same(["ps", "-a", "--no-trunc"]);
    await same(["ps", "-aq"]);
    await same([
      "ps",
      "-a",
      "--format",
      '{{.ID}}|{{.Names}}|{{.Image}}|{{.Command}}|{{.CreatedAt}}|{{.Ports}}|{{.State}}|{{.Label "a"}}|{{.Labels}}|{{.Mounts}}|{{.Networks}}',
    ]);
    await same(["ps", "-a", "--filter", "name=two", "--format", "table {{.Names}}\t{{upper .Status}}"]);
    await same(["container", "inspect", "one", "two"]);
    await same([
      "container",
      "inspect",
      "-f",
      '{{.Name}} {{json .Config.Labels}} {{range $p, $b := .NetworkSettings.Ports}}{{$p}}:{{(index $b 0).HostPort}} {{end}}{{if eq .State.Status "running"}}up{{end}}',
      "one",
    ]);
    await same(["container", "top", "one", "-o", "pid,ppid,tty,args"]);
    expect(await must("container", "top", "one")).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD\nroot +\d+ .* sleep 100000$/);
    // The stock one has them in any order.
    expect(await must("container", "port", "one")).toBe("80/tcp -> 0.0.0.0:8099\n8100/tcp -> 0.0.0.0:8100\n8101/tcp -> 0.0.0.0:8101");
    expect((await docker.must(1, "port", "one")).split("\n").toSorted().join("\n")).toBe(
      (await must("container", "port", "one")).split("\n").toSorted().join("\n"),
    );
    await same(["container", "port", "one", "80"]);
    await same(["stats", "--no-stream", "--format", "{{.ID}} {{.Name}} {{.PIDs}}", "one"]);
    expect(await must("stats", "--no-stream", "one")).toMatch(
      /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS\n[0-9a-f]{12} +one +\d+\.\d\d% +[\d.]+[KM]iB \/ [\d.]+[GT]iB +[\d.]+% +.* +1$/,
    );
    await same(["logs", "-t", "one"]);
    expect(await swarm("container", "inspect", "nobody", "two", "-f", "{{.HostConfig.Memory}}")).toEqual({
      code: 1,
      stdout: "67108864\n",
      stderr: "swarm: No such container: nobody\n",
    });
    expect(await swarm("container", "port", "one", "81")).toMatchObject({ code: 1, stderr: "swarm: no public port '81' published for one\n" });
    await must("container", "rm", "-f", "one", "two");
  });

  test("a life: create, start, pause, rename, update, restart, stop, kill, wait, rm", async () => {
    const program = "trap 'echo stopped; exit 3' TERM; echo started; while :; do sleep 0.1; done";
    expect(await must("container", "create", "--name", "life", "bb:v1", "sh", "-c", program)).toMatch(/^[0-9a-f]{64}$/);
    expect(await must("container", "start", "life")).toBe("life");
    await until("it has started", async () => (await must("logs", "life")) === "started", 30);
    await must("container", "pause", "life");
    expect(await must("ps", "--filter", "status=paused", "--format", "{{.Names}}")).toBe("life");
    await must("container", "unpause", "life");
    await must("container", "rename", "life", "second");
    await must("container", "update", "--memory", "64m", "--cpuset-cpus", "0", "--restart", "on-failure:2", "second");
    const limits = "{{.HostConfig.Memory}} {{.HostConfig.CpusetCpus}} {{.HostConfig.RestartPolicy.Name}}";
    expect(await must("container", "inspect", "second", "-f", limits)).toBe("67108864 0 on-failure");
    expect(await must("exec", "second", "grep", "Cpus_allowed_list", "/proc/1/status")).toBe("Cpus_allowed_list:\t0");
    const refusal = expect.stringMatching(/Requested CPUs are not available - requested 900, available: \d/);
    expect(await swarm("container", "update", "--cpuset-cpus", "900", "second")).toMatchObject({ code: 1, stderr: refusal });
    await must("container", "restart", "second");
    await until("it has started again", async () => (await must("logs", "--tail", "1", "second")) === "started", 30);
    await must("container", "stop", "second");
    expect(await must("container", "wait", "second")).toBe("3");
    expect(await swarm("container", "kill", "second")).toMatchObject({ code: 1, stderr: expect.stringContaining("is not running") });
    expect(await swarm("container", "start", "-a", "second", "extra")).toMatchObject({ code: 2 });
    expect(await swarm("container", "rm", "nobody", "second")).toEqual({
      code: 1,
      stdout: "second\n",
      stderr: "nobody: No such container: nobody\nswarm: 1 of 2 failed\n",
    });
    expect(await must("container", "rm", "--force", "nobody")).toBe("nobody");
    expect(await withInput("n\n", "container", "prune")).toMatchObject({ code: 1, stderr: expect.stringContaining("[y/N]") });
    const left = await must("container", "create", "bb:v1");
    expect(await must("container", "prune", "--force")).toMatch(
      new RegExp(`^Deleted Containers:\n[0-9a-f\n]*${left}\n[0-9a-f\n]*\nTotal reclaimed space: \\d[^\n]*$`),
    );
  });

  test("cp, diff, export and commit", async () => {
    const folder = "/var/lib/swarm-lab/files";
    await lab.run([
      "bash",
      "-c",
      `mkdir -p ${folder}/tree/sub && echo inner >${folder}/tree/sub/file && ln -s sub/file ${folder}/tree/link && echo alone >${folder}/alone && chmod 640 ${folder}/alone`,
    ]);
    await must("run", "-d", "--name", "files", "bb:v1", "sh", "-c", "mkdir /out && echo made >/out/made && ln -s made /out/link && exec sleep 100000");
    await until("it has made its files", async () => (await swarm("exec", "files", "test", "-e", "/out/link")).code === 0, 30);
    await must("cp", `${folder}/alone`, "files:/tmp");
    await must("cp", `${folder}/alone`, "files:/tmp/renamed");
    await must("cp", `${folder}/tree`, "files:/tmp/new");
    await must("container", "cp", `${folder}/tree/.`, "files:/tmp");
    const listing = "cat /tmp/alone /tmp/renamed /tmp/new/sub/file /tmp/sub/file /tmp/link; stat -c '%a %u' /tmp/alone; readlink /tmp/new/link";
    expect((await swarm("exec", "files", "sh", "-c", listing)).stdout).toBe("alone\nalone\ninner\ninner\ninner\n640 0\nsub/file\n");
    await must("cp", "files:/out", `${folder}`);
    await lab.run(["mkdir", `${folder}/contents`]);
    await must("cp", "files:/out/.", `${folder}/contents/`);
    await must("cp", "-L", "files:/out/link", `${folder}/followed`);
    expect(
      (await lab.run(["bash", "-c", `cd ${folder}; cat out/made contents/made followed; readlink out/link; test -L followed || echo a file`])).stdout,
    ).toBe("made\nmade\nmade\nmade\na file\n");
    const archive = await lab.run([
      "bash",
      "-c",
      `node dist/main/swarm.js -H ${host()} cp files:/out - | tar -t; tar -C ${folder} -c alone | node dist/main/swarm.js -H ${host()} cp - files:/out`,
    ]);
    expect(archive).toMatchObject({ code: 0, stdout: "out/\nout/link\nout/made\n" });
    expect(await swarm("cp", "files:/nowhere", folder)).toMatchObject({ code: 1, stderr: expect.stringContaining("/nowhere") });
    expect(await swarm("cp", "/nowhere", "files:/tmp")).toEqual({ code: 1, stdout: "", stderr: "swarm: there is no /nowhere\n" });
    expect(await must("container", "diff", "files")).toBe(await docker.must(1, "diff", "files"));
    await must("container", "export", "-o", `${folder}/export.tar`, "files");
    expect((await lab.run(["tar", "-tf", `${folder}/export.tar`])).stdout).toContain("out/made");
    expect(await must("container", "commit", "-m", "a note", "-c", "CMD cat /out/alone", "files", "made:v1")).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await swarm("run", "--rm", "made:v1")).toMatchObject({ code: 0, stdout: "alone\n" });
    await must("container", "rm", "-f", "files");
  });

  test("stats goes on until what it watches is gone", async () => {
    await must("run", "-d", "--name", "watched", "bb:v1");
    const screen = "/var/lib/swarm-lab/stats";
    const watching = lab.run(["bash", "-c", `node dist/main/swarm.js -H ${host()} stats --format '{{.Name}} {{.PIDs}}' watched >${screen}`]);
    await until("it shows something twice", async () => ((await lab.run(["cat", screen])).stdout.match(/^watched 1$/gm) ?? []).length > 1, 30);
    await must("container", "rm", "-f", "watched");
    expect(await watching).toMatchObject({ code: 0, stderr: "" });
  });

  test("events, df and prune of the whole node", async () => {
    const id = await must("container", "create", "--name", "seen", "--label", "x=y", "bb:v1");
    // The stock one counts in whole seconds.
    const window = ["--since", "1h", "--until", String(Math.floor(Date.now() / 1000) + 1), "--filter", `container=${id}`];
    const action = ["--filter", "event=create", "--format", "{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}"];
    expect(await must("events", ...window, ...action)).toBe(`container create ${id} seen`);
    expect(await must("events", ...window)).toBe(await docker.must(1, "events", ...window));
    expect(await must("system", "df")).toBe(await docker.must(1, "system", "df"));
    expect(await must("system", "df", "--format", "{{.Type}} {{.TotalCount}}")).toMatch(/^Images \d\nContainers \d\nLocal Volumes \d\n/);
    expect(await must("system", "df", "-v")).toMatch(/^Images space usage:\n\nREPOSITORY[\s\S]*Containers space usage:\n\nCONTAINER ID[\s\S]*seen/);
    expect(await withInput("", "system", "prune")).toMatchObject({ code: 1, stderr: expect.stringContaining("- all stopped containers") });
    expect(await must("system", "prune", "--force")).toMatch(new RegExp(`^Deleted Containers:\n[\\s\\S]*${id}\n[\\s\\S]*Total reclaimed space: `));
    await until("nothing is left", async () => (await must("ps", "-aq")) === "", 30);
  });
});
