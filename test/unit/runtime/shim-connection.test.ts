import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ShimConnection } from "../../../src/runtime/shim/shim-connection.js";

test.each([
  ["an outcome that is damaged", 'exited {"exitCode":\n'],
  ["an outcome that is none", 'exited {"exitCode":"0"}\n'],
  ["a reason that is too long for a line", `failed {"error":"${"x".repeat(500_000)}`],
  ["a process that is none", "running x y\n"],
  ["an answer that is none", "killed\n"],
  ["another word", "hello there\n"],
])("%s ends the connection, and harms nothing else", async (_, text) => {
  const folder = mkdtempSync(join(tmpdir(), "shim-"));
  const server = createServer((socket) => socket.on("error", () => undefined).write(text)).listen(join(folder, "socket"));
  const heard: unknown[] = [];
  try {
    await new Promise((resolve) => server.once("listening", resolve));
    const listener = { onRunning: (pid: number) => heard.push(pid), onOutcome: (outcome: unknown) => heard.push(outcome) };
    const connection = await ShimConnection.open(join(folder, "socket"), listener);
    await connection?.closed;
    expect(heard).toEqual([]);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
