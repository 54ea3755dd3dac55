import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/base/random.js";
import type { Disk } from "../../src/replica/disk.js";
import { describeDisk } from "../conformance/disk.js";
import type { Ailment } from "./ailment.js";
import { DATA_FOLDER, SimulatedDisk } from "./disk.js";

const newDisk = (seed: number, delayMax = 0) => new SimulatedDisk({ random: new SeededRandom(seed), delayMax, now: () => 0 });
const text = (length: number, letter: string) => new TextEncoder().encode(letter.repeat(length));

describeDisk("simulated", async () => ({ disk: newDisk(1).open(), folder: DATA_FOLDER, dispose: () => Promise.resolve() }));

/** What is found after a crash, over many of them. */
async function outcomes(work: (disk: Disk) => Promise<void>, look: (disk: Disk) => Promise<string>): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const disk = newDisk(seed);
    await work(disk.open());
    disk.crash();
    found.add(await look(disk.open()));
  }
  return found;
}

async function contentOf(disk: Disk, path: string): Promise<string> {
  if (!(await disk.namesIn(DATA_FOLDER)).includes(path)) return "none";
  await using file = await disk.open(`${DATA_FOLDER}/${path}`, "read");
  return [...new Set(Buffer.from(await file.read(1_000, 0)).toString())].sort().join("");
}

describe("a crash", () => {
  test("keeps what was synced, content and name", async () => {
    const kept = async (disk: Disk) => {
      await using file = await disk.open(`${DATA_FOLDER}/a`, "replace");
      await file.write(text(300, "x"), 0);
      await file.sync();
      await disk.syncFolder(DATA_FOLDER);
    };
    expect(await outcomes(kept, (disk) => contentOf(disk, "a"))).toEqual(new Set(["x"]));
  });

  test("may lose the name of a file whose folder was not synced, or its content in part or in whole", async () => {
    const unsynced = async (disk: Disk) => {
      await using file = await disk.open(`${DATA_FOLDER}/a`, "replace");
      await file.write(text(300, "x"), 0);
    };
    expect(await outcomes(unsynced, (disk) => contentOf(disk, "a"))).toEqual(new Set(["none", "", "x", "\0x"]));
  });

  test("keeps what was written through, and may tear what comes after it", async () => {
    const through = async (disk: Disk) => {
      await using file = await disk.open(`${DATA_FOLDER}/a`, "replace");
      await file.write(text(300, "a"), 0);
      await file.sync();
      await disk.syncFolder(DATA_FOLDER);
      await using again = await disk.open(`${DATA_FOLDER}/a`, "write_through");
      await again.write(text(300, "b"), 0);
      await file.write(text(300, "c"), 0);
    };
    expect(await outcomes(through, (disk) => contentOf(disk, "a"))).toEqual(new Set(["b", "bc", "c"]));
  });

  test("keeps a database's batches up to one, and none after it", async () => {
    const batches = async (disk: Disk) => {
      await using database = await disk.openDatabase(`${DATA_FOLDER}/db`, { createIfMissing: true });
      await disk.syncFolder(DATA_FOLDER);
      await database.write([{ key: "a", value: text(1, "a") }]);
      await database.put("b", text(1, "b"));
      await database.put("c", text(1, "c"));
    };
    const keys = async (disk: Disk) => {
      await using database = await disk.openDatabase(`${DATA_FOLDER}/db`, { createIfMissing: false });
      let found = "";
      for await (const [key] of database.range({ gte: "", lte: "~" })) found += key;
      return found;
    };
    expect(await outcomes(batches, keys)).toEqual(new Set(["a", "ab", "abc"]));
  });
});

describe("a disk that fails", () => {
  const errors: Ailment = { kind: "errors", rate: 1, until: 1 };
  const batch = (key: string) => [{ key, value: text(1, key) }];

  test("does not try again what a failed sync was to write, and shows it until the machine is off", async () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 30; seed++) {
      const disk = newDisk(seed);
      {
        const open = disk.open();
        await using file = await open.open(`${DATA_FOLDER}/a`, "replace");
        await open.syncFolder(DATA_FOLDER);
        await file.write(text(10, "x"), 0);
        disk.ailment = errors;
        await expect(file.sync()).rejects.toMatchObject({ code: "EIO" });
        disk.ailment = null;
        await file.sync();
        expect(await contentOf(open, "a")).toBe("x");
      }
      disk.abandon();
      expect(await contentOf(disk.open(), "a")).toBe("x");
      disk.crash();
      found.add(await contentOf(disk.open(), "a"));
    }
    expect(found).toEqual(new Set(["", "x"]));
  });

  test("refuses what needs room while it is full, and takes what is written over", async () => {
    const disk = newDisk(1);
    const open = disk.open();
    await using file = await open.open(`${DATA_FOLDER}/a`, "replace");
    await file.write(text(10, "x"), 0);
    await using over = await open.open(`${DATA_FOLDER}/a`, "write_through");
    await using database = await open.openDatabase(`${DATA_FOLDER}/db`, { createIfMissing: true });
    disk.ailment = { ...errors, kind: "full" };
    await expect(file.write(text(10, "y"), 10)).rejects.toMatchObject({ code: "ENOSPC" });
    await expect(database.write(batch("a"))).rejects.toMatchObject({ code: "ENOSPC" });
    await over.write(text(10, "z"), 0);
    expect(await contentOf(open, "a")).toBe("z");
    expect(disk.logFailedAt).toBe(0);
  });

  test("may hide what a database wrote after a batch that failed", async () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 30; seed++) {
      const disk = newDisk(seed);
      const database = await disk.open().openDatabase(`${DATA_FOLDER}/db`, { createIfMissing: true });
      await database.write(batch("a"));
      disk.ailment = { ...errors, kind: "full" };
      await expect(database.put("b", text(1, "b"))).rejects.toMatchObject({ code: "ENOSPC" });
      disk.ailment = null;
      await database.write(batch("c"));
      disk.abandon();
      await using again = await disk.open().openDatabase(`${DATA_FOLDER}/db`, { createIfMissing: false });
      let keys = "";
      for await (const [key] of again.range({ gte: "", lte: "~" })) keys += key;
      found.add(keys);
    }
    expect(found).toEqual(new Set(["a", "ac"]));
  });
});
