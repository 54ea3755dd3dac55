import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";

const HAS_SELINUX = existsSync("/sys/fs/selinux/enforce");

/** Inside the machine: the tests of the real runtime, and those that ask for a host with cgroup version 2; or those that ask for SELinux, where it is. */
export default defineConfig({
  test: {
    root: "/opt/swarmd",
    include: HAS_SELINUX ? ["test/soak/cgroup2/guest/*.selinux.ts"] : ["test/unit/runtime/*.test.ts", "test/soak/cgroup2/guest/*.guest.ts"],
    // Those who need no kernel, or another program, run elsewhere; and so does what only imitates such a host, or would take an emulated processor too long.
    exclude: ["test/unit/runtime/{fake-runtime,json-file-log,launch-plan,log-files,log-tail,rsyslog,shim-steps,unified-cgroups}.test.ts"],
    reporters: ["test/soak/cgroup2/guest/reporter.ts"],
    maxWorkers: 1,
    // An emulated processor takes its time, and more on a busy machine.
    testTimeout: 480_000,
    hookTimeout: 480_000,
  },
});
