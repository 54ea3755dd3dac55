import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { unpackLayer } from "../../../src/runtime/images/unpack-layer.js";
import { type ArchiveItem, archiveOf, streamOf } from "./archives.js";

let root: string;
let layer: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "layer-"));
  layer = join(root, "layer");
  mkdirSync(layer);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const unpack = async (items: readonly ArchiveItem[]) => unpackLayer(streamOf(await archiveOf(items)), layer);
const modeOf = (path: string) => (statSync(join(layer, path)).mode & 0o7777).toString(8);

test("files, folders and links come out as they went in", async () => {
  const mtime = new Date("2020-02-03T04:05:06Z");
  const big = Buffer.alloc(700_000, "x");
  const archive = await archiveOf([
    { name: "./", type: "directory", mode: 0o755 },
    { name: "./bin/", type: "directory", mode: 0o1777, mtime },
    { name: "./bin/su", content: "setuid", mode: 0o4755, uid: 12, gid: 34, mtime },
    { name: "./bin/big", content: big, mode: 0o600 },
    { name: "./bin/also-su", type: "link", linkname: "./bin/su" },
    { name: "./lib", type: "symlink", linkname: "/usr/lib" },
    { name: "./deep/below/nothing", content: "made", mode: 0o644 },
  ]);
  const { diffId, sizeBytes, entries, skipped } = await unpackLayer(streamOf(archive), layer);
  expect({ diffId, sizeBytes, entries, skipped }).toEqual({
    diffId: `sha256:${createHash("sha256").update(archive).digest("hex")}`,
    sizeBytes: 700_010,
    entries: 7,
    skipped: [],
  });
  expect(modeOf("bin")).toBe("1777");
  expect(modeOf("bin/su")).toBe("4755");
  expect(statSync(join(layer, "bin/su")).mtime).toEqual(mtime);
  expect(statSync(join(layer, "bin")).mtime).toEqual(mtime);
  expect(statSync(join(layer, "bin/also-su")).ino).toBe(statSync(join(layer, "bin/su")).ino);
  expect(readFileSync(join(layer, "bin/big")).equals(big)).toBe(true);
  expect(readlinkSync(join(layer, "lib"))).toBe("/usr/lib");
  expect(readFileSync(join(layer, "deep/below/nothing"), "utf8")).toBe("made");
  if (process.getuid?.() === 0) expect([statSync(join(layer, "bin/su")).uid, statSync(join(layer, "bin/su")).gid]).toEqual([12, 34]);
});

test("gzip is recognised by its content, and the digest is that of what is inside", async () => {
  const archive = await archiveOf([{ name: "a", content: "b" }]);
  const { diffId } = await unpackLayer(streamOf(gzipSync(archive), 7), layer);
  expect(diffId).toBe(`sha256:${createHash("sha256").update(archive).digest("hex")}`);
});

test("what tar writes is read, long names and all", async () => {
  const source = join(root, "source");
  const long = `${"n".repeat(120)}/${"m".repeat(120)}`;
  mkdirSync(join(source, long), { recursive: true });
  execFileSync("sh", ["-c", `echo hi > '${join(source, long)}/f'; ln -s '${"t".repeat(150)}' '${source}/link'`]);
  for (const format of ["gnu", "pax"]) {
    const folder = join(root, format);
    mkdirSync(folder);
    await unpackLayer(streamOf(execFileSync("tar", [`--format=${format}`, "-C", source, "-cf", "-", "."])), folder);
    expect(readFileSync(join(folder, long, "f"), "utf8")).toBe("hi\n");
    expect(readlinkSync(join(folder, "link"))).toBe("t".repeat(150));
  }
});

test("a later entry replaces an earlier one", async () => {
  await unpack([
    { name: "a", content: "old" },
    { name: "d/", type: "directory" },
    { name: "d/x", content: "x" },
    { name: "a", content: "new" },
    { name: "d", content: "now a file" },
    { name: "a2", type: "symlink", linkname: "a" },
    { name: "a2", content: "no link any more" },
  ]);
  expect(readFileSync(join(layer, "a"), "utf8")).toBe("new");
  expect(readFileSync(join(layer, "d"), "utf8")).toBe("now a file");
  expect(lstatSync(join(layer, "a2")).isFile()).toBe(true);
});

test("links inside an archive lead within it", async () => {
  mkdirSync(join(root, "outside"));
  await unpack([
    { name: "usr/lib/", type: "directory" },
    { name: "lib", type: "symlink", linkname: "/usr/lib" },
    { name: "lib/a.so", content: "a" },
    { name: "up", type: "symlink", linkname: "../../../../outside" },
    { name: "up/evil", content: "kept inside" },
    { name: "absolute", type: "symlink", linkname: join(root, "outside") },
    { name: "absolute/evil", content: "kept inside" },
    { name: "/etc/passwd", content: "kept inside" },
  ]);
  expect(readFileSync(join(layer, "usr/lib/a.so"), "utf8")).toBe("a");
  expect(readFileSync(join(layer, "outside/evil"), "utf8")).toBe("kept inside");
  expect(readFileSync(join(layer, root, "outside/evil"), "utf8")).toBe("kept inside");
  expect(readFileSync(join(layer, "etc/passwd"), "utf8")).toBe("kept inside");
  expect(readdirSync(join(root, "outside"))).toEqual([]);
});

const LOOP: readonly ArchiveItem[] = [
  { name: "a", type: "symlink", linkname: "b" },
  { name: "b", type: "symlink", linkname: "a" },
  { name: "a/x", content: "" },
];

test.each<[string, readonly ArchiveItem[], RegExp]>([
  ["a name with ..", [{ name: "x/../../evil", content: "" }], /leaves the archive/],
  ["a hard link with ..", [{ name: "x", type: "link", linkname: "../../etc/passwd" }], /leaves the archive/],
  ["a hard link to what is not there", [{ name: "x", type: "link", linkname: "/etc/passwd" }], /no file before it/],
  [
    "a hard link to a folder",
    [
      { name: "d/", type: "directory" },
      { name: "x", type: "link", linkname: "d" },
    ],
    /no file before it/,
  ],
  ["a loop of links", LOOP, /too many links/],
  [
    "an entry below a file",
    [
      { name: "f", content: "" },
      { name: "f/x", content: "" },
    ],
    /lies in a file/,
  ],
  ["a link in place of the root", [{ name: "./", type: "symlink", linkname: "/" }], /replace the root/],
])("%s is refused, and nothing is written outside", async (_, items, reason) => {
  const before = readdirSync(root);
  await expect(unpack(items)).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(reason) });
  expect(readdirSync(root)).toEqual(before);
});

test("a hard link to a link of the archive does not reach its target outside", async () => {
  await unpack([
    { name: "s", type: "symlink", linkname: "/etc/passwd" },
    { name: "h", type: "link", linkname: "s" },
    { name: "h", content: "mine" },
  ]);
  expect(readFileSync(join(layer, "h"), "utf8")).toBe("mine");
  expect(readlinkSync(join(layer, "s"))).toBe("/etc/passwd");
});

test("device nodes are left out and named", async () => {
  const { skipped } = await unpack([
    { name: "dev/null", type: "character-device", devmajor: 1, devminor: 3 },
    { name: "f", content: "" },
  ]);
  expect(skipped).toEqual(["dev/null"]);
  expect(existsSync(join(layer, "dev/null"))).toBe(false);
});

test.each([
  ["text", Buffer.from("this is no archive ".repeat(100)), /not a valid archive/],
  ["nothing", Buffer.alloc(0), /archive is empty/],
  ["zeros", Buffer.alloc(10_240), /archive is empty/],
  ["broken gzip", Buffer.concat([gzipSync(Buffer.alloc(5000, 1)).subarray(0, 12), Buffer.alloc(3000, 9)]), /not a valid archive/],
  ["xz", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]), /compressed with xz/],
])("%s is no archive", async (_, bytes, reason) => {
  await expect(unpackLayer(streamOf(bytes), layer)).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(reason) });
});

test("an archive that breaks off fails", async () => {
  const archive = await archiveOf([{ name: "a", content: Buffer.alloc(900_000, 1) }]);
  await expect(unpackLayer(streamOf(archive.subarray(0, 500_000)), layer)).rejects.toMatchObject({ code: "invalid_argument" });
  const other = join(root, "other");
  mkdirSync(other);
  const broken = new Readable({
    read() {
      this.push(archive.subarray(0, 5000));
      this.destroy(new Error("connection lost"));
    },
  });
  await expect(unpackLayer(broken, other)).rejects.toThrow(/connection lost/);
});

test("other work goes on while a large archive is unpacked, and little of it is in memory", async () => {
  const items: ArchiveItem[] = Array.from({ length: 3000 }, (_, index) => ({ name: `d${index % 50}/f${index}`, content: Buffer.alloc(2000, index) }));
  const archive = await archiveOf([...items, { name: "big", content: Buffer.alloc(40_000_000, 7) }]);
  let worst = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    worst = Math.max(worst, performance.now() - last);
    last = performance.now();
  }, 1);
  await unpackLayer(streamOf(archive, 65_536), layer);
  clearInterval(timer);
  expect(worst).toBeLessThan(500);
  expect(statSync(join(layer, "big")).size).toBe(40_000_000);
  expect(readdirSync(join(layer, "d7")).length).toBe(60);
});
