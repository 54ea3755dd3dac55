import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const program = resolve(import.meta.dirname, "../../../dist/main/swarm.js");

/** Runs the built program as a shell does, by its first line. */
function run(...args: readonly string[]): Promise<{ readonly code: unknown; readonly stderr: string }> {
  return new Promise((done) => execFile(program, args, (failure, _stdout, stderr) => done({ code: failure?.code ?? 0, stderr })));
}

test.each([
  ["run", "--env-file", "/nowhere/env", "bb"],
  ["run", "--env-file=/nowhere/env", "bb"],
])("flags that Node.js has too are ours: %j", async (...args) => {
  expect(await run(...args)).toEqual({ code: 125, stderr: expect.stringMatching(/^swarm: --env-file: ENOENT/) });
});
