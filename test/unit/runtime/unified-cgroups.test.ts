import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCENARIO = resolve(import.meta.dirname, "../../support/kernel-scenario.ts");
const ONLY_UNIFIED = `umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"`;

test("where only cgroup version 2 is mounted, containers run, are filtered and leave nothing", async () => {
  const command = [process.execPath, "--import", "tsx", SCENARIO, "unified"];
  const { stdout } = await promisify(execFile)("unshare", ["--net", "--mount", "sh", "-c", ONLY_UNIFIED, "sh", ...command]);
  const seen = JSON.parse(stdout) as { groups: string[]; output: string; state: string; left: string[] };
  expect(seen.groups).toEqual([expect.stringMatching(/^\/sys\/fs\/cgroup\/swarm-test-[0-9a-f]+\/nested\/own\/[0-9a-f]{32}$/)]);
  expect(seen.output).toMatch(/^0::\/\ncgroup2 on \/sys\/fs\/cgroup type cgroup2 \(ro,/);
  expect(seen.output).toMatch(/head: \/disk: Operation not permitted/);
  expect([seen.state, seen.left]).toEqual(["running", []]);
});
