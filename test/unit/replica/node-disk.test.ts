import { constants, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemCodeOf } from "../../../src/base/errors.js";
import { openDirectFile } from "../../../src/replica/direct-file.js";
import type { DiskFile } from "../../../src/replica/disk.js";
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

test.each(["EINVAL", "ENOTSUP"])("a disk that refuses a direct write with %s gets it, and every later one, the usual way", async (code) => {
  const folder = await newFolder();
  try {
    const path = join(folder, "a");
    await writeFile(path, Buffer.alloc(8192, "."));
    const usual: number[] = [];
    const plain = await nodeDisk.open(path, "extend");
    const spied: DiskFile = {
      read: (length, position) => plain.read(length, position),
      sync: () => plain.sync(),
      size: () => plain.size(),
      write: (bytes, position) => {
        usual.push(position);
        return plain.write(bytes, position);
      },
      [Symbol.asyncDispose]: () => plain[Symbol.asyncDispose](),
    };
    let tries = 0;
    {
      await using file = await openDirectFile(path, spied, () => {
        tries += 1;
        return Promise.reject(Object.assign(new Error(`${code}: write`), { code }));
      });
      await file.write(Buffer.alloc(4096, "a"), 4096);
      await file.write(Buffer.alloc(4096, "b"), 0);
    }
    expect([usual, tries]).toEqual([[4096, 0], (await knowsDirect(path)) ? 1 : 0]);
    expect(readFileSync(path, "utf8")).toBe("b".repeat(4096) + "a".repeat(4096));
    expect(openings(path)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a direct write that fails for another reason fails", async () => {
  const folder = await newFolder();
  try {
    const path = join(folder, "a");
    await writeFile(path, Buffer.alloc(4096));
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    const file = await openDirectFile(path, await nodeDisk.open(path, "extend"), () => Promise.reject(full));
    await using _file = file;
    if (await knowsDirect(path)) await expect(file.write(Buffer.alloc(4096, "a"), 0)).rejects.toBe(full);
    else await file.write(Buffer.alloc(4096), 0);
    expect(readFileSync(path)).toEqual(Buffer.alloc(4096));
  } finally {
    await rm(folder, { recursive: true });
  }
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
