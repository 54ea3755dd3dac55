import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readTextIfThere, writeFileDurably } from "../../../src/base/durable-file.js";

test("a disk that is full is told with the file that it has no place for, and the old content stays", async () => {
  const folder = await mkdtemp(join(tmpdir(), "durable-"));
  try {
    const path = join(folder, "a");
    await writeFileDurably(path, "old");
    await symlink("/dev/full", `${path}.new`);
    await expect(writeFileDurably(path, "new")).rejects.toMatchObject({ code: "ENOSPC", message: `ENOSPC: no space left on device, write '${path}.new'` });
    expect(await readFile(path, "utf8")).toBe("old");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a file that is not there has no text, and one that cannot be read is an error", async () => {
  const folder = await mkdtemp(join(tmpdir(), "durable-"));
  try {
    await writeFileDurably(join(folder, "a"), "text");
    expect(await readTextIfThere(join(folder, "a"))).toBe("text");
    expect(await readTextIfThere(join(folder, "b"))).toBeUndefined();
    await expect(readTextIfThere(folder)).rejects.toMatchObject({ code: "EISDIR" });
  } finally {
    await rm(folder, { recursive: true });
  }
});
