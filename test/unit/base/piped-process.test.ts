import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startPiped } from "../../../src/base/piped-process.js";

test("what is written to a program's pipes comes out of them", async () => {
  const { pipe } = startPiped("cat", [], { stdio: ["pipe", "pipe", "inherit"] });
  pipe(0).end("through");
  expect(await text(pipe(1))).toBe("through");
  expect(() => pipe(2)).toThrow("descriptor 2 is a pipe");
});

test("a program that is not there is an error of the child", async () => {
  const { child } = startPiped("/no/such/program", [], { stdio: ["pipe", "pipe", "inherit"] });
  expect(await new Promise((settle) => child.once("error", settle))).toMatchObject({ code: "ENOENT" });
});

test("without free descriptors it is refused, and the process goes on", async () => {
  const module = JSON.stringify(resolve(import.meta.dirname, "../../../dist/base/piped-process.js"));
  const script = `
    import { openSync, closeSync } from "node:fs";
    const { startPiped } = await import(${module});
    const taken = [];
    try { for (;;) taken.push(openSync("/dev/null")); } catch {}
    let refusal;
    try { startPiped("cat", [], { stdio: ["pipe", "pipe", "inherit"] }); } catch (cause) { refusal = cause; }
    await new Promise((settle) => setImmediate(settle));
    for (const descriptor of taken) closeSync(descriptor);
    console.log(refusal.code, refusal.message);`;
  const node = `ulimit -n 64; exec '${process.execPath}' --input-type=module`;
  const running = promisify(execFile)("bash", ["-c", node]);
  running.child.stdin?.end(script);
  expect((await running).stdout).toBe("unavailable cat cannot be started: out of descriptors\n");
});
