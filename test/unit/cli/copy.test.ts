import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linkedPath, parseSide, placementOf } from "../../../src/cli/container/copy-paths.js";
import { packTree } from "../../../src/cli/container/pack-tree.js";
import { unpackTree } from "../../../src/cli/container/unpack-tree.js";

let folder: string;
const path = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "copy-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("what names which side", () => {
  expect(parseSide("box:/etc/x")).toEqual({ type: "container", container: "box", path: "/etc/x" });
  for (const local of ["./a:b", "/a:b", "../x", "plain"]) expect(parseSide(local)).toEqual({ type: "local", path: local });
  expect(parseSide("-")).toEqual({ type: "stream" });
  expect(() => parseSide("box:")).toThrow('"box:" names no path in the container');
  expect(linkedPath("/a/b", "../c")).toBe("/c");
  expect(linkedPath("/a/b", "/d")).toBe("/d");
});

describe("where a copy goes", () => {
  const file = { name: "f", isFolder: false, linkTarget: undefined };
  const tree = { name: "d", isFolder: true, linkTarget: undefined };

  test.each([
    ["a file into a folder", "/s/f", file, "/t", tree, { folder: "/t", name: "f" }],
    ["a file over a file", "/s/f", file, "/t/g", file, { folder: "/t", name: "g" }],
    ["a file under a new name", "/s/f", file, "/t/g", undefined, { folder: "/t", name: "g" }],
    ["a folder into a folder", "/s/d", tree, "/t", tree, { folder: "/t", name: "d" }],
    ["what is in a folder", "/s/d/.", tree, "/t", tree, { folder: "/t", name: "" }],
    ["a folder under a new name", "/s/d", tree, "/t/n/", undefined, { folder: "/t", name: "n" }],
    ["into the folder where one is", "/s/f", file, "g", undefined, { folder: ".", name: "g" }],
    ["under the root", "/s/f", file, "/g", undefined, { folder: "/", name: "g" }],
  ])("%s", (_, source, stat, destination, there, expected) => {
    expect(placementOf({ path: source, stat }, { path: destination, stat: there })).toEqual(expected);
  });

  test.each([
    ["a folder over a file", tree, "/t/f", file, "cannot copy the directory"],
    ["a file into a folder that is not there", file, "/t/", undefined, 'destination directory "/t/" must exist'],
    ["a file into a file", file, "/t/", file, "/t/ is not a directory"],
  ])("%s is refused", (_, stat, destination, there, message) => {
    expect(() => placementOf({ path: "/s", stat }, { path: destination, stat: there })).toThrow(message);
  });
});

test("a tree is the same after it went through an archive", async () => {
  mkdirSync(path("from/sub"), { recursive: true });
  writeFileSync(path("from/sub/file"), "content");
  writeFileSync(path("from/empty"), "");
  writeFileSync(path("from/large"), Buffer.alloc(300_000, 7));
  symlinkSync("sub/file", path("from/link"));
  chmodSync(path("from/sub/file"), 0o751);
  utimesSync(path("from/sub/file"), 1000, 1000);
  utimesSync(path("from/sub"), 2000, 2000);
  await unpackTree(packTree(path("from"), "name", false), { target: path("to"), keepsOwners: true });
  expect(readFileSync(path("to/sub/file"), "utf8")).toBe("content");
  expect(readFileSync(path("to/large")).equals(Buffer.alloc(300_000, 7))).toBe(true);
  expect(readlinkSync(path("to/link"))).toBe("sub/file");
  expect([lstatSync(path("to/sub/file")).mode & 0o777, lstatSync(path("to/sub/file")).mtimeMs, lstatSync(path("to/sub")).mtimeMs]).toEqual([
    0o751, 1_000_000, 2_000_000,
  ]);
  // Once more, over what is there.
  await unpackTree(packTree(path("from"), "name", false), { target: path("to"), keepsOwners: false });
  expect(readFileSync(path("to/sub/file"), "utf8")).toBe("content");
});

describe("what a container gives is not believed", () => {
  const archiveOf = (...entries: readonly Parameters<ReturnType<typeof pack>["entry"]>[0][]) => {
    const archive = pack();
    for (const entry of entries) archive.entry(entry, entry.type === undefined || entry.type === "file" ? "data" : "");
    archive.finalize();
    return Readable.from(archive, { objectMode: false });
  };

  test.each([
    ["a way out by its name", [{ name: "x/../../outside" }], /leads out of it/],
    [
      "a way out by a hard link",
      [
        { name: "x", type: "directory" },
        { name: "x/l", type: "link", linkname: "x/../../outside" },
      ],
      /leads out of it/,
    ],
    [
      "writing through a link",
      [{ name: "x", type: "directory" }, { name: "x/l", type: "symlink", linkname: "/tmp" }, { name: "x/l/file" }],
      /is a link: nothing is written through it/,
    ],
  ] as const)("%s", async (_, entries, message) => {
    await expect(unpackTree(archiveOf(...entries), { target: path("to"), keepsOwners: false })).rejects.toThrow(message);
    expect(existsSync(path("outside"))).toBe(false);
  });

  test("a file does not take a folder's place, nor a folder a file's, and a link is replaced and not followed", async () => {
    mkdirSync(path("to/there"), { recursive: true });
    writeFileSync(path("to/file"), "");
    await expect(unpackTree(archiveOf({ name: "x/there" }), { target: path("to"), keepsOwners: false })).rejects.toThrow("cannot overwrite the directory");
    await expect(unpackTree(archiveOf({ name: "x/file", type: "directory" }), { target: path("to"), keepsOwners: false })).rejects.toThrow(
      "which is no directory",
    );
    writeFileSync(path("precious"), "kept");
    symlinkSync(path("precious"), path("to/link"));
    await unpackTree(archiveOf({ name: "x/link" }), { target: path("to"), keepsOwners: false });
    expect([readFileSync(path("precious"), "utf8"), readFileSync(path("to/link"), "utf8")]).toEqual(["kept", "data"]);
  });

  test("a pipe is one again, and for root a device too", async () => {
    const nodes = [
      ["pipe", { type: "fifo" }, "p"],
      ["null", { type: "character-device", devmajor: 1, devminor: 3 }, "1:3"],
      ["loop", { type: "block-device", devmajor: 7, devminor: 300 }, "7:300"],
    ] as const;
    for (const [name, kind, expected] of process.getuid?.() === 0 ? nodes : nodes.slice(0, 1)) {
      writeFileSync(path(name), "replaced");
      await unpackTree(archiveOf({ name, mode: 0o640, ...kind }), { target: path(name), keepsOwners: false });
      const info = lstatSync(path(name));
      expect(info.isFIFO() ? "p" : execFileSync("stat", ["-c", "%Hr:%Lr", path(name)], { encoding: "utf8" }).trim()).toBe(expected);
      expect(info.mode & 0o7777).toBe(0o640);
    }
  });

  test("hard links within it are kept", async () => {
    await unpackTree(archiveOf({ name: "x", type: "directory" }, { name: "x/a" }, { name: "x/b", type: "link", linkname: "x/a" }), {
      target: path("to"),
      keepsOwners: false,
    });
    expect(lstatSync(path("to/a")).ino).toBe(lstatSync(path("to/b")).ino);
  });
});
