import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { LocalVolumeStore } from "../../../src/volumes/local-volume-store.js";
import type { VolumeRequest } from "../../../src/volumes/volume-store.js";

const PROGRAM = resolve(import.meta.dirname, "../../../native/build/swarm-volume");
const [A, B] = ["a".repeat(64), "b".repeat(64)];

let folder: string;
let store: LocalVolumeStore;

const open = () => LocalVolumeStore.open({ folder: join(folder, "volumes"), programPath: PROGRAM, clock: new FakeClock(), logger: silentLogger });
const request = (name: string, change: Partial<VolumeRequest> = {}): VolumeRequest => ({ name, driver: "", options: {}, labels: {}, ...change });
const tmpfs = (o: string) => ({ type: "tmpfs", device: "tmpfs", o });
const use = (name: string, containerId: string, target = "/d") => ({ name, containerId, target, isReadOnly: false });
const mounts = () =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(folder));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "volumes-"));
  store = await open();
});

afterEach(() => {
  for (const line of mounts().toReversed()) execFileSync("umount", ["-l", line.split(" ")[4] ?? ""]);
  rmSync(folder, { recursive: true, force: true });
});

test("a volume is there after a restart, with its labels, options, time and content", async () => {
  const made = await store.create(request("data", { labels: { a: "b" }, options: { type: "tmpfs", device: "tmpfs", o: "size=1m" } }));
  const plain = await store.create(request("plain"));
  writeFileSync(join(plain.folder, "kept"), "kept");
  store = await open();
  expect(store.list().toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual([made, plain]);
  expect(readFileSync(join(plain.folder, "kept"), "utf8")).toBe("kept");
  expect(statSync(plain.folder).mode & 0o7777).toBe(0o755);
});

test("what is already there is answered, unless other options are asked for", async () => {
  const options = tmpfs("size=1m");
  const made = await store.create(request("data", { options }));
  expect(await store.create(request("data", { options }))).toBe(made);
  expect(await store.create(request("data"))).toBe(made);
  await expect(store.create(request("data", { options: tmpfs("size=2m") }))).rejects.toMatchObject({
    code: "conflict",
    message: 'a volume named data already exists with other options: o is "size=1m", not "size=2m"',
  });
});

test("what is said about other options has no password in it", async () => {
  const options = (o: string) => ({ type: "cifs", device: "//host/share", o });
  await store.create(request("data", { options: options("username=a,password=secret") }));
  await expect(store.create(request("data", { options: options("username=b,password=other") }))).rejects.toMatchObject({
    message: 'a volume named data already exists with other options: o is "username=a,password=********", not "username=b,password=********"',
  });
});

test.each([
  [request("../x"), 'create ../x: "../x" includes invalid characters for a local volume name'],
  [request("x"), "volume name is too short"],
  [request("x".repeat(256)), "volume name is too long"],
  [request("data", { driver: "flocker" }), 'the volume driver "flocker" is not supported yet: local is'],
  [request("data", { options: { size: "1g" } }), 'invalid option: "size"'],
  [request("data", { options: { type: "nfs" } }), 'missing required option: "device"'],
  [request("data", { options: { o: "bind" } }), 'missing required option: "type"'],
])("%j is refused", async (wrong, sentence) => {
  await expect(store.create(wrong)).rejects.toThrow(sentence);
  expect(store.list()).toEqual([]);
});

test("one that a container was made with is not removed, and gone for good when none has it", async () => {
  await store.acquire(A, request("data"));
  store.hold(B, "data");
  await expect(store.remove("data")).rejects.toMatchObject({ code: "conflict", message: `remove data: volume is in use - [${A}, ${B}]` });
  store.release(A);
  await expect(store.remove("data")).rejects.toThrow(`[${B}]`);
  store.release(B);
  await store.remove("data");
  await expect(store.remove("data")).rejects.toMatchObject({ code: "not_found", message: "get data: no such volume" });
  expect((await open()).list()).toEqual([]);
  expect(readdirSync(join(folder, "volumes"))).toEqual([]);
});

test("removal goes as deep as a container made it, and does not follow its links", async () => {
  const { folder: content } = await store.create(request("data"));
  writeFileSync(join(folder, "outside"), "outside");
  symlinkSync(folder, join(content, "link"));
  // Deeper than any path can say.
  const dig = "for (let i = 0; i < 150; i++) { fs.mkdirSync('d'.repeat(100)); process.chdir('d'.repeat(100)); }";
  execFileSync(process.execPath, ["-e", dig], { cwd: content });
  await store.remove("data");
  expect(readFileSync(join(folder, "outside"), "utf8")).toBe("outside");
  expect(readdirSync(join(folder, "volumes"))).toEqual([]);
});

test("a making or a removal that was cut short leaves nothing; what cannot be understood is left alone", async () => {
  await store.create(request("whole"));
  mkdirSync(join(folder, "volumes/half/_data/sub"), { recursive: true });
  mkdirSync(join(folder, "volumes/odd/_data"), { recursive: true });
  writeFileSync(join(folder, "volumes/odd/record.json"), "{");
  writeFileSync(join(folder, "volumes/odd/_data/precious"), "");
  store = await open();
  expect(store.list().map(({ name }) => name)).toEqual(["whole"]);
  await expect(store.create(request("odd"))).rejects.toThrow(/the record of volume odd, .* cannot be read/);
  expect(readdirSync(join(folder, "volumes")).toSorted()).toEqual(["odd", "whole"]);
  expect(existsSync(join(folder, "volumes/odd/_data/precious"))).toBe(true);
});

test("one below which somebody mounted something is not removed, nor what is mounted there", async () => {
  const outside = join(folder, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "kept"), "kept");
  const { folder: content } = await store.create(request("data"));
  const place = join(content, "sub");
  mkdirSync(place);
  // On the same device: by that alone it cannot be told from the volume's own.
  execFileSync("mount", ["--bind", outside, place]);
  await expect(store.remove("data")).rejects.toMatchObject({ code: "conflict", message: `remove data: something is mounted at ${place}` });
  expect(readFileSync(join(outside, "kept"), "utf8")).toBe("kept");
  expect(store.get("data")).toBeDefined();
  rmSync(join(folder, "volumes/data/record.json"));
  store = await open();
  expect(readFileSync(join(outside, "kept"), "utf8")).toBe("kept");
  execFileSync("umount", [place]);
  store = await open();
  expect(readdirSync(join(folder, "volumes"))).toEqual([]);
});

test("options are mounted for the first user and taken off after the last", async () => {
  const told: string[] = [];
  store.onChange(({ action, attributes }) => told.push(`${action} ${attributes.container ?? ""}`.trim()));
  const { folder: content } = await store.create(request("memory", { options: tmpfs("size=1m,mode=0700,noexec") }));
  await store.use(use("memory", A));
  await store.use(use("memory", B));
  expect(mounts()).toHaveLength(1);
  expect(mounts()[0]).toMatch(/ rw,noexec,relatime .*- tmpfs tmpfs rw,size=1024k,mode=700/);
  writeFileSync(join(content, "shared"), "");
  await store.leave(A);
  expect(readdirSync(content)).toEqual(["shared"]);
  await store.leave(B);
  expect(mounts()).toEqual([]);
  expect(readdirSync(content)).toEqual([]);
  expect(told).toEqual(["create", `mount ${A}`, `mount ${B}`, `unmount ${A}`, `unmount ${B}`]);
});

test("who says twice that a container has left waits for its volume both times", async () => {
  await store.create(request("memory", { options: tmpfs("size=1m") }));
  await store.use(use("memory", A));
  // As at its end, and then at its removal.
  const first = store.leave(A);
  await Promise.resolve();
  await store.leave(A);
  expect(mounts()).toEqual([]);
  await first;
});

test("a bind of a folder of the host: written through, and not removed with the volume", async () => {
  const device = join(folder, "device");
  mkdirSync(device);
  const { folder: content } = await store.create(request("bound", { options: { type: "none", device, o: "bind,ro" } }));
  await store.use(use("bound", A));
  writeFileSync(join(device, "kept"), "kept");
  expect(readFileSync(join(content, "kept"), "utf8")).toBe("kept");
  expect(() => writeFileSync(join(content, "new"), "")).toThrow("EROFS");
  // As after kill -9 of the daemon: nothing but the mount tells of the user.
  store = await open();
  store.resume(use("bound", A));
  await store.settle();
  expect(mounts()).toHaveLength(1);
  await store.leave(A);
  await store.use(use("bound", B));
  store = await open();
  await store.settle();
  expect(mounts()).toEqual([]);
  await store.use(use("bound", B));
  store = await open();
  await store.remove("bound");
  expect(mounts()).toEqual([]);
  expect(readFileSync(join(device, "kept"), "utf8")).toBe("kept");
});

test("what cannot be mounted says so with the volume and the reason", async () => {
  await store.create(request("lost", { options: { type: "none", device: "/no/such/place", o: "bind" } }));
  await expect(store.use(use("lost", A))).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(
      /^error while mounting volume '.*\/lost\/_data': failed to mount local volume: mount \/no\/such\/place at .*: no such file or directory$/,
    ),
  });
  await store.remove("lost");
});

test("sizes count each file once, and only what is in the volume itself", async () => {
  const { folder: content } = await store.create(request("data"));
  await store.create(request("memory", { options: tmpfs("size=1m") }));
  writeFileSync(join(content, "a"), "x".repeat(1000));
  execFileSync("ln", [join(content, "a"), join(content, "b")]);
  store.hold(A, "data");
  const usage = await store.usage();
  expect(usage.map(({ volume, sizeBytes, references }) => [volume.name, sizeBytes, references])).toEqual([
    ["data", 1000, 1],
    ["memory", null, 0],
  ]);
  expect(await store.prune(() => true)).toEqual({ names: ["memory"], freedBytes: 0 });
  store.release(A);
  expect(await store.prune(({ name }) => name === "data")).toEqual({ names: ["data"], freedBytes: 1000 });
});
