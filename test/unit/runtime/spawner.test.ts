import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { silentLogger } from "../../../src/base/log.js";
import { Spawner } from "../../../src/runtime/shim/spawner.js";

test("a request that the spawner could not read ends with its reason, not with a wait", async () => {
  const folder = mkdtempSync(join(tmpdir(), "spawner-"));
  const shimPath = join(folder, "shim");
  writeFileSync(shimPath, "#!/bin/sh\nprintf 'failed - unknown setting \"x\"\\nlistening b\\n' >&3\nexec cat <&3\n");
  chmodSync(shimPath, 0o755);
  const spawner = new Spawner({ shimPath, cgroupArguments: [], logger: silentLogger });
  try {
    const [first, second] = [spawner.start("a", Buffer.from("x")), spawner.start("b", Buffer.from("y"))];
    await expect(first).rejects.toMatchObject({ code: "failed_precondition", message: 'unknown setting "x"' });
    await second;
  } finally {
    await spawner.close();
    rmSync(folder, { recursive: true });
  }
});

test("a request that is too long is refused, and the spawner stays", async () => {
  const shimPath = resolve(import.meta.dirname, "../../../native/build/swarm-shim");
  const spawner = new Spawner({ shimPath, cgroupArguments: [], logger: silentLogger });
  const request = Buffer.alloc(4 + 5_000_000, "x");
  request.writeUInt32LE(request.length - 4);
  try {
    await expect(spawner.start("a", request)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("longer than 4194304 bytes"),
    });
    const { pid } = spawner;
    await expect(spawner.start("b", Buffer.from([1, 0, 0, 0, 120]))).rejects.toMatchObject({ code: "failed_precondition" });
    expect(spawner.pid).toBe(pid);
  } finally {
    await spawner.close();
  }
});
