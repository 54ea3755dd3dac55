import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { SHIM_PATH } from "../../support/container-world.js";

/** Where version 2 is mounted: alone, or beside version 1. */
const unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((path) => existsSync(`${path}/cgroup.controllers`));
const folder = mkdtempSync(join(tmpdir(), "swarm-devices-"));
let group: string;
beforeEach(() => {
  group = `${unified}/swarm-test-${randomBytes(4).toString("hex")}`;
  mkdirSync(group);
});
afterEach(() => rmdirSync(group));
afterAll(() => rmSync(folder, { recursive: true }));

const RULES = "c *:* m,b *:* m,c 1:3 rwm,c 1:5 rw,c 1:7 r,c 136:* rwm";

/** What a shell in the group can do; without a socket as descriptor 3 the spawner ends after setting up. */
function inGroup(script: string): string {
  return execFileSync("sh", ["-c", `echo $$ > ${group}/cgroup.procs; { ${script}; } 2>&1`], { encoding: "utf8" });
}

test.skipIf(unified === undefined)("on version 2 a program of the kernel filters devices, however often it is installed", () => {
  writeFileSync(join(folder, "program"), "");
  const open = `head -c 1 /dev/zero | wc -c; echo x > /dev/null && echo null; mknod ${folder}/disk b 254 0 && echo made; head -c 1 ${folder}/disk | wc -c; head -c 1 /dev/full | wc -c; true > /dev/full || echo full; rm -f ${folder}/disk`;
  for (const round of [1, 2]) {
    execFileSync("sh", ["-c", `"$0" spawner --device-filter ${group} "${RULES}" 3</dev/null`, SHIM_PATH]);
    const output = inGroup(open);
    expect(output, `round ${round}`).toMatch(/^1\nnull\nmade\nhead: .*Operation not permitted\n0\n1\n[^\n]*Operation not permitted\nfull\n$/s);
  }
});

test.skipIf(unified === undefined).each(["c 1:3", "x 1:3 rwm", "c 1:y rwm", "c 1 rwm", "c 1:3 rwx", ""])("%j is no rule of devices", (rule) => {
  const install = () => execFileSync("sh", ["-c", `"$0" spawner --device-filter ${group} "$1" 3</dev/null`, SHIM_PATH, rule], { stdio: "pipe" });
  expect(install).toThrow(`device rule "${rule}"`);
});
