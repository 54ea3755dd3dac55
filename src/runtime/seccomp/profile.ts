import { arch, release } from "node:os";

export type SeccompAction = "allow" | "errno" | "kill" | "kill-process" | "trap" | "log" | "trace";

/** A filter of system calls before it is known for whom: Docker's profiles, ours and those that users bring. */
export interface SeccompProfile {
  readonly defaultAction: SeccompAction;
  readonly defaultErrno: number;
  /** Names of libseccomp, beside the machine's own and those that always come with it. */
  readonly architectures: readonly string[];
  readonly flags: readonly SeccompFlag[];
  readonly rules: readonly SeccompRule[];
}

export type SeccompFlag = "tsync" | "log" | "spec-allow";

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errno: number;
  readonly conditions: readonly SeccompCondition[];
  readonly when: SeccompScope;
}

/** All must hold (of arguments of different numbers). `value` is the mask and `second` what is left by it with masked-eq. */
export interface SeccompCondition {
  readonly index: number;
  readonly operator: "ne" | "lt" | "le" | "eq" | "ge" | "gt" | "masked-eq";
  readonly value: bigint;
  readonly second: bigint;
}

/** For whom a rule is. Architectures are Go's names, capabilities have no `CAP_`. */
export interface SeccompScope {
  readonly architectures?: readonly string[];
  readonly withoutArchitectures?: readonly string[];
  /** The container has every one. */
  readonly capabilities?: readonly string[];
  /** The container has none. */
  readonly withoutCapabilities?: readonly string[];
  /** `major.minor`. */
  readonly kernel?: string;
}

export interface SeccompSubject {
  readonly hasCapability: (name: string) => boolean;
  /** Go's name of the machine's architecture: amd64. */
  readonly architecture: string;
  /** `major.minor` of the running kernel. */
  readonly kernel: string;
}

const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "x86" };

/** The architectures whose programs a machine runs beside its own, as libseccomp calls them. */
const SUB_ARCHITECTURES: Readonly<Record<string, readonly string[]>> = { amd64: ["x86", "x32"], arm64: ["arm"] };

/** Values of SECCOMP_FILTER_FLAG_* (linux/seccomp.h). */
const FLAGS = { tsync: 1, log: 2, "spec-allow": 4 } as const satisfies Record<SeccompFlag, number>;

/** What a profile's conditions are about: this machine, and the capabilities of one container. */
export function subjectOnThisMachine(hasCapability: (name: string) => boolean): SeccompSubject {
  return { hasCapability, architecture: GO_ARCHITECTURES[arch()] ?? arch(), kernel: release() };
}

/** The profile for one container, in the lines that swarm-seccomp takes (native/seccomp/main.cc). */
export function policyText(profile: SeccompProfile, subject: SeccompSubject): string {
  const architectures = new Set([...(SUB_ARCHITECTURES[subject.architecture] ?? []), ...profile.architectures]);
  const rules = profile.rules.filter((rule) => isFor(rule.when, subject));
  return [
    `default ${profile.defaultAction} ${profile.defaultErrno}`,
    ...[...architectures].map((name) => `arch ${name}`),
    ...rules.flatMap((rule) => {
      const conditions = rule.conditions.map(({ index, operator, value, second }) => ` ${index} ${operator} ${value} ${second}`).join("");
      return rule.names.map((name) => `rule ${rule.action} ${rule.errno} ${name}${conditions}`);
    }),
    "",
  ].join("\n");
}

/** As seccomp(2) takes them. */
export function flagBits(profile: SeccompProfile): number {
  return profile.flags.reduce((bits, flag) => bits | FLAGS[flag], 0);
}

/** Whether a rule holds for a container on this machine. */
export function isFor(when: SeccompScope, subject: SeccompSubject): boolean {
  if (when.architectures !== undefined && !when.architectures.includes(subject.architecture)) return false;
  if (when.withoutArchitectures?.includes(subject.architecture)) return false;
  if (when.capabilities?.every(subject.hasCapability) === false) return false;
  if (when.withoutCapabilities?.some(subject.hasCapability)) return false;
  return when.kernel === undefined || isAtLeast(subject.kernel, when.kernel);
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map((part) => Number.parseInt(part, 10));
  return major === wantedMajor ? minor >= wantedMinor : major > wantedMajor;
}
