import { execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { arch } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { OCI_PATH, OciBundle, type OciConfig } from "../../support/oci-bundle.js";
import { until } from "../../support/until.js";

const AGENT_PATH = join(dirname(OCI_PATH), "seccomp-agent");
const HAS_APPARMOR = existsSync("/sys/module/apparmor/parameters/enabled") && readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").startsWith("Y");
const HAS_HUGE_PAGES = ["/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/unified/cgroup.controllers"].some(
  (path) => existsSync(path) && readFileSync(path, "utf8").includes("hugetlb"),
);

/** crun knows no hierarchy of version 2 beside one of version 1: such a machine's is hidden from it. */
const CRUN = ["unshare", "-m", "sh", "-c", '[ ! -d /sys/fs/cgroup/unified ] || mount -t tmpfs tmpfs /sys/fs/cgroup/unified; exec crun "$@"', "crun"];

const ended = (bundle: OciBundle) => until("it has ended", () => bundle.state().status === "stopped");

/** Runs the script to its end, and gives what it said. */
async function run(bundle: OciBundle, script: string, change?: Parameters<OciBundle["write"]>[1]): Promise<string> {
  bundle.write(script, change);
  expect(bundle.create()).toMatchObject({ code: 0, stderr: "" });
  expect(bundle.call("start", bundle.id)).toMatchObject({ code: 0, stderr: "" });
  await ended(bundle);
  expect(bundle.call("delete", bundle.id)).toMatchObject({ code: 0, stderr: "" });
  return bundle.output();
}

test("a life: created, running, stopped, deleted, with the state that crun tells of the same bundle", async () => {
  using ours = new OciBundle();
  using theirs = new OciBundle();
  const script = "echo started; trap 'exit 3' USR1; while :; do sleep 1 & wait $!; done";
  const change = (config: Record<string, unknown>) => Object.assign(config, { annotations: { "org.example": "x" } });
  for (const bundle of [ours, theirs]) bundle.write(script, change);
  const callTheirs = (...words: readonly string[]) => theirs.callProgram(CRUN, words);
  const stateOfTheirs = () => JSON.parse(callTheirs("state", theirs.id).stdout) as Record<string, unknown>;
  const compare = (status: string) => {
    const [own, other] = [ours.state(), stateOfTheirs()];
    for (const state of [own, other]) expect(state).toMatchObject({ status, annotations: { "org.example": "x" } });
    expect(own).toEqual({
      ociVersion: "1.0.2",
      id: ours.id,
      status,
      pid: status === "stopped" ? 0 : ours.pid(),
      bundle: ours.folder,
      annotations: { "org.example": "x" },
    });
    expect(other.bundle).toBe(theirs.folder);
    expect(other.pid === 0).toBe(own.pid === 0);
  };
  expect(ours.create().stderr).toBe("");
  expect(theirs.create(CRUN).stderr).toBe("");
  compare("created");
  expect(ours.output()).toBe("");
  expect(ours.call("delete", ours.id)).toMatchObject({ code: 1, stderr: `swarm-oci: container ${ours.id} cannot be deleted: it is created\n` });
  for (const outcome of [ours.call("start", ours.id), callTheirs("start", theirs.id)]) expect(outcome).toMatchObject({ code: 0, stderr: "" });
  await until("both run", () => ours.output() === "started\n" && theirs.output() === "started\n");
  compare("running");
  expect(ours.call("start", ours.id)).toMatchObject({ code: 1, stderr: `swarm-oci: container ${ours.id} cannot be started: it is running\n` });
  expect(ours.create()).toMatchObject({ code: 1, stderr: `swarm-oci: container with id ${ours.id} exists already\n` });
  expect(ours.state().status).toBe("running");
  for (const outcome of [ours.call("kill", ours.id, "USR1"), callTheirs("kill", theirs.id, "USR1")]) expect(outcome).toMatchObject({ code: 0, stderr: "" });
  await until("both have ended", () => ours.state().status === "stopped" && stateOfTheirs().status === "stopped");
  compare("stopped");
  expect(ours.call("kill", ours.id, "KILL")).toMatchObject({ code: 1, stderr: `swarm-oci: container ${ours.id} is not running\n` });
  for (const outcome of [ours.call("delete", ours.id), callTheirs("delete", theirs.id)]) expect(outcome).toMatchObject({ code: 0, stderr: "" });
  expect(ours.call("state", ours.id)).toMatchObject({ code: 1, stderr: `swarm-oci: container ${ours.id} does not exist\n` });
  expect(ours.cgroups()).toEqual([]);
  expect(readdirSync(join(ours.folder, "state"))).toEqual([]);
});

test("hooks are run in their order and places, with the state, and one that fails leaves nothing", async () => {
  using bundle = new OciBundle();
  const points = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
  const log = (point: string, file: string) => ({
    path: "/bin/sh",
    args: [
      "sh",
      "-c",
      `read -r state; echo "${point} $(echo "$state" | grep -o '"status":"[a-z]*"') $X $([ -e ${bundle.folder}/config.json ] && echo host)" >>${file}`,
    ],
    env: ["PATH=/bin:/usr/bin", "X=env"],
  });
  const hooks = Object.fromEntries(
    points.map((point) => [point, [log(point, point === "startContainer" ? "/shared/hooks" : join(bundle.folder, "shared/hooks"))]]),
  );
  await run(bundle, "echo program >>/shared/hooks", (config) => Object.assign(config, { hooks }));
  const lines = bundle.shared("hooks").trim().split("\n");
  expect(lines.map((line) => line.trimEnd()).filter((line) => line !== "program")).toEqual([
    'prestart "status":"creating" env host',
    'createRuntime "status":"creating" env host',
    'createContainer "status":"creating" env host',
    'startContainer "status":"created" env',
    expect.stringMatching(/^poststart "status":"(running|stopped)" env host$/),
    'poststop "status":"stopped" env host',
  ]);
  expect(lines.indexOf("program")).toBeGreaterThan(3);
  bundle.write("true", (config) => Object.assign(config, { hooks: { createContainer: [{ path: "/bin/sh", args: ["sh", "-c", "echo no >&2; exit 4"] }] } }));
  expect(bundle.create()).toMatchObject({ code: 1, stderr: "swarm-oci: hooks.createContainer /bin/sh failed with status 4: no\n" });
  bundle.write("true", (config) => Object.assign(config, { hooks: { prestart: [{ path: "/bin/sleep", args: ["sleep", "60"], timeout: 1 }] } }));
  expect(bundle.create()).toMatchObject({ code: 1, stderr: "swarm-oci: hooks.prestart /bin/sleep took longer than 1 s\n" });
  expect(bundle.cgroups()).toEqual([]);
  expect(readdirSync(join(bundle.folder, "state"))).toEqual([]);
});

test("a timeout of a hook that is longer than the kernel waits is no short one, and those after the start and the end are all run, whatever became of the others", async () => {
  using bundle = new OciBundle();
  const told = { path: "/bin/sh", args: ["sh", "-c", `echo told >>${bundle.folder}/shared/hooks`] };
  const failing = [{ path: "/bin/false" }, told];
  const hooks = { prestart: [{ path: "/bin/sleep", args: ["sleep", "1"], timeout: 4_294_968 }], poststart: failing, poststop: failing };
  bundle.write("true", (config) => Object.assign(config, { hooks }));
  expect(bundle.create()).toMatchObject({ code: 0, stderr: "" });
  expect(bundle.call("start", bundle.id)).toMatchObject({ code: 0, stderr: "swarm-oci: hooks.poststart /bin/false failed with status 1\n" });
  await ended(bundle);
  expect(bundle.call("delete", bundle.id)).toMatchObject({ code: 0, stderr: "swarm-oci: hooks.poststop /bin/false failed with status 1\n" });
  expect(bundle.shared("hooks")).toBe("told\ntold\n");
});

test("a user namespace: root inside is nobody outside", async () => {
  using bundle = new OciBundle();
  chownSync(bundle.root, 100_000, 100_000);
  const script =
    "id -u; cat /proc/self/uid_map | tr -s ' '; echo hello >/shared/file; mknod /null c 1 3 2>/dev/null || echo refused; echo x >/dev/null && echo device; mkdir /made && echo made; cat /sys/class/net/lo/operstate; id -G";
  const ranges = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  const output = await run(bundle, script, (config) => {
    (config.linux.namespaces as object[]).push({ type: "user" });
    Object.assign(config.linux, { uidMappings: ranges, gidMappings: ranges });
    Object.assign(config.process, { user: { uid: 0, gid: 0, additionalGids: [50] } });
  });
  expect(output).toBe("0\n 0 100000 65536\nrefused\ndevice\nmade\nunknown\n0 50\n");
  expect(statSync(join(bundle.folder, "shared/file")).uid).toBe(100_000);
});

test("exec enters all namespaces, the user's too, and gives the exit code", () => {
  using bundle = new OciBundle();
  chownSync(bundle.root, 100_000, 100_000);
  const ranges = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  bundle.write("sleep 1000", (config) => {
    (config.linux.namespaces as object[]).push({ type: "user" }, ...(existsSync("/proc/self/ns/time") ? [{ type: "time" }] : []));
    Object.assign(config.linux, { uidMappings: ranges, gidMappings: ranges });
  });
  expect(bundle.create().stderr).toBe("");
  expect(bundle.call("exec", bundle.id, "true")).toMatchObject({ code: 1, stderr: `swarm-oci: container ${bundle.id} is not running\n` });
  expect(bundle.call("start", bundle.id).stderr).toBe("");
  const outcome = bundle.call("exec", "--user", "7:8", "--cwd=/tmp", "-e", "A=b", bundle.id, "sh", "-c", "id -u; id -g; pwd; echo $A; exit 6");
  expect(outcome).toEqual({ code: 6, stderr: "", stdout: "7\n8\n/tmp\nb\n" });
  for (const [user, what] of [
    ["4294967295", 'user "4294967295"'],
    ["4294967296:1", 'user "4294967296"'],
    ["1:4294967295", 'group "4294967295"'],
    ["-1", 'user "-1"'],
    ["1:", 'group ""'],
  ] as const) {
    const refused = `swarm-oci: ${what} is not a number from 0 to 4294967294\n`;
    expect(bundle.call("exec", "--user", user, bundle.id, "id", "-u")).toMatchObject({ code: 1, stderr: refused });
  }
  const compare =
    "for n in pid mnt ipc uts net cgroup user; do [ $(busybox readlink /proc/self/ns/$n) = $(busybox readlink /proc/1/ns/$n) ] || echo other $n; done";
  expect(bundle.call("exec", bundle.id, "sh", "-c", compare)).toEqual({ code: 0, stderr: "", stdout: "" });
  expect(bundle.call("exec", bundle.id, "absent")).toMatchObject({ code: 1, stderr: 'swarm-oci: exec: "absent": executable file not found in $PATH\n' });
  writeFileSync(join(bundle.folder, "process.json"), JSON.stringify({ args: ["sh", "-c", "exit 9"], cwd: "/", env: ["PATH=/bin"] }));
  expect(bundle.call("exec", "--process", join(bundle.folder, "process.json"), bundle.id)).toMatchObject({ code: 9, stderr: "" });
});

test("exec takes what the container was made with, whatever became of its bundle's configuration", () => {
  using bundle = new OciBundle();
  bundle.write("sleep 1000");
  expect(bundle.create().stderr).toBe("");
  expect(bundle.call("start", bundle.id).stderr).toBe("");
  const capabilities = () => bundle.call("exec", bundle.id, "sh", "-c", "grep -e CapEff -e NoNewPrivs /proc/self/status");
  const before = capabilities();
  expect(before.stdout).toContain("NoNewPrivs:\t1");
  bundle.write("sleep 1000", (config) => Object.assign(config.process, { capabilities: { effective: ["CAP_SYS_ADMIN"] }, noNewPrivileges: false }));
  expect(capabilities()).toEqual(before);
  rmSync(join(bundle.folder, "config.json"));
  expect(capabilities()).toEqual(before);
  // One that an earlier version made.
  bundle.write("sleep 1000");
  rmSync(join(bundle.folder, "state", bundle.id, "config.json"));
  expect(capabilities()).toEqual(before);
  expect(bundle.call("delete", "--force", bundle.id)).toMatchObject({ code: 0, stderr: "" });
  expect(existsSync(join(bundle.folder, "state", bundle.id))).toBe(false);
});

test("a configuration that cannot be read to its end is refused for that", () => {
  using bundle = new OciBundle();
  // A regular file of which the first page is none.
  symlinkSync("/proc/self/mem", join(bundle.folder, "config.json"));
  expect(bundle.create()).toMatchObject({ code: 1, stderr: `swarm-oci: read ${bundle.folder}/config.json: input/output error\n` });
});

test("a program that cannot be executed fails the start, with the reason", async () => {
  using bundle = new OciBundle();
  bundle.write("", (config) => Object.assign(config.process, { args: ["absent"] }));
  expect(bundle.create().stderr).toBe("");
  expect(bundle.call("start", bundle.id)).toMatchObject({ code: 1, stderr: 'swarm-oci: exec: "absent": executable file not found in $PATH\n' });
  await ended(bundle);
});

test("all five sets of capabilities are what was asked for", async () => {
  using bundle = new OciBundle();
  const output = await run(bundle, "grep -E '^Cap' /proc/self/status", (config) =>
    Object.assign(config.process, {
      user: { uid: 1000, gid: 1000 },
      capabilities: {
        bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        permitted: ["CAP_KILL", "CAP_NET_RAW"],
        effective: ["CAP_KILL"],
        inheritable: ["CAP_KILL", "CAP_CHOWN"],
        ambient: ["CAP_KILL"],
      },
    }),
  );
  expect(output.replaceAll("0000000000", "")).toBe("CapInh:\t000021\nCapPrm:\t000020\nCapEff:\t000020\nCapBnd:\t002021\nCapAmb:\t000020\n");
});

test.runIf(existsSync("/proc/self/ns/time"))("clocks of a time namespace are set", async () => {
  using bundle = new OciBundle();
  const output = await run(bundle, "cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets | tr -s ' '", (config) => {
    (config.linux.namespaces as object[]).push({ type: "time" });
    Object.assign(config.linux, { timeOffsets: { boottime: { secs: 1_000_000 } } });
  });
  expect(Number(output.split("\n")[0])).toBeGreaterThan(1_000_000);
  expect(output).toContain("boottime 1000000 0");
});

test("a cgroup namespace of one's own hides the host's path, and without one it is seen", async () => {
  using bundle = new OciBundle();
  expect(await run(bundle, "grep -c /test- /proc/self/cgroup")).toBe("0\n");
  const shared = await run(bundle, "grep -c /test- /proc/self/cgroup", (config) => {
    config.linux.namespaces = (config.linux.namespaces as { type: string }[]).filter(({ type }) => type !== "cgroup");
  });
  expect(Number(shared)).toBeGreaterThan(0);
});

test("read-only mounts: the mount alone, or with all below it", async () => {
  using bundle = new OciBundle();
  const below = join(bundle.folder, "shared/below");
  mkdirSync(below);
  execFileSync("mount", ["-t", "tmpfs", "none", below]);
  try {
    const script = "for f in /shared/f /shared/below/f /all/f /all/below/f; do touch $f 2>/dev/null && echo wrote $f; done; true";
    const output = await run(bundle, script, (config) => {
      const source = join(bundle.folder, "shared");
      config.mounts = [
        ...(config.mounts as { destination: string }[]).filter(({ destination }) => destination !== "/shared"),
        { destination: "/shared", source, options: ["rbind", "ro"] },
        { destination: "/all", source, options: ["rbind", "rro"] },
      ];
    });
    expect(output).toBe("wrote /shared/below/f\n");
  } finally {
    execFileSync("umount", [below]);
  }
});

test("a source of a bind that is not absolute is in the bundle, and recursive options hold for what is mounted anew", async () => {
  using bundle = new OciBundle();
  const output = await run(bundle, "ls /own; touch /new/f 2>/dev/null || echo kept; touch /dev/f 2>/dev/null || echo kept too", (config) => {
    const mounts = config.mounts as { destination: string; options?: string[] }[];
    mounts.find(({ destination }) => destination === "/dev")?.options?.push("rro");
    const more = [
      { destination: "/own", type: "bind", source: "rootfs/proc/..", options: ["rbind"] },
      { destination: "/new", type: "tmpfs", source: "tmpfs", options: ["rro"] },
    ];
    config.mounts = [...mounts, ...more];
  });
  expect(output).toMatch(/^bin\n(?:.*\n)*kept\nkept too\n$/);
});

test("a device is made where no link of the image leads, whose /dev it is where none is mounted", async () => {
  using bundle = new OciBundle();
  const outside = join(bundle.folder, "outside");
  mkdirSync(outside);
  mkdirSync(join(bundle.root, "dev"), { recursive: true });
  symlinkSync(outside, join(bundle.root, "dev/net"));
  bundle.write("true", (config) => {
    config.mounts = (config.mounts as { destination: string }[]).filter(({ destination }) => !destination.startsWith("/dev"));
    Object.assign(config.linux, { devices: [{ path: "/dev/net/tun", type: "c", major: 10, minor: 200 }] });
  });
  expect(bundle.create()).toMatchObject({ code: 1, stderr: expect.stringContaining("too many levels of symbolic links") });
  expect(readdirSync(outside)).toEqual([]);
});

test("groups in which somebody is are no container's: its end would be theirs", async () => {
  using one = new OciBundle();
  using other = new OciBundle();
  one.write("echo ready; sleep 1000");
  expect(one.create()).toMatchObject({ code: 0, stderr: "" });
  expect(one.call("start", one.id)).toMatchObject({ code: 0, stderr: "" });
  for (const cgroupsPath of [`/${one.id}`, "/"]) {
    other.write("true", (config) => Object.assign(config.linux, { cgroupsPath }));
    expect(other.create()).toMatchObject({ code: 1, stderr: expect.stringContaining(" has processes: the container's end would be theirs\n") });
  }
  expect(one.state().status).toBe("running");
});

test("links in the image lead nowhere but within it, and none may stand where the system's own is mounted", async () => {
  using bundle = new OciBundle();
  const outside = join(bundle.folder, "outside");
  mkdirSync(outside);
  symlinkSync(outside, join(bundle.root, "absolute"));
  symlinkSync("../../../outside", join(bundle.root, "relative"));
  const output = await run(bundle, "ls /absolute /relative/", (config) => {
    for (const name of ["absolute", "relative"]) {
      (config.mounts as object[]).push({ destination: `/${name}/made/here`, type: "tmpfs", source: "tmpfs" });
    }
  });
  expect(output).toContain("made");
  expect(readdirSync(outside)).toEqual([]);
  execFileSync("sh", ["-c", `rmdir ${bundle.root}/sys && ln -s ${outside} ${bundle.root}/sys`]);
  bundle.write("true");
  expect(bundle.create()).toMatchObject({ code: 1, stderr: expect.stringContaining("too many levels of symbolic links") });
  bundle.write("true", (config) => (config.mounts as object[]).push({ destination: "/proc/self/attr", type: "tmpfs", source: "tmpfs" }));
  expect(bundle.create().code).toBe(1);
});

test("a filter of system calls, limits, settings and resources hold", async () => {
  using bundle = new OciBundle();
  const script =
    "mkdir /x 2>&1; ulimit -n; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cat /proc/self/oom_score_adj; touch /proc/sys/x 2>/dev/null || echo protected; umask; exit 0";
  const output = await run(bundle, script, (config) => {
    Object.assign(config.process, { rlimits: [{ type: "RLIMIT_NOFILE", soft: 77, hard: 77 }], oomScoreAdj: 300, user: { uid: 0, gid: 0, umask: 0o77 } });
    Object.assign(config.linux, {
      sysctl: { "net.ipv4.ip_unprivileged_port_start": "81" },
      resources: { memory: { limit: 64 << 20 }, pids: { limit: 20 }, cpu: { shares: 512 } },
      seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 5 }] },
    });
  });
  expect(output).toBe("mkdir: can't create directory '/x': Input/output error\n77\n81\n300\nprotected\n0077\n");
});

test("a terminal goes to the console socket", async () => {
  using bundle = new OciBundle();
  const path = join(bundle.folder, "tty");
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    bundle.write("tty >/shared/tty; stty size >>/shared/tty", (config) =>
      Object.assign(config.process, { terminal: true, consoleSize: { height: 31, width: 97 } }),
    );
    expect(bundle.create()).toMatchObject({ code: 1, stderr: "swarm-oci: process.terminal needs --console-socket\n" });
    expect(bundle.call("create", "--bundle", bundle.folder, "--console-socket", path, bundle.id)).toMatchObject({ code: 0, stderr: "" });
    await until("the terminal was sent", () => connections === 1);
  } finally {
    server.close();
  }
});

/** Asks the listener about new folders. */
const ASKING = {
  defaultAction: "SCMP_ACT_ALLOW",
  listenerPath: "/run/nobody-listens-here",
  listenerMetadata: "told as it is",
  syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
};

test.each([false, true])("a listener gets the filter's end with the state, and decides: with no new privileges %s", async (noNewPrivileges) => {
  using bundle = new OciBundle();
  const socket = join(bundle.folder, "agent");
  bundle.write("mkdir /x; echo ended; sleep 1000", (config) => {
    Object.assign(config.linux, { seccomp: { ...ASKING, listenerPath: socket } });
    Object.assign(config.process, { noNewPrivileges });
  });
  expect(bundle.create().stderr).toBe("");
  const nobody = `swarm-oci: connect to linux.seccomp.listenerPath ${socket}: no such file or directory\n`;
  expect(bundle.call("start", bundle.id)).toMatchObject({ code: 1, stderr: nobody });
  expect(bundle.state().status).toBe("created");
  const agent = spawn(AGENT_PATH, [socket]);
  try {
    let said = "";
    agent.stdout.on("data", (data: Buffer) => (said += data.toString()));
    await until("the agent listens", () => said === "listening\n");
    expect(bundle.call("start", bundle.id).stderr).toBe("");
    await until("the program has gone on", () => bundle.output().includes("ended"));
    expect(bundle.output()).toBe("mkdir: can't create directory '/x': Disk quota exceeded\nended\n");
    expect(bundle.call("exec", bundle.id, "mkdir", "/y")).toMatchObject({ code: 1, stderr: "mkdir: can't create directory '/y': Disk quota exceeded\n" });
    await until("the agent was told twice", () => said.trim().split("\n").length === 3);
    const [first, second] = said
      .trim()
      .split("\n")
      .slice(1)
      .map((line): Record<string, unknown> => JSON.parse(line) as Record<string, unknown>);
    const common = { ociVersion: "1.0.2", fds: ["seccompFd"], metadata: "told as it is" };
    expect(first).toMatchObject({ ...common, pid: bundle.pid(), state: { id: bundle.id, status: "created", pid: bundle.pid(), bundle: bundle.folder } });
    expect(second).toMatchObject({ ...common, state: { id: bundle.id, status: "running", pid: bundle.pid() } });
    expect(second?.pid).not.toBe(bundle.pid());
  } finally {
    agent.kill("SIGKILL");
  }
});

test("priorities, personality and owners of devices are what was asked for", async () => {
  using bundle = new OciBundle();
  const script = "awk '{ print $19, $41 }' /proc/self/stat; busybox ionice -p $$; uname -m; stat -c '%u:%g %a %t:%T' /dev/own";
  const output = await run(bundle, script, (config) => {
    Object.assign(config.process, {
      scheduler: { policy: "SCHED_BATCH", nice: 5 },
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 6 },
    });
    const device = { path: "/dev/own", type: "c", major: 1, minor: 3, fileMode: 0o640, uid: 7, gid: 8 };
    Object.assign(config.linux, { personality: { domain: "LINUX32" }, devices: [device] });
  });
  expect(output).toBe(`5 3\nbest-effort: prio 6\n${arch() === "x64" ? "i686" : "armv8l"}\n7:8 640 1:3\n`);
});

test("resources: huge pages, disks, weights and processors are in the groups, and the default parent goes with its last container", async () => {
  using bundle = new OciBundle();
  const parents = () => ["", ...readdirSync("/sys/fs/cgroup")].map((name) => join("/sys/fs/cgroup", name, "swarm-oci", bundle.id));
  const read = (...files: readonly string[]) => {
    const path = parents()
      .flatMap((group) => files.map((file) => join(group, file)))
      .find((candidate) => existsSync(candidate));
    return path === undefined ? "" : readFileSync(path, "utf8").trim();
  };
  bundle.write("sleep 1000", (config) => {
    delete config.linux.cgroupsPath;
    config.linux.resources = {
      hugepageLimits: HAS_HUGE_PAGES ? [{ pageSize: "2MB", limit: 4 << 20 }] : [],
      cpu: { cpus: "0", mems: "0", burst: 0 },
      blockIO: { weight: 300 },
      devices: [
        { allow: false, access: "rwm" },
        { allow: true, type: "c", major: 10, access: "rw" },
        { allow: false, type: "c", major: 10, minor: 200, access: "rwm" },
      ],
    };
  });
  expect(bundle.create().stderr).toBe("");
  expect([read("cpuset.cpus"), read("cpuset.mems")]).toEqual(["0", "0"]);
  if (HAS_HUGE_PAGES) expect(read("hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max")).toBe(String(4 << 20));
  if (HAS_HUGE_PAGES) expect(read("hugetlb.2MB.rsvd.limit_in_bytes", "hugetlb.2MB.rsvd.max")).toBe(String(4 << 20));
  const weight = read("blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight");
  expect(weight).toMatch(/^(default )?(300|2930)$/m);
  expect(parents().some((path) => existsSync(path))).toBe(true);
  expect(bundle.call("delete", "--force", bundle.id).stderr).toBe("");
  expect(parents().filter((path) => existsSync(path))).toEqual([]);
  const others = parents()
    .map((path) => dirname(path))
    .filter((path) => existsSync(path));
  for (const parent of others) expect(readdirSync(parent, { withFileTypes: true }).some((entry) => entry.isDirectory())).toBe(true);
});

test("rules of devices count in their order: what an earlier one allows, a later one denies", async () => {
  using bundle = new OciBundle();
  const script = "head -c 1 /dev/zero; head -c 1 /dev/full | wc -c; head -c 1 /dev/own | wc -c; true >>/dev/own";
  const output = await run(bundle, script, (config) => {
    config.linux.devices = [{ path: "/dev/own", type: "c", major: 1, minor: 5, fileMode: 0o666 }];
    const rules = [
      { allow: false, access: "rwm" },
      { allow: false, type: "c", major: 1, minor: 5, access: "rwm" },
    ];
    config.linux.resources = { devices: rules };
  });
  const refused = "Operation not permitted\n";
  expect(output).toBe(`head: /dev/zero: ${refused}1\nhead: /dev/own: ${refused}0\nsh: can't create /dev/own: ${refused}`);
});

/** AppArmor and SELinux are there or not; nobody has both of them, and nobody these names. */
test("labels are refused where the kernel has none, and resctrl where it has none", () => {
  using bundle = new OciBundle();
  const refusal = (change: (config: OciConfig) => void) => {
    bundle.write("true", change);
    return bundle.create().stderr;
  };
  if (!existsSync("/sys/fs/selinux/enforce")) {
    const sentence = "cannot be applied: this machine's kernel runs without SELinux\n";
    expect(refusal((config) => Object.assign(config.process, { selinuxLabel: "a:b:c" }))).toBe(`swarm-oci: process.selinuxLabel "a:b:c" ${sentence}`);
    expect(refusal((config) => Object.assign(config.linux, { mountLabel: "a:b:c" }))).toBe(`swarm-oci: linux.mountLabel "a:b:c" ${sentence}`);
  }
  expect(refusal((config) => Object.assign(config.linux, { intelRdt: { closID: "x" } }))).toMatch(/^swarm-oci: linux\.intelRdt is /);
});

test("an AppArmor profile is that of the program, and one that is not loaded fails the start; a kernel without AppArmor has a sentence for it", async () => {
  using bundle = new OciBundle();
  if (!HAS_APPARMOR) {
    bundle.write("true", (config) => Object.assign(config.process, { apparmorProfile: "p" }));
    const sentence = 'process.apparmorProfile "p" cannot be applied: this machine\'s kernel runs without AppArmor';
    expect(bundle.create().stderr).toBe(`swarm-oci: ${sentence}\n`);
    return;
  }
  const output = await run(bundle, "cat /proc/self/attr/current", (config) => Object.assign(config.process, { apparmorProfile: "unconfined" }));
  expect(output.trim()).toBe("unconfined");
  using other = new OciBundle();
  other.write("true", (config) => Object.assign(config.process, { apparmorProfile: "nobody-loaded-this" }));
  expect(other.create().stderr).toBe("");
  expect(other.call("start", other.id).stderr).toContain("process.apparmorProfile cannot be set: write exec nobody-loaded-this to");
});

test.each([
  [(config: OciConfig) => (config.ociVersion = "2.0"), 'ociVersion "2.0" is not one of 1.x'],
  [(config: OciConfig) => Object.assign(config.process, { args: [] }), "process.args is missing or empty"],
  [(config: OciConfig) => Object.assign(config.process, { cwd: "tmp" }), 'process.cwd "tmp" is not an absolute path'],
  [(config: OciConfig) => Object.assign(config.process, { terminal: "yes" }), "process.terminal is not true or false"],
  [
    (config: OciConfig) => Object.assign(config.process, { capabilities: { bounding: ["CAP_FLY"] } }),
    'process.capabilities.bounding has an unknown capability "CAP_FLY"',
  ],
  [(config: OciConfig) => Object.assign(config.linux, { namespaces: [{ type: "space" }] }), 'linux.namespaces has an unknown type "space"'],
  [
    (config: OciConfig) => Object.assign(config.linux, { namespaces: [{ type: "pid" }] }),
    "linux.namespaces has no mount namespace of the container's own, without which its mounts would be the host's",
  ],
  [(config: OciConfig) => Object.assign(config.linux, { cgroupsPath: "/a/../b" }), 'linux.cgroupsPath "/a/../b" is not a path'],
  [(config: OciConfig) => Object.assign(config.process, { scheduler: { policy: "SCHED_FAST" } }), 'process.scheduler.policy "SCHED_FAST" is unknown'],
  [
    (config: OciConfig) => Object.assign(config.process, { ioPriority: { class: "IOPRIO_CLASS_BE", priority: 9 } }),
    "process.ioPriority.priority 9 is not from 0 to 7",
  ],
  [
    (config: OciConfig) => Object.assign(config.linux, { personality: { domain: "OTHER" } }),
    'linux.personality.domain "OTHER" is not one of LINUX and LINUX32',
  ],
  [(config: OciConfig) => Object.assign(config.linux, { memoryPolicy: { mode: "MPOL_BIND" } }), "linux.memoryPolicy is not supported"],
  [
    (config: OciConfig) => Object.assign(config.linux, { resources: { devices: [{ allow: true, type: "x" }] } }),
    'linux.resources.devices.type "x" is not one of a, b and c',
  ],
  [
    (config: OciConfig) => Object.assign(config.linux, { resources: { blockIO: { leafWeight: 10 } } }),
    "linux.resources.blockIO.leafWeight is not supported: kernels do not have it any more",
  ],
  [
    (config: OciConfig) => Object.assign(config.linux, { seccomp: { ...ASKING, listenerPath: "", listenerMetadata: "" } }),
    "SCMP_ACT_NOTIFY needs linux.seccomp.listenerPath",
  ],
  [
    (config: OciConfig) => Object.assign(config.linux, { seccomp: { ...ASKING, syscalls: [{ names: ["write"], action: "SCMP_ACT_NOTIFY" }] } }),
    'linux.seccomp.syscalls cannot ask the listener about "write": it is told by this system call',
  ],
  [(config: OciConfig) => Object.assign(config.linux, { resources: { memory: { limit: "1m" } } }), "linux.resources.memory.limit is not a whole number"],
  [(config: OciConfig) => Object.assign(config.linux, { resources: { pids: { limit: 1e20 } } }), "linux.resources.pids.limit is not a whole number of 64 bits"],
  [
    (config: OciConfig) => Object.assign(config.linux, { resources: { memory: { limit: 64_000_000, swap: 32_000_000 } } }),
    "linux.resources.memory.swap, which counts memory too, needs a limit of memory that is not above it",
  ],
  [
    (config: OciConfig) => Object.assign(config.process, { rlimits: [{ type: "RLIMIT_CORE", soft: -5, hard: 1 }] }),
    "process.rlimits.soft is not a whole number of 64 bits that is not negative",
  ],
  [
    (config: OciConfig) => Object.assign(config.linux, { uidMappings: [{ containerID: 0, hostID: 2 ** 32, size: 1 }] }),
    "linux.uidMappings.hostID 4294967296 is not from 0 to 4294967295",
  ],
  [
    (config: OciConfig) => Object.assign(config.linux, { devices: [{ path: "/dev/x", type: "c", major: 2 ** 32 + 1, minor: 3 }] }),
    "linux.devices.major 4294967297 is not from 0 to 4095",
  ],
  [(config: OciConfig) => Object.assign(config.process, { user: { umask: 2 ** 32 + 0o77 } }), "process.user.umask 4294967359 is not from 0 to 4095"],
  [
    (config: OciConfig) => Object.assign(config, { hooks: { prestart: [{ path: "/bin/true", timeout: 0 }] } }),
    "hooks.prestart.timeout 0 is not greater than 0",
  ],
  [
    (config: OciConfig) => Object.assign(config.linux, { seccomp: { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_PDP11"] } }),
    `linux.seccomp cannot be compiled by ${join(dirname(OCI_PATH), "swarm-seccomp")}: unknown architecture "pdp11"`,
  ],
  [
    (config: OciConfig) =>
      Object.assign(config.linux, {
        seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 2 ** 32 + 1 }] },
      }),
    "linux.seccomp.syscalls.errnoRet 4294967297 is not from 0 to 65535",
  ],
  [(config: OciConfig) => Object.assign(config.linux, { sysctl: { "net/../../x": "1" } }), 'linux.sysctl "net/../../x" is not a setting\'s name'],
])("what cannot be honoured is refused with one sentence: %#", (change, sentence) => {
  using bundle = new OciBundle();
  bundle.write("true", change);
  expect(bundle.create()).toEqual({ code: 1, stderr: `swarm-oci: ${sentence}\n`, stdout: "" });
  expect(bundle.cgroups()).toEqual([]);
  expect(existsSync(join(bundle.folder, "state", bundle.id))).toBe(false);
});

test("misuse is answered with the usage, and features are told", () => {
  using bundle = new OciBundle();
  expect(bundle.call("fly")).toMatchObject({ code: 2, stderr: expect.stringContaining('unknown command "fly"\nusage: swarm-oci') });
  expect(bundle.call("start")).toMatchObject({ code: 2, stderr: expect.stringContaining("the container's id is missing") });
  expect(bundle.call("state", "../x").stderr).toContain("is not made of letters");
  for (const [text, byte] of [
    ["{]", 1],
    ["[1-2]", 2],
    ["[01]", 2],
    ["[1.]", 3],
    ["[+1]", 1],
    ["[1e]", 3],
    ['["a\tb"]', 3],
  ] as const) {
    writeFileSync(join(bundle.folder, "config.json"), text);
    expect(bundle.create().stderr).toMatch(new RegExp(`config\\.json is not JSON at byte ${byte}\n$`));
  }
  const features = JSON.parse(bundle.call("features").stdout) as { hooks: string[]; linux: { namespaces: string[] } };
  expect(features.hooks).toContain("createContainer");
  expect(features.linux.namespaces).toContain("user");
});
