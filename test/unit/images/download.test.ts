import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { download } from "../../../src/runtime/images/registry/download.js";
import type { Repository } from "../../../src/runtime/images/registry/repository.js";

const CONTENT = Buffer.from("what was asked for");
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "download-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("other bytes from a registry that knows no ranges are not blamed on what was there from before", async () => {
  const path = join(folder, "blob");
  await writeFile(path, CONTENT.subarray(0, 5));
  const asked: number[] = [];
  const blob = async (_blob: unknown, fromByte: number) => {
    asked.push(fromByte);
    return { reply: Readable.from([Buffer.alloc(CONTENT.length, 7)]), fromByte: 0, url: new URL("http://registry") };
  };
  const repository = { blob, endpoint: { base: "http://registry" } } as unknown as Repository;
  const digest = `sha256:${createHash("sha256").update(CONTENT).digest("hex")}`;
  const outcome = download({
    repository,
    blob: { digest, size: CONTENT.length, mediaType: "" },
    path,
    clock: systemClock,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  await expect(outcome).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringContaining("what came from http://registry has the digest") });
  expect(asked).toEqual([5]);
  expect(await readFile(path)).toHaveLength(0);
});
