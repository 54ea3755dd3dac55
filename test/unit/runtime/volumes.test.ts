import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContainerMount, MountedVolume } from "../../../src/runtime/container-config.js";
import { until } from "../../support/until.js";
import { ContainerWorld, containerConfig, PATIENT } from "../../support/container-world.js";

let world: ContainerWorld;
beforeAll(async () => {
  world = await ContainerWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

function volume(name: string, target: string, change: Partial<MountedVolume> = {}): ContainerMount {
  const mounted = { name, isAnonymous: name === "", isCopied: true, subpath: "", driver: "", options: {}, labels: {}, ...change };
  return { type: "volume", source: "", target, isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0, volume: mounted };
}
const bind = (source: string, target: string, change: Partial<ContainerMount> = {}): ContainerMount => ({
  type: "bind",
  source,
  target,
  isReadOnly: false,
  propagation: "",
  sizeBytes: 0,
  mode: 0,
  ...change,
});
const names = () => world.volumes.list().map(({ name }) => name);
const hostMounts = (part: string) =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(part));

test("a volume outlives its containers, is seen by those beside it, and has the image's content first", async () => {
  const image = join(world.folder, "with-data");
  mkdirSync(join(image, "data"), { recursive: true });
  writeFileSync(join(image, "data/from-image"), "image\n");
  world.images.add("with-data", [image, join(world.folder, "image")]);
  const first = await world.run("cat /data/from-image; echo one >/data/one", { image: "with-data", mounts: [volume("v-data", "/data")] });
  expect(first.output).toBe("image\n");
  const second = await world.run("cat /x/one; cat /x/from-image; touch /ro/y 2>&1 | grep -c Read-only", {
    mounts: [volume("v-data", "/x"), { ...volume("v-data", "/ro"), isReadOnly: true }],
  });
  expect(second.output).toBe("one\nimage\n1\n");
  expect((await world.run("ls /data | wc -l", { image: "with-data", mounts: [volume("v-empty", "/data", { isCopied: false })] })).output).toBe("0\n");
  expect(names()).toEqual(["v-data", "v-empty"]);
  for (const name of names()) await world.volumes.remove(name);
});

test("an image's VOLUMEs are anonymous, and go with the container when that is asked for", async () => {
  world.addImage("with-volumes", { volumes: ["/var/lib/x/", "/mine"] });
  const changes = { image: "with-volumes", mounts: [volume("v-mine", "/mine")] };
  const id = await world.create(changes);
  const mounts = world.runtime.inspect(id)?.config.mounts ?? [];
  expect(mounts.map((mount) => [mount.target, mount.volume?.isAnonymous])).toEqual([
    ["/mine", false],
    ["/var/lib/x", true],
  ]);
  expect(world.volumes.get(mounts[1]?.volume?.name ?? "")?.labels).toEqual({ "com.docker.volume.anonymous": "" });
  await expect(world.volumes.remove("v-mine")).rejects.toThrow(`volume is in use - [${id}]`);
  await world.runtime.remove(id, { volumes: true });
  expect(names()).toEqual(["v-mine"]);
  await world.runtime.remove(await world.create(changes));
  expect(names()).toHaveLength(2);
  await world.volumes.prune(() => true);
});

test("nothing anonymous is left of a container that could not be made", async () => {
  writeFileSync(join(world.folder, "image/a-file"), "");
  await expect(world.create({ mounts: [volume("", "/d"), volume("", "/a-file")] })).rejects.toThrow("cannot mount volume over existing file");
  await expect(world.create({ mounts: [volume("", "/d"), volume("v-x", "/e", { driver: "odd" })] })).rejects.toThrow(
    'the volume driver "odd" is not supported',
  );
  expect(names()).toEqual([]);
});

test("a link in the mount's target, or in a subpath, stays within the root and the volume", async () => {
  const image = join(world.folder, "hostile-target");
  const outside = join(world.folder, "host-etc");
  mkdirSync(image);
  mkdirSync(outside);
  writeFileSync(join(outside, "passwd"), "secret\n");
  symlinkSync(outside, join(image, "data"));
  world.images.add("hostile-target", [image, join(world.folder, "image")]);
  // What the link names does not exist inside: it is made there.
  const script = `echo here >/data/file; cat ${outside}/file; ls ${outside}`;
  expect((await world.run(script, { image: "hostile-target", mounts: [volume("v-hostile", "/data")] })).output).toBe("here\nfile\n");
  expect(readdirSync(outside)).toEqual(["passwd"]);
  const { folder } = await world.volumes.create({ name: "v-links", driver: "", options: {}, labels: {} });
  mkdirSync(join(folder, "sub"));
  writeFileSync(join(folder, "sub/file"), "part\n");
  symlinkSync(outside, join(folder, "escape"));
  symlinkSync("../../../../../sub", join(folder, "inside"));
  for (const subpath of ["sub", "inside"]) {
    expect((await world.run("cat /d/file", { mounts: [volume("v-links", "/d", { subpath })] })).output).toBe("part\n");
  }
  await expect(world.run("ls /d", { mounts: [volume("v-links", "/d", { subpath: "escape" })] })).rejects.toThrow("open escape: no such file or directory");
  await expect(world.create({ mounts: [volume("v-links", "/d", { subpath: "../x" })] })).rejects.toThrow(
    "the subpath '../x' of a volume must be a relative path",
  );
  for (const { config } of world.runtime.list()) await world.runtime.remove(config.id);
  await world.volumes.prune(() => true);
});

/** Renames a file for as long as it may, 30 s at most: each rename lets the kernel refuse a path with ".." that is being resolved under a root (openat2(2), EAGAIN). */
const RENAMER = `
const { renameSync, writeFileSync } = require("node:fs");
const [file, end] = [process.argv[1], Date.now() + 30_000];
writeFileSync(file, "");
process.stdout.write("ready");
while (Date.now() < end) for (let i = 0; i < 1000; i++) { renameSync(file, file + "x"); renameSync(file + "x", file); }
`;

test("a path with '..' is found also while somebody renames files without end", async () => {
  const { folder } = await world.volumes.create({ name: "v-renamed", driver: "", options: {}, labels: {} });
  mkdirSync(join(folder, "sub"));
  writeFileSync(join(folder, "sub/file"), "part\n");
  symlinkSync(`${"sub/../".repeat(20)}sub`, join(folder, "around"));
  const renamer = spawn(process.execPath, ["-e", RENAMER, join(world.folder, "renamed")], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(renamer.stdout, "data");
    const targets = ["/a", "/b", "/c"];
    const mounts = targets.map((target) => volume("v-renamed", target, { subpath: "around" }));
    expect((await world.run("cat /a/file /b/file /c/file", { mounts })).output).toBe("part\npart\npart\n");
  } finally {
    renamer.kill("SIGKILL");
  }
  await world.volumes.remove("v-renamed");
});

test("what a volume's options name is mounted while a container runs, also over the daemon's end", async () => {
  const options = { type: "tmpfs", device: "tmpfs", o: "size=1m" };
  const mounts = [volume("v-memory", "/m", { options })];
  const id = await world.startReady({ mounts, command: ["sh", "-c", `echo x >/m/file; ${PATIENT[2]}`] });
  const other = await world.run("cat /m/file; df -k /m | tail -1 | grep -c 1024", { mounts });
  expect(other.output).toBe("x\n1\n");
  expect(hostMounts("v-memory")).toHaveLength(1);
  await world.reopen();
  expect(hostMounts("v-memory")).toHaveLength(1);
  await expect(world.volumes.remove("v-memory")).rejects.toThrow(id);
  await world.closeRuntime();
  expect(hostMounts("v-memory")).toHaveLength(1);
  await world.reopen();
  await world.runtime.remove(id, { force: true });
  expect(hostMounts("v-memory")).toEqual([]);
  await world.volumes.remove("v-memory");
});

test("a volume that cannot be mounted fails the start with the reason, and the container stays as it was", async () => {
  const options = { type: "none", device: join(world.folder, "later"), o: "bind" };
  const id = await world.create({ mounts: [volume("v-later", "/l", { options, isCopied: false })], command: ["touch", "/l/made"] });
  await expect(world.runtime.start(id)).rejects.toThrow(/error while mounting volume .* no such file or directory/);
  expect(world.runtime.inspect(id)?.state).toBe("created");
  mkdirSync(join(world.folder, "later"));
  await world.runtime.start(id);
  await world.runtime.wait(id);
  expect(readdirSync(join(world.folder, "later"))).toEqual(["made"]);
  await world.runtime.remove(id, { volumes: true });
  await world.volumes.remove("v-later");
});

test("files are copied into what a volume's options name also when the container does not run", async () => {
  const device = join(world.folder, "device");
  mkdirSync(device);
  const mounts = [volume("v-device", "/d", { options: { type: "none", device, o: "bind" } })];
  const id = await world.create({ mounts });
  const tar = execFileSync("tar", ["-C", "/etc", "-c", "hostname"]);
  await world.runtime.files.write(id, "/d", Readable.from([tar]), { keepsKinds: false, belongsToUser: false });
  expect(readdirSync(device)).toEqual(["hostname"]);
  expect(await world.runtime.files.stat(id, "/d/hostname")).toMatchObject({ name: "hostname" });
  await until("nothing is mounted", () => hostMounts("v-device").length === 0);
  await world.runtime.remove(id);
  const lost = { type: "none", device: "/no/such/place", o: "bind" };
  const other = await world.create({ mounts: [...mounts, volume("v-lost", "/l", { options: lost, isCopied: false })] });
  await expect(world.runtime.files.stat(other, "/d")).rejects.toThrow(/error while mounting volume .*v-lost/);
  await until("nothing is mounted of it either", () => hostMounts("v-device").length === 0);
  await world.runtime.remove(other);
  await world.volumes.remove("v-lost");
  await world.volumes.remove("v-device");
});

test("binds: with what is mounted below, without it, read-only all through or at the top alone", async () => {
  const source = join(world.folder, "tree");
  mkdirSync(join(source, "below"), { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(source, "below")]);
  try {
    writeFileSync(join(source, "below/file"), "");
    const mounts = [
      bind(source, "/all"),
      bind(source, "/shallow", { isShallow: true }),
      bind(source, "/ro", { isReadOnly: true, propagation: "private" }),
      bind(source, "/top", { isReadOnly: true, isReadOnlyShallow: true }),
    ];
    const script =
      "for d in all shallow ro top; do echo $d $(ls /$d/below) $(touch /$d/x 2>/dev/null && echo w) $(touch /$d/below/x 2>/dev/null && echo w); rm -f /$d/below/x; done";
    expect((await world.run(script, { mounts })).output).toBe("all file w w\nshallow w w\nro file\ntop file w\n");
  } finally {
    execFileSync("umount", [join(source, "below")]);
  }
});

test("propagation: what a container mounts in a shared bind is there on the host, and the other way round", async () => {
  const source = join(world.folder, "peers");
  mkdirSync(join(source, "sub"), { recursive: true });
  mkdirSync(join(source, "from-host"));
  execFileSync("mount", ["--bind", source, source]);
  try {
    execFileSync("mount", ["--make-private", source]);
    await expect(world.create({ mounts: [bind(source, "/p", { propagation: "rshared" })] })).rejects.toThrow(
      `path ${source} is mounted on ${source} but it is not a shared mount`,
    );
    execFileSync("mount", ["--make-shared", source]);
    const mounts = [bind(source, "/p", { propagation: "rshared" }), bind(source, "/s", { propagation: "slave" }), bind(source, "/x")];
    const command = [
      "sh",
      "-c",
      `trap 'ls /s/from-host /x/from-host; exit 0' TERM; mount -t tmpfs tmpfs /p/sub && touch /p/sub/made; echo ready; while :; do sleep 1 & wait $!; done`,
    ];
    const id = await world.startReady({ mounts, isPrivileged: true, command });
    expect(readdirSync(join(source, "sub"))).toEqual(["made"]);
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(source, "from-host")]);
    writeFileSync(join(source, "from-host/seen"), "");
    await world.runtime.stop(id, 10_000);
    expect(await world.output(id)).toBe("ready\n/s/from-host:\nseen\n\n/x/from-host:\n");
    await world.runtime.remove(id);
  } finally {
    execFileSync("sh", ["-c", `umount -l ${source}/sub ${source}/from-host; umount -l ${source}`]);
  }
});

test("tmpfs: its options, and no program in it unless that is asked for", async () => {
  const tmpfs = (target: string, options: readonly string[]): ContainerMount => ({
    ...bind("", target),
    type: "tmpfs",
    sizeBytes: 1 << 20,
    mode: 0o750,
    options,
  });
  const script = "for d in a b; do cp /bin/busybox /$d/busybox; /$d/busybox echo runs 2>/dev/null || echo refused; done; ls -ldn /b | head -c 27";
  const { output } = await world.run(script.replace(/cp (\S+) (\S+);/, "dd if=$1 of=$2 2>/dev/null; chmod 755 $2;"), {
    mounts: [tmpfs("/a", []), tmpfs("/b", ["exec", "uid=7", "gid=8"])],
    user: "0",
  });
  expect(output).toContain("refused\n");
  expect(output).toMatch(/drwxr-x--- +2 7 +8/);
  await expect(world.create({ mounts: [tmpfs("/a", ["size=1m,upperdir=/x"])] })).rejects.toThrow("invalid tmpfs option 'size=1m,upperdir=/x'");
});

test("containers made before there were volumes are as they were", async () => {
  const config = containerConfig({ mounts: [bind(world.folder, "/h")] });
  await world.runtime.create(config);
  await world.reopen();
  expect(world.runtime.inspect(config.id)?.config.mounts).toEqual(config.mounts);
  await world.runtime.remove(config.id);
});
