import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { removeFolder } from "../../../src/base/remove-folder.js";

test("a folder whose depths no path can say is removed as a whole; one that is not there is none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "deep-"));
  const name = "n".repeat(200);
  // Two branches, each deeper than twice the longest path, made step by step.
  const script = `const { mkdirSync } = require("node:fs");
    for (const branch of ["a", "b"]) {
      process.chdir(${JSON.stringify(folder)});
      for (const part of [branch, ...Array(50).fill("${name}"), "file"]) { mkdirSync(part); process.chdir(part); }
    }`;
  execFileSync(process.execPath, ["-e", script]);
  await removeFolder(folder);
  expect(existsSync(folder)).toBe(false);
  await removeFolder(folder);
});
