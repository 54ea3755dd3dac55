import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { FilesProgram } from "../../../src/runtime/files/files-program.js";

test("content that broke before it was passed on ends the program", async () => {
  const program = new FilesProgram("/bin/sh", { words: ["-c", "exec /bin/cat >/dev/null"], view: Buffer.from("") });
  const content = new PassThrough().on("error", () => undefined);
  content.destroy(new Error("the client went away"));
  await new Promise((resolve) => content.once("close", resolve));
  await expect(program.feed(content)).rejects.toThrow("/bin/sh ended with SIGKILL");
});

test("an answer that is none ends the program", async () => {
  const program = new FilesProgram("/bin/sh", { words: ["-c", "echo '{' >&3; exec sleep 1000"], view: Buffer.from("") });
  await expect(program.done).rejects.toThrow("/bin/sh ended with SIGKILL");
});
