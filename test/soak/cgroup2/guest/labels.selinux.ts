import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OciBundle, type OciConfig } from "../../../support/oci-bundle.js";
import { until } from "../../../support/until.js";

/** Types of the machine's own policy (deploy/machine-image): box_t may all but with what is box_other_t; categories of files have to be among the process' own. */
const PROCESS = "system_u:system_r:box_t:s0:c1,c2";
const FILES = "system_u:object_r:box_file_t:s0:c1,c2";
const PROTECTED = { "other-type": "system_u:object_r:box_other_t:s0", "other-category": "system_u:object_r:box_file_t:s0:c3" };

const enforce = (isEnforced: boolean) => writeFileSync("/sys/fs/selinux/enforce", isEnforced ? "1" : "0");
const label = (path: string, context: string) => execFileSync("chcon", ["-R", context, path]);
const labelOf = (path: string) => execFileSync("stat", ["--format=%C", path], { encoding: "utf8" }).trim();
const withLabels = ({ process, linux }: OciConfig) => [Object.assign(process, { selinuxLabel: PROCESS }), Object.assign(linux, { mountLabel: FILES })];
/** With what the kernel ends labels. */
const withoutEnds = (text: string) => text.replaceAll("\0", "\n");

let bundle: OciBundle;
beforeEach(() => {
  bundle = new OciBundle();
});
afterEach(() => {
  enforce(false);
  bundle[Symbol.dispose]();
});

function start(script: string, change: Parameters<OciBundle["write"]>[1]): void {
  bundle.write(script, change);
  label(bundle.folder, FILES);
  expect(bundle.create()).toMatchObject({ code: 0, stderr: "" });
  expect(bundle.call("start", bundle.id)).toMatchObject({ code: 0, stderr: "" });
}

test.each([false, true])("a container and what it starts have the label that was asked for, its file systems theirs (enforcing: %s)", async (isEnforced) => {
  enforce(isEnforced);
  start("cat /proc/self/attr/current; echo ready; while :; do sleep 1; done", withLabels);
  await until("it runs", () => bundle.output().includes("ready"));
  expect(withoutEnds(bundle.output())).toBe(`${PROCESS}\nready\n`);
  const root = `/proc/${bundle.pid()}/root`;
  expect([labelOf(`${root}/dev`), labelOf(`${root}/dev/null`), labelOf(`${root}/bin`)]).toEqual([FILES, FILES, FILES]);
  writeFileSync(
    join(bundle.folder, "exec.json"),
    JSON.stringify({ args: ["cat", "/proc/self/attr/current"], cwd: "/", env: ["PATH=/bin"], selinuxLabel: PROCESS }),
  );
  const second = bundle.call("exec", "--process", join(bundle.folder, "exec.json"), bundle.id);
  expect(second).toMatchObject({ code: 0, stderr: "" });
  expect(withoutEnds(second.stdout)).toBe(`${PROCESS}\n`);
});

test("under its label a container reaches what is its own, and neither another type nor another's categories", async () => {
  const shared = join(bundle.folder, "shared");
  for (const name of Object.keys(PROTECTED)) {
    mkdirSync(join(shared, name));
    writeFileSync(join(shared, name, "file"), "untouched\n");
  }
  const script = "cd /shared; for name in other-type other-category; do cat $name/file; echo x >$name/file; done 2>&1; echo own >file && cat file; echo done";
  bundle.write(script, withLabels);
  label(bundle.folder, FILES);
  for (const [name, context] of Object.entries(PROTECTED)) label(join(shared, name), context);
  enforce(true);
  expect(bundle.create()).toMatchObject({ code: 0, stderr: "" });
  expect(bundle.call("start", bundle.id)).toMatchObject({ code: 0, stderr: "" });
  await until("it has ended", () => bundle.output().endsWith("done\n"));
  const refusals = Object.keys(PROTECTED).flatMap((name) => [
    `cat: can't open '${name}/file': Permission denied`,
    `sh: can't create ${name}/file: Permission denied`,
  ]);
  expect(bundle.output().trimEnd().split("\n")).toEqual([...refusals, "own", "done"]);
  for (const name of Object.keys(PROTECTED)) expect(readFileSync(join(shared, name, "file"), "utf8")).toBe("untouched\n");
  expect(labelOf(join(shared, "file"))).toBe(FILES);
});

test("a label that the policy does not have fails the start, and says which field", () => {
  bundle.write("true", ({ process }) => Object.assign(process, { selinuxLabel: "system_u:system_r:nobody_has_this_t:s0" }));
  expect(bundle.create()).toMatchObject({ code: 0, stderr: "" });
  const outcome = bundle.call("start", bundle.id);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^swarm-oci: process\.selinuxLabel cannot be set: write system_u:system_r:nobody_has_this_t:s0 to .*: invalid argument\n$/);
});
