import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseSeccompProfile } from "../../../src/runtime/seccomp/parse-profile.js";
import { DEFAULT_PROFILE } from "../../../src/runtime/seccomp/default-policy.js";
import { policyText } from "../../../src/runtime/seccomp/profile.js";
import type { ContainerConfig } from "../../../src/runtime/container-config.js";
import { ContainerWorld } from "../../support/container-world.js";

const PROBE = resolve(import.meta.dirname, "../../../native/build/syscall-probe");
const COMPILER = resolve(import.meta.dirname, "../../../native/build/swarm-seccomp");
const [EPERM, ENOSYS, EFAULT] = [1, 38, 14];

/** Numbers of x86-64. */
const CALLS = { mkdir: 83, personality: 135, unshare: 272, keyctl: 250, mount: 165, clone3: 435, getpid: 39, newest: 9999, ptrace: 101, reboot: 169 };

describe("in a container", () => {
  let world: ContainerWorld;
  beforeAll(async () => {
    world = await ContainerWorld.open();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  /** Error number of a system call that a container makes. */
  async function errorOf(call: string, changes: Partial<ContainerConfig> = {}): Promise<number> {
    const probe = { type: "bind", source: PROBE, target: "/probe", isReadOnly: true, propagation: "", sizeBytes: 0, mode: 0 } as const;
    const { output, exit } = await world.run(`/probe ${call}`, { mounts: [probe], ...changes });
    expect(exit.exitCode, output).toBe(0);
    return Number(output);
  }

  test.each([
    ["a call that nobody needs a right for is allowed", `${CALLS.getpid}`, 0],
    ["a new user namespace, which the kernel would give to anyone", `${CALLS.unshare} 0x10000000`, EPERM],
    ["keys", `${CALLS.keyctl} 0 -3 0`, EPERM],
    ["mount", `${CALLS.mount} 0 0 0 0 0`, EPERM],
    ["reboot", `${CALLS.reboot} 0 0 0 0`, EPERM],
    ["clone3 is not there, so that libraries use clone", `${CALLS.clone3} 0 0`, ENOSYS],
    ["a personality that Docker allows", `${CALLS.personality} 0x20000`, 0],
    ["one that takes protection away", `${CALLS.personality} 0x40000`, EPERM],
    ["ptrace of oneself by the parent", `${CALLS.ptrace} 0 0 0 0`, 0],
    ["a call that is newer than the policy is not there", `${CALLS.newest}`, ENOSYS],
  ])("%s", async (_what, call, expected) => {
    expect(await errorOf(call)).toBe(expected);
  });

  test("a capability brings the calls that go with it", async () => {
    expect(await errorOf(`${CALLS.unshare} 0x04000000`, { capabilityAdd: ["SYS_ADMIN"] })).toBe(0);
    expect(await errorOf(`${CALLS.clone3} 0 0`, { capabilityAdd: ["SYS_ADMIN"] })).not.toBe(ENOSYS);
  });

  test("without a filter, and for a privileged container, the kernel decides", async () => {
    expect(await errorOf(`${CALLS.unshare} 0x10000000`, { seccomp: "unconfined" })).toBe(0);
    expect(await errorOf(`${CALLS.mount} 0 0 0 0 0`, { isPrivileged: true })).toBe(EFAULT);
  });

  test.each([false, true])("it holds with no_new_privs %s and for another user, who cannot take it off", async (noNewPrivileges) => {
    const script = `/probe ${CALLS.unshare} 0x10000000; grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status`;
    const probe = { type: "bind", source: PROBE, target: "/probe", isReadOnly: true, propagation: "", sizeBytes: 0, mode: 0 } as const;
    const { output } = await world.run(script, { mounts: [probe], user: "web", noNewPrivileges });
    expect(output.split(/\s+/)).toEqual(["1", "NoNewPrivs:", noNewPrivileges ? "1" : "0", "Seccomp:", "2", ""]);
  });

  test("a profile of one's own replaces the policy", async () => {
    const profile = JSON.stringify({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat", "no_such_call"], action: "SCMP_ACT_ERRNO", errnoRet: 122 }],
    });
    expect(await errorOf(`${CALLS.mkdir} 0 0`, { seccomp: { profile } })).toBe(122);
    expect(await errorOf(`${CALLS.keyctl} 0 -3 0`, { seccomp: { profile } })).toBe(0);
  });

  test("a profile that is none is refused when the container is made", async () => {
    await expect(world.create({ seccomp: { profile: "{" } })).rejects.toMatchObject({ code: "invalid_argument", message: /seccomp profile is not valid: / });
  });
});

test.each([
  ["[]", "the profile must be an object"],
  ['{"defaultAction":"DENY"}', 'defaultAction "DENY" is not one of SCMP_ACT_ALLOW'],
  ['{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":[],"action":"SCMP_ACT_ALLOW"}]}', "syscalls[0] names no system call"],
  ['{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["a b"],"action":"SCMP_ACT_ALLOW"}]}', '"a b" is no name of a system call'],
  ['{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["open"],"action":"SCMP_ACT_NOTIFY"}]}', 'syscalls[0].action "SCMP_ACT_NOTIFY"'],
  [
    '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["open"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}',
    "syscalls[0].args[0].index is 6",
  ],
  [
    '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["open"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":18446744073709551615,"op":"SCMP_CMP_EQ"}]}]}',
    "syscalls[0].args[0].value is more than 9007199254740991",
  ],
  ['{"defaultAction":"SCMP_ACT_ERRNO","architectures":["arm"]}', 'architectures[0] "arm" is not an SCMP_ARCH_ name'],
])("profile %j is refused with the place", (text, message) => {
  expect(() => parseSeccompProfile(text)).toThrow(message);
});

test.each(["0 eq 18446744073709551616 0", "0 eq 1.5 0", "0 eq 1", "0 eq 1 0 x"])("a rule is not compiled without its condition %s", (condition) => {
  const { status, stderr } = spawnSync(COMPILER, { input: `default errno 1\nrule allow 0 open ${condition}\n`, encoding: "utf8" });
  expect([status, stderr]).toEqual([1, expect.stringContaining("has a condition that is none")]);
});

test("what a rule is for decides whether it is there", () => {
  const text = (capability: string) => policyText(DEFAULT_PROFILE, { hasCapability: (name) => name === capability, architecture: "amd64", kernel: "6.1.0" });
  expect(text("")).toContain("\nrule errno 38 clone3\n");
  expect(text("")).not.toContain(" unshare\n");
  expect(text("SYS_ADMIN")).not.toContain("errno 38");
  expect(text("SYS_ADMIN")).toContain("\nrule allow 0 unshare\n");
  expect(text("")).toContain("\narch x86\n");
  expect(text("")).not.toContain("riscv_flush_icache");
});

test("both ways to say for which machines are not taken together", () => {
  const both = { defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86"], archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: [] }] };
  expect(() => parseSeccompProfile(JSON.stringify(both))).toThrow("not both");
});
