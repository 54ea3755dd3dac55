import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk, DiskFile } from "../../src/replica/disk.js";

/** What the suite needs of an implementation. */
export interface DiskPlace {
  readonly disk: Disk;
  /** A folder that is there and empty. */
  readonly folder: string;
  dispose(): Promise<void>;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const ALL = { gte: "", lte: "~" };

/** The contract of Disk as far as it holds while nothing fails, to be run on the real one and on the simulated one. */
export function describeDisk(name: string, open: () => Promise<DiskPlace>): void {
  describe(`Disk: ${name}`, () => {
    let place: DiskPlace;
    let disk: Disk;
    const at = (path: string) => join(place.folder, path);
    const write = async (path: string, text: string, use: "replace" | "extend" | "write_through" = "replace", position = 0) => {
      await using file = await disk.open(at(path), use);
      await file.write(bytes(text), position);
      await file.sync();
    };
    const read = async (path: string) => {
      await using file = await disk.open(at(path), "read");
      return Buffer.from(await file.read(100, 0)).toString();
    };
    beforeEach(async () => {
      place = await open();
      disk = place.disk;
    });
    afterEach(() => place.dispose());

    test("what was written is read, also beyond the end and in parts", async () => {
      await write("a", "hello");
      expect(await read("a")).toBe("hello");
      await using file = await disk.open(at("a"), "read");
      expect(Buffer.from(await file.read(3, 1)).toString()).toBe("ell");
      expect(await file.read(3, 5)).toHaveLength(0);
      expect(await file.size()).toBe(5);
    });

    test("replace empties, extend and write_through do not, and a gap is of zeros", async () => {
      await write("a", "hello");
      await write("a", "J", "extend");
      expect(await read("a")).toBe("Jello");
      await write("a", "y", "write_through", 4);
      expect(await read("a")).toBe("Jelly");
      await write("a", "!", "extend", 6);
      expect(await read("a")).toBe("Jelly\0!");
      await write("a", "no");
      expect(await read("a")).toBe("no");
    });

    test("blocks and parts of them, small and large, side by side and over each other, are all written through", async () => {
      const expected = Buffer.alloc(4 * 1024 * 1024, ".");
      await write("a", expected.toString());
      const put = async (file: DiskFile, letter: string, position: number, length: number) => {
        expected.fill(letter, position, position + length);
        await file.write(Buffer.alloc(length, letter), position);
      };
      {
        await using file = await disk.open(at("a"), "write_through");
        await Promise.all([put(file, "a", 0, 8192), put(file, "b", 8192, 4096), put(file, "c", 20_000, 4096)]);
        await put(file, "d", 4096, 8192);
        await put(file, "e", 5000, 10);
        await put(file, "f", 65_536, 4096 * 400);
        await put(file, "g", 2 * 1024 * 1024, 4096 * 256);
        expect(expected.equals(await file.read(expected.length, 0))).toBe(true);
        expect(await file.size()).toBe(expected.length);
      }
      await using file = await disk.open(at("a"), "read");
      expect(expected.equals(await file.read(expected.length, 0))).toBe(true);
    });

    test("a writer may use its bytes again", async () => {
      await using file = await disk.open(at("a"), "replace");
      const own = bytes("mine");
      await file.write(own, 0);
      own.fill(0);
      expect(await read("a")).toBe("mine");
    });

    test.each(["read", "extend", "write_through"] as const)("there must be a file to %s", async (use) => {
      await expect(disk.open(at("none"), use)).rejects.toMatchObject({ code: "ENOENT" });
      expect(await disk.namesIn(place.folder)).toEqual([]);
    });

    test("no file is without its folder", async () => {
      await expect(disk.open(at("none/a"), "replace")).rejects.toMatchObject({ code: "ENOENT" });
    });

    test("folders are made once, and list what is in them", async () => {
      expect(await disk.makeFolder(at("f"))).toBe(true);
      expect(await disk.makeFolder(at("f"))).toBe(false);
      for (const name of ["f/a", "f/b"]) await write(name, name);
      expect([...(await disk.namesIn(at("f")))].sort()).toEqual(["a", "b"]);
      await disk.syncFolder(at("f"));
      expect(await disk.namesIn(place.folder)).toEqual(["f"]);
    });

    test("a name takes the place of another; who has the file open keeps it", async () => {
      await write("old", "old");
      await write("new", "new");
      await using file = await disk.open(at("old"), "read");
      await disk.rename(at("new"), at("old"));
      expect(await read("old")).toBe("new");
      expect(Buffer.from(await file.read(3, 0)).toString()).toBe("old");
      expect(await disk.namesIn(place.folder)).toEqual(["old"]);
      await expect(disk.rename(at("none"), at("old"))).rejects.toMatchObject({ code: "ENOENT" });
    });

    test("what is removed is gone, and may be removed again; who has it open can still read", async () => {
      await write("a", "here");
      await using file = await disk.open(at("a"), "read");
      for (let time = 0; time < 2; time++) await disk.remove(at("a"));
      expect(await disk.namesIn(place.folder)).toEqual([]);
      expect(Buffer.from(await file.read(4, 0)).toString()).toBe("here");
    });

    test("a database keeps its keys in order, from one opening to the next", async () => {
      {
        await using database = await disk.openDatabase(at("db"), { createIfMissing: true });
        await database.write(["b", "a", "d"].map((key) => ({ key, value: bytes(key) })));
        await database.put("c", bytes("C"));
        await database.put("a", bytes("A"));
        await database.clear({ gte: "d", lte: "e" });
        expect(await database.get("d")).toBeUndefined();
      }
      await using database = await disk.openDatabase(at("db"), { createIfMissing: false });
      const found: string[] = [];
      for await (const [key, value] of database.range(ALL)) found.push(`${key}=${Buffer.from(value).toString()}`);
      expect(found).toEqual(["a=A", "b=b", "c=C"]);
      const some: string[] = [];
      for await (const [key] of database.range({ gte: "b", lte: "b~" })) some.push(key);
      expect(some).toEqual(["b"]);
    });

    test("a database that is not there is not made unless that is wanted", async () => {
      await expect(disk.openDatabase(at("db"), { createIfMissing: false })).rejects.toThrow();
    });
  });
}
