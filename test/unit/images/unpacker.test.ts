import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../../src/base/log.js";
import { Unpacker } from "../../../src/runtime/images/unpacker.js";
import { describeAsRoot } from "../../support/privileges.js";
import { UNPACKER_PATH } from "../../support/unpacker.js";
import { type ArchiveItem, archiveOf } from "./archives.js";

let root: string;
let layer: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "layer-"));
  layer = join(root, "layer");
  mkdirSync(layer);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Unpacks bytes into `layer`, or another folder beside it. */
const unpackBytes = (bytes: Buffer, folder = "layer") => {
  writeFileSync(join(root, "archive"), bytes);
  return new Unpacker({ program: UNPACKER_PATH, folder: root, logger: silentLogger }).unpack("archive", folder);
};
const unpack = async (items: readonly ArchiveItem[]) => unpackBytes(await archiveOf(items));
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
  expect(await unpackBytes(archive)).toEqual({
    diffId: `sha256:${createHash("sha256").update(archive).digest("hex")}`,
    sizeBytes: 700_010,
    entries: 7,
    dropped: [],
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
  const { diffId } = await unpackBytes(gzipSync(archive));
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
    await unpackBytes(execFileSync("tar", [`--format=${format}`, "-C", source, "-cf", "-", "."]), format);
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
  await expect(unpack(items)).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(reason) });
  expect(readdirSync(root).toSorted()).toEqual(["archive", "layer"]);
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

test.each([
  ["text", Buffer.from("this is no archive ".repeat(100)), /not a valid archive/],
  ["half a header", Buffer.alloc(100, 1), /ends in the middle of a header/],
  ["broken zstd", Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), Buffer.alloc(3000, 9)]), /zstd stream is damaged/],
  ["broken gzip", Buffer.concat([gzipSync(Buffer.alloc(5000, 1)).subarray(0, 12), Buffer.alloc(3000, 9)]), /not a valid archive/],
  ["xz", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]), /compressed with xz/],
])("%s is no archive", async (_, bytes, reason) => {
  await expect(unpackBytes(bytes)).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(reason) });
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["zeros", Buffer.alloc(10_240)],
])("%s is an archive without entries, which layers may be", async (_, bytes) => {
  expect(await unpackBytes(bytes)).toMatchObject({ entries: 0, diffId: `sha256:${createHash("sha256").update(bytes).digest("hex")}` });
});

test.each([
  ["plain", (archive: Buffer) => archive],
  ["gzip", (archive: Buffer) => gzipSync(archive)],
  ["zstd", (archive: Buffer) => execFileSync("zstd", ["-c"], { input: archive })],
])("an archive that breaks off fails: %s", async (_, compress) => {
  const archive = compress(await archiveOf([{ name: "a", content: randomBytes(900_000) }]));
  await expect(unpackBytes(archive.subarray(0, 500_000))).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringMatching(/ends in the middle/),
  });
});

/** A pax header that counts for all entries after it. */
async function globalHeader(key: string, value: string): Promise<Buffer> {
  const rest = ` ${key}=${value}\n`;
  const header = (await archiveOf([{ name: "header", content: `${rest.length + 7}${rest}` }])).subarray(0, -1024);
  header[156] = "g".charCodeAt(0);
  header.fill(" ", 148, 156);
  const sum = header.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0`, 148);
  return header;
}

test("records of an archive that grow without end are refused before they fill the memory", async () => {
  const headers = await Promise.all(["a", "b", "c"].map((key) => globalHeader(key, "x".repeat(1_000_000))));
  expect(await unpackBytes(Buffer.concat(headers.slice(1)))).toMatchObject({ entries: 0 });
  await expect(unpackBytes(Buffer.concat(headers))).rejects.toThrow("not a valid archive: pax headers of more than 2097152 bytes");
});

test("names that JSON makes long do not spoil the answer about attributes that are not kept", async () => {
  const items = Array.from({ length: 5 }, (_, index) => ({ name: `${index}${"\u0001".repeat(240)}`, content: "", pax: { "SCHILY.xattr.unknown.kind": "x" } }));
  const { dropped } = await unpack(items);
  expect(dropped).toHaveLength(5);
  expect(dropped[0]).toContain("unknown.kind of 0\u0001");
});

test.each(["1.-5", "1.5x"])("a time of %s is the archive's fault", async (mtime) => {
  await expect(unpack([{ name: "f", content: "", pax: { mtime } }])).rejects.toMatchObject({ code: "invalid_argument" });
});

test("zstd, and gzip of several members, give the digest of what is inside", async () => {
  const archive = await archiveOf([{ name: "a", content: randomBytes(300_000) }]);
  const diffId = `sha256:${createHash("sha256").update(archive).digest("hex")}`;
  const members = Buffer.concat([gzipSync(archive.subarray(0, 1000)), gzipSync(archive.subarray(1000, 200_000)), gzipSync(archive.subarray(200_000))]);
  for (const [index, bytes] of [execFileSync("zstd", ["-c"], { input: archive }), members].entries()) {
    mkdirSync(join(root, String(index)));
    expect(await unpackBytes(bytes, String(index))).toMatchObject({ diffId, sizeBytes: 300_000 });
  }
});

test("an unpacker that cannot be started, or a folder that is not there, is this host's fault", async () => {
  const missing = new Unpacker({ program: join(root, "nothing"), folder: root, logger: silentLogger });
  await expect(missing.unpack("archive", "layer")).rejects.toMatchObject({ code: "unavailable" });
  await expect(unpackBytes(Buffer.alloc(0), "nowhere")).rejects.toMatchObject({ code: "internal", message: expect.stringContaining("nowhere") });
});

describeAsRoot("as root", () => {
  /** As tar tells it: `name=value` of every attribute. */
  const attributes = (path: string) => {
    const archive = execFileSync("tar", ["--xattrs", "--xattrs-include=*", "--no-recursion", "-C", layer, "-cf", "-", path], { encoding: "latin1" });
    return [...archive.matchAll(/SCHILY\.xattr\.([^=\n]+=[^\n]*)\n/g)].map((match) => match[1]);
  };
  const isWhiteout = (path: string) => lstatSync(join(layer, path)).isCharacterDevice() && lstatSync(join(layer, path)).rdev === 0;

  test("device nodes, pipes and extended attributes are kept", async () => {
    await unpack([
      { name: "dev/null", type: "character-device", mode: 0o666, devmajor: 1, devminor: 3 },
      { name: "dev/disk", type: "block-device", mode: 0o660, gid: 6, devmajor: 8, devminor: 17 },
      { name: "pipe", type: "fifo", mode: 0o644 },
      { name: "f", content: "x", mode: 0o755, pax: { "SCHILY.xattr.user.note": "hello", "SCHILY.xattr.trusted.overlay.redirect": "/etc" } },
    ]);
    const [device, disk] = [statSync(join(layer, "dev/null")), statSync(join(layer, "dev/disk"))];
    expect([device.isCharacterDevice(), device.rdev, device.mode & 0o7777]).toEqual([true, 0x103, 0o666]);
    expect([disk.isBlockDevice(), disk.rdev, disk.gid]).toEqual([true, 0x811, 6]);
    expect(lstatSync(join(layer, "pipe")).isFIFO()).toBe(true);
    expect(attributes("f")).toEqual(["user.note=hello"]);
  });

  test("whiteouts and opaque folders take the form that overlayfs mounts", async () => {
    await unpack([
      { name: "etc/.wh.gone", content: "" },
      { name: "opt/.wh..wh..opq", content: "" },
      { name: "opt/new", content: "" },
      { name: "replaced/", type: "directory" },
      { name: ".wh.replaced", content: "" },
      { name: ".wh.later", content: "" },
      { name: "later/file", content: "" },
      { name: ".wh.file", content: "" },
      { name: "file", content: "in the same layer" },
      { name: ".wh..wh.plnk/1.2", content: "aufs" },
    ]);
    expect(isWhiteout("etc/gone")).toBe(true);
    expect(readdirSync(layer).toSorted()).toEqual(["etc", "file", "later", "opt", "replaced"]);
    for (const folder of ["opt", "replaced", "later"]) expect(attributes(folder), folder).toEqual(["trusted.overlay.opaque=y"]);
    expect(readFileSync(join(layer, "file"), "utf8")).toBe("in the same layer");
  });

  test.each([".wh.", ".wh..", ".wh..."])("a whiteout named %s is refused", async (name) => {
    await expect(unpack([{ name: `d/${name}`, content: "" }])).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringContaining(name) });
  });
});
