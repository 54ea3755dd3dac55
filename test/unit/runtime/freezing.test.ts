import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CgroupPlan } from "../../../src/runtime/cgroup-plan.js";
import { isFrozen, setFrozen } from "../../../src/runtime/freezing.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "freezing-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const groups = (file: string) => ({ freezer: { file, frozen: "1", thawed: "0" } }) as CgroupPlan;

test("a group is frozen when its file says so", async () => {
  const file = join(folder, "cgroup.freeze");
  writeFileSync(file, "0\n");
  expect(await isFrozen(groups(file))).toBe(false);
  expect(await setFrozen(groups(file), true)).toBe(true);
  expect(await isFrozen(groups(file))).toBe(true);
});

test("a group that goes while it is asked is not frozen, and has nothing to let go on; it cannot be frozen", async () => {
  // A device that nobody drives says ENODEV, as a file of a group does that was removed since it was opened.
  const going = join(folder, "going");
  execFileSync("mknod", [going, "c", "10", "254"]);
  for (const file of [going, join(folder, "gone", "cgroup.freeze")]) {
    expect(await isFrozen(groups(file))).toBe(false);
    expect(await setFrozen(groups(file), false)).toBe(false);
    expect(await setFrozen(groups(file), true)).toBe(false);
  }
});
