import { constants, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemCodeOf } from "../../../src/base/errors.js";
import { nodeDisk } from "../../../src/replica/node-disk.js";
import { describeDisk } from "../../conformance/disk.js";

const newFolder = () => mkdtemp(join(tmpdir(), "disk-"));

describeDisk("of this machine", async () => {
  const folder = await newFolder();
  return { disk: nodeDisk, folder, dispose: () => rm(folder, { recursive: true, force: true }) };
});

test("what is written through goes past the page cache where the file system can do that, and leaves nothing open", async () => {
  const folder = await newFolder();
  try {
    const path = join(folder, "a");
    await writeFile(path, Buffer.alloc(8192));
    {
      await using _file = await nodeDisk.open(path, "write_through");
      expect(openedDirectly(path)).toBe((await knowsDirect(path)) ? 1 : 0);
    }
    expect(openings(path)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a file of a file system that does not know that is opened as any other", async () => {
  // On procfs, the name of this process is a file.
  const path = `/proc/${process.pid}/comm`;
  await using file = await nodeDisk.open(path, "write_through");
  expect([openings(path).length, openedDirectly(path)]).toEqual([1, 0]);
  expect(Buffer.from(await file.read(100, 0)).toString()).toBe(readFileSync(path, "utf8"));
});

async function knowsDirect(path: string): Promise<boolean> {
  try {
    await (await open(path, constants.O_WRONLY | constants.O_DIRECT)).close();
    return true;
  } catch (cause) {
    if (systemCodeOf(cause) === "EINVAL") return false;
    throw cause;
  }
}

/** Flags of each descriptor of this process that is open on the file, from procfs(5). */
function openings(path: string): readonly number[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== path) return [];
    } catch (cause) {
      if (systemCodeOf(cause) === "ENOENT") return []; // The descriptor with which the folder was read.
      throw cause;
    }
    const [, flags = ""] = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
    return [Number.parseInt(flags, 8)];
  });
}

const openedDirectly = (path: string) => openings(path).filter((flags) => (flags & constants.O_DIRECT) !== 0).length;
