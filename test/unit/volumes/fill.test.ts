import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { LocalVolumeStore } from "../../../src/volumes/local-volume-store.js";
import type { Volume } from "../../../src/volumes/volume-store.js";
import { archiveOf } from "../images/archives.js";

const programPath = resolve(import.meta.dirname, "../../../native/build/swarm-volume");

let folder: string;
let store: LocalVolumeStore;
let volume: Volume;

const inImage = (script: string) => execFileSync("sh", ["-ec", script], { cwd: join(folder, "upper") });
const layers = () => ["upper", "lower"].map((name) => join(folder, name));
const fill = (path: string) => store.fill("data", { path, layers: layers() });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fill-"));
  for (const name of ["upper", "lower"]) mkdirSync(join(folder, name));
  store = await LocalVolumeStore.open({ folder: join(folder, "volumes"), programPath, clock: systemClock, logger: silentLogger });
  volume = await store.create({ name: "data", driver: "", options: {}, labels: {} });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("content of all layers comes with owners, modes, times, attributes, links and special files", async () => {
  mkdirSync(join(folder, "lower/d/sub"), { recursive: true });
  writeFileSync(join(folder, "lower/d/sub/low"), "low");
  inImage(`mkdir d; chown 7:8 d; chmod 1770 d; mkdir d/own; chmod 0701 d/own; echo up >d/file; chown 33:44 d/file; chmod 4750 d/file; touch -d @1000000000 d/file
    ln d/file d/own/again; ln -s /etc/passwd d/link; mkfifo d/pipe; mknod d/null c 1 3; setfattr -n user.a -v b d/file 2>/dev/null || true`);
  await fill("/d");
  const content = (name: string) => statSync(join(volume.folder, name));
  expect(readdirSync(volume.folder).toSorted()).toEqual(["file", "link", "null", "own", "pipe", "sub"]);
  expect(readFileSync(join(volume.folder, "sub/low"), "utf8")).toBe("low");
  expect([statSync(volume.folder).uid, statSync(volume.folder).gid, statSync(volume.folder).mode & 0o7777]).toEqual([7, 8, 0o1770]);
  expect([content("file").uid, content("file").gid, content("file").mode & 0o7777, content("file").mtimeMs]).toEqual([33, 44, 0o4750, 1e12]);
  expect(content("own/again").ino).toBe(content("file").ino);
  expect(content("own").mode & 0o7777).toBe(0o701);
  expect(content("null").rdev).toBe(statSync("/dev/null").rdev);
  expect(content("pipe").isFIFO()).toBe(true);
  expect(execFileSync("readlink", [join(volume.folder, "link")], { encoding: "utf8" })).toBe("/etc/passwd\n");
});

test("marks of what is gone, in the only layer, are no content of the volume", async () => {
  inImage("mkdir d; touch d/file; mknod d/gone c 0 0");
  const attributes = ["--xattrs", "--xattrs-include=*"];
  const input = await archiveOf([{ name: "again", type: "directory", pax: { "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.trusted.kept": "y" } }]);
  execFileSync("tar", [...attributes, "-xf", "-", "-C", join(folder, "upper/d")], { input });
  await store.fill("data", { path: "/d", layers: [join(folder, "upper")] });
  expect(readdirSync(volume.folder)).toEqual(["again", "file"]);
  const written = execFileSync("tar", [...attributes, "-cf", "-", "-C", volume.folder, "again"], { encoding: "latin1" });
  expect([...written.matchAll(/SCHILY\.xattr\.([^=]*)/g)].map(([, name]) => name)).toEqual(["trusted.kept"]);
});

test("only an empty volume is filled, and a place that the image does not have is no fault", async () => {
  await fill("/nowhere");
  expect(readdirSync(volume.folder)).toEqual([]);
  writeFileSync(join(volume.folder, "mine"), "");
  inImage("mkdir d; touch d/file");
  await fill("/d");
  expect(readdirSync(volume.folder)).toEqual(["mine"]);
});

test("links of the image lead nowhere but into the image", async () => {
  const outside = join(folder, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), "");
  symlinkSync(outside, join(folder, "upper/absolute"));
  symlinkSync(`..${"/..".repeat(20)}${outside}`, join(folder, "upper/relative"));
  for (const path of ["/absolute", "/relative"]) {
    await fill(path);
    expect(readdirSync(volume.folder)).toEqual([]);
  }
  mkdirSync(join(folder, "upper", outside), { recursive: true });
  writeFileSync(join(folder, "upper", outside, "inside"), "");
  await fill("/absolute");
  expect(readdirSync(volume.folder)).toEqual(["inside"]);
});

test("a file of the image is no place for a volume", async () => {
  inImage("echo >file");
  await expect(fill("/file")).rejects.toMatchObject({
    code: "invalid_argument",
    message: "cannot mount volume over existing file, file exists in the image: /file",
  });
});

test("what was cut short goes on, and keeps what was written meanwhile", async () => {
  inImage("mkdir -p d/deep; echo one >d/one; echo two >d/deep/two");
  writeFileSync(join(folder, "volumes/data/filling"), "");
  writeFileSync(join(volume.folder, ".swarm-volume-unfinished"), "o");
  writeFileSync(join(volume.folder, "one"), "changed");
  await fill("/d");
  expect(readFileSync(join(volume.folder, "one"), "utf8")).toBe("changed");
  expect(readFileSync(join(volume.folder, "deep/two"), "utf8")).toBe("two\n");
  expect(readdirSync(join(folder, "volumes/data")).toSorted()).toEqual(["_data", "record.json"]);
});
