import { readFileSync } from "node:fs";
import { assert } from "../base/assert.js";
import { ClusterError } from "../base/errors.js";

/** RLIMIT_* of the generic Linux architectures (asm-generic/resource.h), by their name in Docker. */
const NUMBERS: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

const UNLIMITED = 2n ** 64n - 1n;

/** The daemon's own limit is for its sockets; a program that was told nothing gets what containerd gives, or less where the daemon itself has less. */
const OPEN_FILES = { soft: 1024, hard: 524_288 };

export interface Rlimit {
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** Negative is unlimited. Throws `invalid_argument` for an unknown name, or a soft limit above the hard one. */
export function planRlimits(ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[]): readonly Rlimit[] {
  const hard = Math.min(OPEN_FILES.hard, openFilesMax());
  const defaults = ulimits.some((limit) => limit.name === "nofile") ? [] : [{ name: "nofile", soft: Math.min(OPEN_FILES.soft, hard), hard }];
  return [...defaults, ...ulimits].map((limit) => {
    const resource = NUMBERS[limit.name];
    if (resource === undefined) throw new ClusterError("invalid_argument", `invalid ulimit type: ${limit.name}`);
    const [soft, hard] = [limitOf(limit.soft), limitOf(limit.hard)];
    if (soft > hard) throw new ClusterError("invalid_argument", `ulimit ${limit.name}: soft limit ${limit.soft} is above hard limit ${limit.hard}`);
    return { resource, soft, hard };
  });
}

/** `RLIMIT_NOFILE` for 7. */
export function rlimitName(resource: number): string {
  const found = Object.entries(NUMBERS).find(([, number]) => number === resource);
  assert(found !== undefined, "a limit that was planned has a name");
  return `RLIMIT_${found[0].toUpperCase()}`;
}

function limitOf(limit: number): bigint {
  return limit < 0 ? UNLIMITED : BigInt(Math.trunc(limit));
}

let openFilesMaxSeen = 0;

/** This process's own hard limit (proc_pid_limits(5)); it does not change. */
function openFilesMax(): number {
  if (openFilesMaxSeen > 0) return openFilesMaxSeen;
  const match = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  openFilesMaxSeen = match === null ? OPEN_FILES.hard : Number(match[1]);
  return openFilesMaxSeen;
}
