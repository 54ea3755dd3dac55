import { readFileSync } from "node:fs";
import { ClusterError } from "../base/errors.js";

/** In the order of their numbers (linux/capability.h). */
const NAMES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
] as const;

/** What Docker gives a container without being asked. */
const DEFAULTS: readonly (typeof NAMES)[number][] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
];

/** Stands for every one in requests. */
const ALL = (1n << BigInt(NAMES.length)) - 1n;

/** Every one that there is to give: those of this process. */
export function allCapabilities(): bigint {
  const match = /^CapPrm:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "utf8"));
  return match === null ? ALL : BigInt(`0x${match[1]}`) & ALL;
}

/**
 * The capabilities of a container, a bit per number. Names with or without `CAP_`, in any case; `ALL` is every one. As in Docker: what is dropped by
 * name is gone also when `ALL` was added, and what is added by name is there also when `ALL` was dropped. Throws `invalid_argument` for an unknown name.
 */
export function capabilityMask(change: { readonly add: readonly string[]; readonly drop: readonly string[] }): bigint {
  const [add, drop] = [change.add.map(parse), change.drop.map(parse)];
  const base = add.includes(ALL) ? allCapabilities() : drop.includes(ALL) ? 0n : maskOf(DEFAULTS);
  const dropped = union(drop.filter((mask) => mask !== ALL));
  return (base & ~dropped) | union(add.filter((mask) => mask !== ALL));
}

/** The capabilities that a container is started with. */
export function capabilitiesOf(config: {
  readonly isPrivileged: boolean;
  readonly capabilityAdd: readonly string[];
  readonly capabilityDrop: readonly string[];
}): bigint {
  return config.isPrivileged ? allCapabilities() : capabilityMask({ add: config.capabilityAdd, drop: config.capabilityDrop });
}

/** `CAP_CHOWN` and so on, in the order of their numbers. */
export function capabilityNames(mask: bigint): readonly string[] {
  return NAMES.filter((name) => hasCapability(mask, name)).map((name) => `CAP_${name}`);
}

/** Whether a mask has the capability of that name; no mask has one that does not exist. */
export function hasCapability(mask: bigint, name: string): boolean {
  const number = (NAMES as readonly string[]).indexOf(name);
  return number >= 0 && (mask & (1n << BigInt(number))) !== 0n;
}

function parse(name: string): bigint {
  const bare = name.toUpperCase().replace(/^CAP_/, "");
  if (bare === "ALL") return ALL;
  const number = (NAMES as readonly string[]).indexOf(bare);
  if (number < 0) throw new ClusterError("invalid_argument", `invalid capability: "${name}"`);
  return 1n << BigInt(number);
}

function maskOf(names: readonly string[]): bigint {
  return union(names.map(parse));
}

function union(masks: readonly bigint[]): bigint {
  return masks.reduce((all, mask) => all | mask, 0n);
}
