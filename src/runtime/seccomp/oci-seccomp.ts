import { isFor, type SeccompAction, type SeccompCondition, type SeccompProfile, type SeccompSubject } from "./profile.js";

const ACTIONS = {
  allow: "SCMP_ACT_ALLOW",
  errno: "SCMP_ACT_ERRNO",
  kill: "SCMP_ACT_KILL_THREAD",
  "kill-process": "SCMP_ACT_KILL_PROCESS",
  trap: "SCMP_ACT_TRAP",
  log: "SCMP_ACT_LOG",
  trace: "SCMP_ACT_TRACE",
} as const satisfies Record<SeccompAction, string>;

const OPERATORS = {
  ne: "SCMP_CMP_NE",
  lt: "SCMP_CMP_LT",
  le: "SCMP_CMP_LE",
  eq: "SCMP_CMP_EQ",
  ge: "SCMP_CMP_GE",
  gt: "SCMP_CMP_GT",
  "masked-eq": "SCMP_CMP_MASKED_EQ",
} as const satisfies Record<SeccompCondition["operator"], string>;

const SUB_ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  amd64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};

/** `linux.seccomp` of the OCI runtime specification for one container: what is not for it is left out. */
export function ociSeccomp(profile: SeccompProfile, subject: SeccompSubject): object {
  return {
    defaultAction: ACTIONS[profile.defaultAction],
    ...errnoOf(profile.defaultAction, profile.defaultErrno),
    architectures: SUB_ARCHITECTURES[subject.architecture] ?? [],
    // The other flags change no decision, and not every runtime knows them.
    ...(profile.flags.includes("log") ? { flags: ["SECCOMP_FILTER_FLAG_LOG"] } : {}),
    syscalls: profile.rules
      .filter((rule) => isFor(rule.when, subject))
      .map((rule) => ({
        names: rule.names,
        action: ACTIONS[rule.action],
        ...errnoOf(rule.action, rule.errno),
        args: rule.conditions.map(({ index, operator, value, second }) => ({
          index,
          op: OPERATORS[operator],
          value: Number(value),
          valueTwo: Number(second),
        })),
      })),
  };
}

function errnoOf(action: SeccompAction, errno: number): object {
  return action === "errno" || action === "trace" ? { errnoRet: errno } : {};
}
