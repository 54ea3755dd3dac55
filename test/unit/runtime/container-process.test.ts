import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ContainerWorld, containerConfig, PATIENT } from "../../support/container-world.js";

let world: ContainerWorld;
beforeAll(async () => {
  world = await ContainerWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

test.each([0, 1, 42, 255])("exit code %i is reported", async (exitCode) => {
  expect((await world.run(`exit ${exitCode}`)).exit).toMatchObject({ exitCode, isOutOfMemory: false });
});

test("the first process is number 1, alone, with its own name for the machine", async () => {
  const { output } = await world.run("echo $$; set -- /proc/[0-9]*; echo $#; hostname; cat /etc/hostname; echo $HOSTNAME", { hostname: "box" });
  expect(output.split("\n")).toEqual(["1", "1", "box", "box", "box", ""]);
});

test("a data root on a file system that containers cannot write to is named", async () => {
  await using layered = await ContainerWorld.open({ isDataOnOverlay: true });
  const id = await layered.create();
  await expect(layered.runtime.start(id)).rejects.toMatchObject({
    message: "unable to start container process: files of containers cannot be kept on overlayfs: put the data root on a file system such as ext4 or xfs",
  });
});

test("environment, arguments and working directory come from image and settings", async () => {
  world.addImage("configured", { env: ["A=image", "B=image"], entrypoint: ["sh", "-c"], command: ["echo image"], workingDir: "/made/for/it", user: "web" });
  const byImage = await world.start({ image: "configured", command: [] });
  await world.runtime.wait(byImage);
  expect(await world.output(byImage)).toBe("image\n");
  const id = await world.start({ image: "configured", command: ["echo $A $B; pwd; id -un; echo $HOME"], env: ["A=mine"] });
  await world.runtime.wait(id);
  expect(await world.output(id)).toBe("mine image\n/made/for/it\nweb\n/srv/web\n");
  expect(world.runtime.inspect(id)?.args).toEqual(["sh", "-c", "echo $A $B; pwd; id -un; echo $HOME"]);
});

test.each([
  ["", "uid=0(root) gid=0(root) groups=0(root)"],
  ["web", "uid=1000(web) gid=1001(web) groups=50(staff),1001(web)"],
  ["1000", "uid=1000(web) gid=1001(web) groups=50(staff),1001(web)"],
  ["4321", "uid=4321 gid=0(root) groups=0(root)"],
  ["web:60", "uid=1000(web) gid=60(extra) groups=60(extra)"],
  ["4321:staff", "uid=4321 gid=50(staff) groups=50(staff)"],
])("user %j is resolved inside the container", async (user, expected) => {
  const { output } = await world.run("id", { user });
  expect(output.trim()).toBe(expected);
});

test("supplementary groups are added by name and number", async () => {
  const { output } = await world.run("id -G", { user: "4321", groups: ["extra", "777"] });
  expect(new Set(output.trim().split(" "))).toEqual(new Set(["0", "60", "777"]));
});

test.each([
  [["foo"], 'exec: "foo": executable file not found in $PATH'],
  [["/bin/foo"], 'exec: "/bin/foo": stat /bin/foo: no such file or directory'],
  [["/etc/passwd"], 'exec: "/etc/passwd": permission denied'],
  [["/etc"], 'exec: "/etc": is a directory'],
  [["/bin/garbage"], "exec /bin/garbage: exec format error"],
])("starting %j says why it failed", async (command, reason) => {
  writeFileSync(join(world.folder, "image/bin/garbage"), "\u0001\u0002");
  chmodSync(join(world.folder, "image/bin/garbage"), 0o755);
  const id = await world.create({ command });
  await expect(world.runtime.start(id)).rejects.toMatchObject({ code: "failed_precondition", message: `unable to start container process: ${reason}` });
  expect(world.runtime.inspect(id)).toMatchObject({ state: "created", exit: null, pid: 0 });
  await world.runtime.remove(id);
});

test.each([
  [{ user: "nobody-here" }, "unable to find user nobody-here: no matching entries in passwd file"],
  [{ user: "0:nogroup" }, "unable to find group nogroup: no matching entries in group file"],
  [{ sysctls: { "net.ipv4.no_such": "1" } }, "no_such"],
  [
    {
      network: { bridge: "no-such-bridge", hostInterface: "swtest0", macAddress: "02:42:0a:00:00:02", address: "10.0.0.2/24", gateway: "10.0.0.1", mtu: 1500 },
    },
    "no-such-bridge",
  ],
])("a start that cannot be as asked fails: %j", async (changes, reason) => {
  const id = await world.create(changes);
  await expect(world.runtime.start(id)).rejects.toThrow(reason);
  expect(world.runtime.inspect(id)?.state).toBe("created");
  await world.runtime.remove(id);
});

test("an ended container can be started again, with its files and its log", async () => {
  const id = await world.start({ command: ["sh", "-c", "echo x >> /count; wc -l < /count"] });
  await world.runtime.wait(id);
  await world.runtime.start(id);
  expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 0 });
  expect(await world.output(id)).toBe("1\n2\n");
});

test("a running container is not started again", async () => {
  const id = await world.startReady();
  await expect(world.runtime.start(id)).rejects.toMatchObject({ code: "failed_precondition" });
  await world.runtime.remove(id, { force: true });
});

test("a program that ignores the stop signal is killed after the grace period", async () => {
  const id = await world.startReady({ command: ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"] });
  const before = performance.now();
  await world.runtime.stop(id, 300);
  expect(performance.now() - before).toBeGreaterThan(290);
  expect(world.runtime.inspect(id)?.exit).toMatchObject({ exitCode: 137, isOutOfMemory: false });
});

test("the image's stop signal is used", async () => {
  world.addImage("usr1", { stopSignal: "SIGUSR1", command: PATIENT });
  const id = await world.startReady({ image: "usr1", command: [] });
  await world.runtime.stop(id, 10_000);
  expect(world.runtime.inspect(id)?.exit).toMatchObject({ exitCode: 7 });
});

test("background processes end with the first one", async () => {
  const { exit, output } = await world.run("sleep 1000 & echo done");
  expect([exit.exitCode, output]).toEqual([0, "done\n"]);
});

test("memory above the limit ends it as out of memory", async () => {
  const { exit } = await world.run("head -c 200m /dev/zero | grep -c x", {
    command: ["grep", "-c", "x", "/dev/zero"],
    resources: { nanoCpus: 0, memoryBytes: 16 << 20, pids: 0 },
  });
  expect(exit).toMatchObject({ exitCode: 137, isOutOfMemory: true });
});

test("a limit of processes is kept", async () => {
  const { output } = await world.run("for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all", { resources: { nanoCpus: 0, memoryBytes: 0, pids: 4 } });
  expect(output).toMatch(/can't fork/);
  expect(output).not.toMatch(/all/);
});

test("processor time is limited", async () => {
  const id = await world.startReady({ resources: { nanoCpus: 250_000_000, memoryBytes: 0, pids: 0 } });
  const settings = world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)));
  const read = (file: string) => settings.map((path) => join(path, file)).flatMap((path) => tryRead(path));
  expect([...read("cpu.cfs_quota_us"), ...read("cpu.max")]).toEqual([expect.stringMatching(/^25000( 100000)?\n$/)]);
  await world.runtime.remove(id, { force: true });
});

test("a container sees its own limits below /sys/fs/cgroup, and cannot change them", async () => {
  const script =
    "exec 2>&1; cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null; for own in memory .; do test -e $own/cgroup.procs && { echo 1 > $own/cgroup.procs; mkdir $own/x; }; done; cat /proc/self/cgroup | grep -vc ':/$'";
  const { output } = await world.run(script, { resources: { nanoCpus: 0, memoryBytes: 32 << 20, pids: 0 } });
  expect(output).toMatch(/^33554432\n/);
  expect(output.match(/Read-only file system/g)?.length).toBe(2);
  expect(output.trim().endsWith("0")).toBe(true);
});

test("capabilities, no_new_privs and limits are as asked", async () => {
  const script = "grep -E '^(Cap(Prm|Eff|Bnd|Inh|Amb)|NoNewPrivs)' /proc/self/status; ulimit -n; ulimit -Hn";
  const valuesOf = async (changes: object) =>
    (await world.run(script, changes)).output
      .trim()
      .split("\n")
      .map((line) => line.split("\t").at(-1));
  const docker = "00000000a80425fb";
  const none = "0000000000000000";
  expect(await valuesOf({ ulimits: [{ name: "nofile", soft: 100, hard: 200 }] })).toEqual([none, docker, docker, docker, none, "0", "100", "200"]);
  expect((await valuesOf({ user: "web", noNewPrivileges: true })).slice(0, 6)).toEqual([none, none, none, docker, none, "1"]);
  expect((await valuesOf({ capabilityDrop: ["ALL"], capabilityAdd: ["CAP_NET_BIND_SERVICE"] }))[3]).toBe("0000000000000400");
});

test("a read-only root cannot be written, a tmpfs in it can", async () => {
  const { output } = await world.run("touch /x 2>&1; touch /scratch/y && echo written; df -k /scratch | tail -1 | grep -c 1024", {
    isRootReadOnly: true,
    mounts: [{ type: "tmpfs", source: "", target: "/scratch", isReadOnly: false, propagation: "", sizeBytes: 1 << 20, mode: 0 }],
  });
  expect(output).toMatch(/Read-only file system/);
  expect(output).toMatch(/written/);
});

test("folders and files of the host are mounted, writable or not", async () => {
  const source = join(world.folder, "shared");
  mkdirSync(join(source, "deep"), { recursive: true });
  writeFileSync(join(source, "file"), "from the host\n");
  const mount = { type: "bind", propagation: "", sizeBytes: 0, mode: 0 } as const;
  const { output } = await world.run("cat /a/b/c/file /etc/one; echo inside > /a/b/c/new; touch /ro/x 2>&1 | grep -c Read-only", {
    mounts: [
      { ...mount, source, target: "/a/b/c", isReadOnly: false },
      { ...mount, source: join(source, "file"), target: "/etc/one", isReadOnly: true },
      { ...mount, source, target: "/ro/", isReadOnly: true },
    ],
  });
  expect(output).toBe("from the host\nfrom the host\n1\n");
  expect(readFileSync(join(source, "new"), "utf8")).toBe("inside\n");
});

test("/etc/hosts and /etc/resolv.conf have what was asked", async () => {
  const { output } = await world.run("cat /etc/hosts /etc/resolv.conf", {
    hostname: "box",
    hosts: [
      { address: "192.0.2.7", name: "db" },
      { address: "host-gateway", name: "host.docker.internal" },
    ],
    dns: { nameservers: ["192.0.2.53"], search: ["example.test"], options: ["ndots:2"] },
  });
  expect(output).toMatch(/^127.0.0.1\tlocalhost$/m);
  expect(output).toMatch(/^192.0.2.7\tdb\n172.30.0.1\thost.docker.internal$/m);
  expect(output).toMatch(/nameserver 192.0.2.53\nsearch example.test\noptions ndots:2\n$/);
});

test.each([
  [{ command: [] }, "no command"],
  [{ image: "no-such-image" }, "No such image: no-such-image"],
  [{ stopSignal: "SIGNONSENSE" }, "invalid signal"],
  [{ capabilityAdd: ["NET_ADMINISTRATOR"] }, "invalid capability"],
  [{ sysctls: { "kernel.core_pattern": "|/bin/sh" } }, "not in a separate kernel namespace"],
  [{ sysctls: { "net/../kernel/core_pattern": "x" } }, "not a setting's name"],
  [{ workingDir: "relative" }, "absolute"],
  [
    { mounts: [{ type: "bind" as const, source: "/no/such/place", target: "/x", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 }] },
    "bind source path does not exist: /no/such/place",
  ],
  [{ mounts: [{ type: "tmpfs" as const, source: "", target: "/proc/sys", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 }] }, "/proc"],
  [
    { mounts: [{ type: "tmpfs" as const, source: "", target: "/x/../", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 }] },
    "destination can't be '/'",
  ],
  [{ ulimits: [{ name: "nofile", soft: 5, hard: 4 }] }, "above hard limit"],
  [{ env: ["A=\0B"] }, "NUL"],
])("settings that cannot be honoured are refused at once: %j", async (changes, reason) => {
  const config = containerConfig(changes);
  await expect(world.runtime.create(config)).rejects.toThrow(reason);
  expect(world.runtime.inspect(config.id)).toBeUndefined();
});

test("symbolic links of the image do not lead mounts to the host", async () => {
  const image = join(world.folder, "hostile");
  const outside = join(world.folder, "outside");
  mkdirSync(join(image, "etc"), { recursive: true });
  mkdirSync(outside);
  symlinkSync(outside, join(image, "absolute"));
  symlinkSync(`..${"/..".repeat(20)}${outside}`, join(image, "relative"));
  symlinkSync(join(outside, "hosts"), join(image, "etc/hosts"));
  world.images.add("hostile", [image, join(world.folder, "image")]);
  const mount = { type: "tmpfs", source: "", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 } as const;
  // What the links name exists inside as well.
  mkdirSync(join(image, outside), { recursive: true });
  const { output } = await world.run("touch /absolute/escaped /relative/escaped; ls /absolute/; cat /etc/hosts | head -1", {
    image: "hostile",
    mounts: [
      { ...mount, target: "/absolute/a" },
      { ...mount, target: "/relative/b" },
    ],
  });
  expect(output).toBe("a\nb\nescaped\n127.0.0.1\tlocalhost\n");
  expect(readdirSync(outside)).toEqual([]);
});

test("an image of very many layers is one root, and the uppermost wins", async () => {
  const layers = Array.from({ length: 127 }, (_, index) => {
    const folder = join(world.folder, `layer-${index}`);
    mkdirSync(join(folder, "of"), { recursive: true });
    writeFileSync(join(folder, "of", `${index}`), "");
    writeFileSync(join(folder, "top"), `${index}\n`);
    return folder;
  });
  world.images.add("layered", [...layers, join(world.folder, "image")]);
  const { output } = await world.run("cat /top; ls /of | wc -l", { image: "layered" });
  expect(output).toBe("0\n127\n");
});

test("a container can be removed while it is being started", async () => {
  const ids = await Promise.all(Array.from({ length: 8 }, () => world.create()));
  const starts = ids.map((id) => world.runtime.start(id).catch(() => undefined));
  await Promise.all(ids.map((id) => world.runtime.remove(id, { force: true })));
  await Promise.all(starts);
  expect(world.runtime.list().filter((info) => ids.includes(info.config.id))).toEqual([]);
  expect(world.cgroups().filter((path) => ids.some((id) => path.endsWith(id.slice(0, 32))))).toEqual([]);
});

test("a /proc or /etc/hosts that is a symbolic link in the image is none in the container", async () => {
  const image = join(world.folder, "linked-proc");
  mkdirSync(join(image, "etc"), { recursive: true });
  symlinkSync("/etc", join(image, "proc"));
  symlinkSync("/proc/sys/kernel/hostname", join(image, "etc/hostname"));
  world.images.add("linked-proc", [image, join(world.folder, "image")]);
  const { output } = await world.run("cat /proc/1/comm /etc/hostname", { image: "linked-proc", hostname: "box" });
  expect(output).toBe("cat\nbox\n");
});

test("block devices of the host cannot be opened, nor /proc/sys written", async () => {
  const { output } = await world.run(
    "exec 2>&1; mknod /disk b 254 0 && head -c 1 /disk; echo 1 > /proc/sys/kernel/panic; mount -t tmpfs x /tmp; cat /proc/timer_list | head -c 1 | wc -c",
  );
  expect(output).toMatch(/disk: Operation not permitted/);
  expect(output).toMatch(/panic: Read-only file system/);
  expect(output).toMatch(/permission denied/i);
  expect(output.trim().endsWith("0")).toBe(true);
});

function tryRead(path: string): readonly string[] {
  try {
    return [readFileSync(path, "utf8")];
  } catch {
    // Missing is what the caller asks about.
    return [];
  }
}
