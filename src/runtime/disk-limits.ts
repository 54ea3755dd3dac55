import { stat } from "node:fs/promises";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import type { ContainerResources, DiskLimit, DiskLimits } from "./container-config.js";
import { deviceNumbers } from "./devices.js";
import type { ResourceAbilities } from "./resource-abilities.js";
import type { Limit } from "./resource-limits.js";

type Weights = ResourceAbilities["diskWeight"];
type DiskLimitKind = keyof DiskLimits;

const KINDS: readonly DiskLimitKind[] = ["weight", "readBytes", "writeBytes", "readOperations", "writeOperations"];
const RATES = [
  { kind: "readBytes", file: "blkio.throttle.read_bps_device", key: "rbps" },
  { kind: "writeBytes", file: "blkio.throttle.write_bps_device", key: "wbps" },
  { kind: "readOperations", file: "blkio.throttle.read_iops_device", key: "riops" },
  { kind: "writeOperations", file: "blkio.throttle.write_iops_device", key: "wiops" },
] as const;

/** What is written into a group of version 1 (Linux, admin-guide/cgroup-v1/blkio-controller). Paths of devices must be numbers by now. */
export function legacyDiskLimits({ diskWeight = 0, disks = {} }: ContainerResources, weights: Weights): readonly Limit[] {
  return [
    ...weightLimits(diskWeight, disks, weights, String),
    ...RATES.flatMap(({ kind, file }) => (disks[kind] ?? []).map(({ path, value }): Limit => [file, `${path} ${value}`])),
  ];
}

/** The same for version 2 (Linux, admin-guide/cgroup-v2, IO). */
export function unifiedDiskLimits({ diskWeight = 0, disks = {} }: ContainerResources, weights: Weights): readonly Limit[] {
  const convert = weights.file === "io.weight" ? (weight: number) => String(costWeightOf(weight)) : String;
  return [
    ...weightLimits(diskWeight, disks, weights, convert),
    ...RATES.flatMap(({ kind, key }) => (disks[kind] ?? []).map(({ path, value }): Limit => ["io.max", `${path} ${key}=${value === 0 ? "max" : value}`])),
  ];
}

/** The same limits with the devices' numbers (`8:0`) in place of their paths. Throws `invalid_argument` for what is no block device of this host. */
export async function withDeviceNumbers(resources: ContainerResources): Promise<ContainerResources> {
  const { disks } = resources;
  if (disks === undefined) return resources;
  const entries = KINDS.map(async (kind) => [kind, await Promise.all((disks[kind] ?? []).map(numbered))] as const);
  return { ...resources, disks: Object.fromEntries(await Promise.all(entries)) };
}

/** Limits that a change names take the place of those for the same disk; others stay. */
export function changedDisks(before: DiskLimits, change: DiskLimits): DiskLimits {
  const merged = KINDS.map((kind) => {
    const changed = change[kind] ?? [];
    return [kind, [...(before[kind] ?? []).filter(({ path }) => changed.every((limit) => limit.path !== path)), ...changed]] as const;
  });
  return Object.fromEntries(merged.filter(([, limits]) => limits.length > 0));
}

function weightLimits(weight: number, disks: DiskLimits, files: Weights, convert: (weight: number) => string): readonly Limit[] {
  const own: readonly Limit[] = weight === 0 ? [] : [[files.file, convert(weight)]];
  return [...own, ...(disks.weight ?? []).map(({ path, value }): Limit => [files.deviceFile, `${path} ${value === 0 ? "default" : convert(value)}`])];
}

/** Weights from 10 to 1000 become those of the cost model from 1 to 10000, as the OCI runtimes do it. */
function costWeightOf(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

async function numbered({ path, value }: DiskLimit): Promise<DiskLimit> {
  const refuse = (reason: string, cause?: unknown) =>
    new ClusterError("invalid_argument", `limits of the device "${path}" cannot be set: ${reason}`, { cause });
  const info = await stat(path, { bigint: true }).catch((cause: unknown) => {
    throw refuse(systemCodeOf(cause) === "ENOENT" ? "it does not exist" : messageOf(cause), cause);
  });
  if (!info.isBlockDevice()) throw refuse("it is no block device");
  const { major, minor } = deviceNumbers(info.rdev);
  return { path: `${major}:${minor}`, value };
}
