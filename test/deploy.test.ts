import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const repository = resolve(import.meta.dirname, "..");

const script = (name: string, ...args: readonly string[]) =>
  spawnSync("bash", [join(repository, "deploy", name), ...args], { encoding: "utf8", timeout: 60_000 });

test.each(["setup", "demo", "machine-image", "lab"])("deploy/%s --help says how it is used, and does nothing", (name) => {
  const { status, stdout, stderr } = script(name, "--help");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^usage: /);
});

test.each(["setup", "machine-image"])("deploy/%s refuses an option that it does not know", (name) => {
  const { status, stderr } = script(name, "--nonsense");
  expect(status).toBe(2);
  expect(stderr).toContain("usage: ");
});

test("deploy/machine-image leaves a folder with something in it alone", () => {
  const folder = mkdtempSync(join(tmpdir(), "machine-image-"));
  try {
    writeFileSync(join(folder, "kept"), "");
    expect(script("machine-image", folder)).toMatchObject({ status: 1, stderr: `machine-image: ${folder} is not empty\n` });
    expect(readdirSync(folder)).toEqual(["kept"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
