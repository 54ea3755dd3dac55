import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/base/random.js";
import type { Disk } from "../../src/replica/disk.js";
import { describeDisk } from "../conformance/disk.js";
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
