import { expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { ExecRegistry } from "../../../src/engine/exec-registry.js";
import type { ContainerRuntime } from "../../../src/runtime/container-runtime.js";

test.each([
  ['exec: "absent": executable file not found in $PATH', 127],
  ['exec: "/absent": stat /absent: no such file or directory', 127],
  ['exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory', 127],
  ['exec: "/etc/passwd": permission denied', 126],
  ['exec: "/etc": is a directory', 126],
  ["unable to find user nobody: no matching entries in passwd file", 126],
])("a program that was not executed because of %j ends with docker's code", async (reason, exitCode) => {
  const cause = new ClusterError("failed_precondition", `unable to start container process: ${reason}`);
  const runtime = { inspect: () => ({ state: "running" }), exec: () => Promise.reject(cause) } as unknown as ContainerRuntime;
  const registry = new ExecRegistry({ runtime, clock: systemClock, tell: () => undefined });
  const id = registry.create({
    ...{ containerId: "c", args: ["x"], env: [], workingDir: "", user: "", isPrivileged: false, isTerminal: false, detachKeys: "" },
    streams: { stdin: false, stdout: true, stderr: true },
  });
  registry.claim(id);
  await expect(registry.start(id, { isDetached: false, size: null })).rejects.toBe(cause);
  expect(registry.inspect(id).exitCode).toBe(exitCode);
});
