import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { crc32c } from "../../../src/replica/crc32c.js";
import { setDamagedTablesAside } from "../../../src/replica/level-tables.js";

test.each<[string, Uint8Array, number]>([
  ["the check value of CRC-32C", Buffer.from("123456789"), 0xe3069283],
  ["32 zeros (RFC 3720, appendix B.4)", Buffer.alloc(32), 0x8a9136aa],
  ["32 ones (RFC 3720, appendix B.4)", Buffer.alloc(32, 0xff), 0x62a8ab43],
  ["nothing", Buffer.alloc(0), 0],
])("%s", (_title, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected);
});

describe("tables of a database", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "store-tables-"));
    // What is in the log becomes a table when the database is opened again.
    for (let round = 0; round < 2; round++) {
      await using level = new Level<string, string>(folder, { compression: false });
      await level.batch(Array.from({ length: 2_000 }, (_, at) => ({ type: "put" as const, key: `key-${round}-${at}`, value: "x".repeat(100) })));
    }
    await using level = new Level<string, string>(folder, { compression: false });
    await level.open();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const tables = async () => (await readdir(folder)).filter((name) => name.includes(".ldb")).sort();

  test("whole ones stay", async () => {
    const before = await tables();
    expect(before.length).toBeGreaterThan(0);
    expect(await setDamagedTablesAside(folder)).toEqual([]);
    expect(await tables()).toEqual(before);
  });

  test.each<[string, (table: Buffer) => Buffer, RegExp]>([
    ["a bit in a block", (table) => flipped(table, 1_000), /the block at byte 0 does not match/],
    ["a bit in the index", (table) => flipped(table, table.length - 60), /does not match/],
    ["a bit in the footer", (table) => flipped(table, table.length - 3), /footer is damaged/],
    ["a missing half", (table) => table.subarray(0, table.length / 2), /footer is damaged/],
    ["nearly nothing", (table) => table.subarray(0, 5), /cut short/],
  ])("%s: the one is set aside and named, the others stay", async (_title, damage, what) => {
    const [first = "", ...others] = await tables();
    await writeFile(join(folder, first), damage(await readFile(join(folder, first))));
    expect(await setDamagedTablesAside(folder)).toEqual([expect.stringMatching(new RegExp(`^${first}: .*${what.source}`))]);
    expect(await tables()).toEqual([`${first}.damaged`, ...others].sort());
  });

  test("a folder that is not there has none", async () => {
    expect(await setDamagedTablesAside(join(folder, "nowhere"))).toEqual([]);
  });
});

function flipped(table: Buffer, at: number): Buffer {
  const copy = Buffer.from(table);
  copy[at] = (copy[at] ?? 0) ^ 16;
  return copy;
}
