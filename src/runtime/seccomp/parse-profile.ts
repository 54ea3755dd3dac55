import { ClusterError, messageOf } from "../../base/errors.js";
import type { SeccompAction, SeccompCondition, SeccompFlag, SeccompProfile, SeccompRule, SeccompScope } from "./profile.js";

const ACTIONS: Readonly<Record<string, SeccompAction>> = {
  SCMP_ACT_ALLOW: "allow",
  SCMP_ACT_ERRNO: "errno",
  SCMP_ACT_KILL: "kill",
  SCMP_ACT_KILL_THREAD: "kill",
  SCMP_ACT_KILL_PROCESS: "kill-process",
  SCMP_ACT_TRAP: "trap",
  SCMP_ACT_LOG: "log",
  SCMP_ACT_TRACE: "trace",
};
const OPERATORS: Readonly<Record<string, SeccompCondition["operator"]>> = {
  SCMP_CMP_NE: "ne",
  SCMP_CMP_LT: "lt",
  SCMP_CMP_LE: "le",
  SCMP_CMP_EQ: "eq",
  SCMP_CMP_GE: "ge",
  SCMP_CMP_GT: "gt",
  SCMP_CMP_MASKED_EQ: "masked-eq",
};
const FLAGS: Readonly<Record<string, SeccompFlag>> = {
  SECCOMP_FILTER_FLAG_TSYNC: "tsync",
  SECCOMP_FILTER_FLAG_LOG: "log",
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: "spec-allow",
};
const EPERM = 1;
/** More would not fit into the kernel's 4096 instructions. */
const RULES_MAX = 4096;

type Fields = Readonly<Record<string, unknown>>;

/** A profile as Docker documents it (`--security-opt seccomp=FILE`). Throws `invalid_argument` with the place for what is not one. */
export function parseSeccompProfile(text: string): SeccompProfile {
  const root = asObject(parseJson(text), "the profile");
  const defaultAction = actionOf(root.defaultAction, "defaultAction");
  const syscalls = asList(root.syscalls, "syscalls");
  if (syscalls.length > RULES_MAX) throw invalid(`syscalls has ${syscalls.length} entries, more than ${RULES_MAX}`);
  for (const key of ["listenerPath", "listenerMetadata"]) if (root[key] !== undefined) throw invalid(`${key} is not supported`);
  const maps = asList(root.archMap, "archMap").map((entry, index) => asObject(entry, `archMap[${index}]`));
  const named = asList(root.architectures, "architectures");
  if (maps.length > 0 && named.length > 0) throw invalid("use either architectures or archMap, not both");
  return {
    defaultAction,
    defaultErrno: defaultAction === "errno" || defaultAction === "trace" ? errnoOf(root.defaultErrnoRet, "defaultErrnoRet") : 0,
    architectures: named.map((name, index) => architectureOf(name, `architectures[${index}]`)),
    flags: root.flags === undefined ? ["spec-allow"] : asList(root.flags, "flags").map((flag, index) => wordOf(FLAGS, flag, `flags[${index}]`)),
    rules: syscalls.map((entry, index) => ruleOf(asObject(entry, `syscalls[${index}]`), `syscalls[${index}]`)),
  };
}

function ruleOf(fields: Fields, at: string): SeccompRule {
  const name = fields.name === undefined ? [] : [fields.name];
  const names = [...name, ...asList(fields.names, `${at}.names`)].map((each) => asText(each, `${at}.names`));
  if (names.length === 0) throw invalid(`${at} names no system call`);
  const odd = names.find((each) => !/^[A-Za-z0-9_]+$/.test(each));
  if (odd !== undefined) throw invalid(`${at}: "${odd}" is no name of a system call`);
  const action = actionOf(fields.action, `${at}.action`);
  return {
    names,
    action,
    errno: action === "errno" || action === "trace" ? errnoOf(fields.errnoRet, `${at}.errnoRet`) : 0,
    conditions: asList(fields.args, `${at}.args`).map((arg, index) => conditionOf(asObject(arg, `${at}.args[${index}]`), `${at}.args[${index}]`)),
    when: scopeOf(optionalObject(fields.includes, `${at}.includes`), optionalObject(fields.excludes, `${at}.excludes`), at),
  };
}

function conditionOf(fields: Fields, at: string): SeccompCondition {
  const index = integerOf(fields.index, `${at}.index`);
  if (index > 5n) throw invalid(`${at}.index is ${index}: a system call has arguments 0 to 5`);
  return {
    index: Number(index),
    operator: wordOf(OPERATORS, fields.op, `${at}.op`),
    value: integerOf(fields.value, `${at}.value`),
    second: integerOf(fields.valueTwo ?? 0, `${at}.valueTwo`),
  };
}

function scopeOf(includes: Fields, excludes: Fields, at: string): SeccompScope {
  const texts = (value: unknown, key: string) => asList(value, `${at}.${key}`).map((each) => asText(each, `${at}.${key}`));
  const bare = (names: readonly string[]) => names.map((name) => name.replace(/^CAP_/, ""));
  if (excludes.minKernel !== undefined) throw invalid(`${at}.excludes.minKernel is not supported`);
  return {
    ...(includes.arches === undefined ? {} : { architectures: texts(includes.arches, "includes.arches") }),
    ...(includes.caps === undefined ? {} : { capabilities: bare(texts(includes.caps, "includes.caps")) }),
    ...(excludes.arches === undefined ? {} : { withoutArchitectures: texts(excludes.arches, "excludes.arches") }),
    ...(excludes.caps === undefined ? {} : { withoutCapabilities: bare(texts(excludes.caps, "excludes.caps")) }),
    ...(includes.minKernel === undefined ? {} : { kernel: kernelOf(includes.minKernel, `${at}.includes.minKernel`) }),
  };
}

function kernelOf(value: unknown, at: string): string {
  const text = asText(value, at);
  if (!/^\d+\.\d+$/.test(text)) throw invalid(`${at} "${text}" is not major.minor`);
  return text;
}

function actionOf(value: unknown, at: string): SeccompAction {
  return wordOf(ACTIONS, value, at);
}

/** SCMP_ARCH_X86_64 is x86_64 to libseccomp. */
function architectureOf(value: unknown, at: string): string {
  const match = /^SCMP_ARCH_([A-Z0-9_]+)$/.exec(asText(value, at));
  if (match === null) throw invalid(`${at} "${String(value)}" is not an SCMP_ARCH_ name`);
  return (match[1] ?? "").toLowerCase();
}

function wordOf<T>(words: Readonly<Record<string, T>>, value: unknown, at: string): T {
  const text = asText(value, at);
  const word = Object.hasOwn(words, text) ? words[text] : undefined;
  if (word === undefined) throw invalid(`${at} "${text}" is not one of ${Object.keys(words).join(", ")}`);
  return word;
}

function errnoOf(value: unknown, at: string): number {
  if (value === undefined || value === null) return EPERM;
  const number = integerOf(value, at);
  if (number > 4095n) throw invalid(`${at} is ${number}, more than the highest error number`);
  return Number(number);
}

function integerOf(value: unknown, at: string): bigint {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) throw invalid(`${at} must be an integer from 0`);
  // Larger ones have been rounded already: the rule would be another.
  if (!Number.isSafeInteger(value)) throw invalid(`${at} is more than ${Number.MAX_SAFE_INTEGER}, which is not supported`);
  return BigInt(value);
}

function asText(value: unknown, at: string): string {
  if (typeof value === "string") return value;
  throw invalid(`${at} must be a string`);
}

function asList(value: unknown, at: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw invalid(`${at} must be a list`);
}

function asObject(value: unknown, at: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw invalid(`${at} must be an object`);
}

function optionalObject(value: unknown, at: string): Fields {
  return value === undefined || value === null ? {} : asObject(value, at);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(messageOf(cause), cause);
  }
}

function invalid(reason: string, cause?: unknown): ClusterError {
  return new ClusterError("invalid_argument", `seccomp profile is not valid: ${reason}`, { cause });
}
