import type { DiskLimit, DiskLimits } from "../../../runtime/container-config.js";
import { badRequest } from "../errors.js";
import type { Json } from "../json.js";
import type { Fields } from "./fields.js";

const WEIGHT = { min: 10, max: 1000 };
const LISTS = [
  { name: "BlkioWeightDevice", kind: "weight", value: "Weight" },
  { name: "BlkioDeviceReadBps", kind: "readBytes", value: "Rate" },
  { name: "BlkioDeviceWriteBps", kind: "writeBytes", value: "Rate" },
  { name: "BlkioDeviceReadIOps", kind: "readOperations", value: "Rate" },
  { name: "BlkioDeviceWriteIOps", kind: "writeOperations", value: "Rate" },
] as const;

/** Limits of single disks in a HostConfig; undefined when there are none. Throws 400. */
export function disksFromDocker(host: Fields): DiskLimits | undefined {
  const lists = LISTS.map(({ name, kind, value }) => [kind, host.children(name, (item) => limitFromDocker(item, name, value))] as const);
  const named = lists.filter(([, limits]) => limits.length > 0);
  return named.length === 0 ? undefined : Object.fromEntries(named);
}

export function disksToDocker(disks: DiskLimits): { readonly [name: string]: Json } {
  return Object.fromEntries(
    LISTS.map(({ name, kind, value }) => [name, disks[kind] === undefined ? null : disks[kind].map((limit) => ({ Path: limit.path, [value]: limit.value }))]),
  );
}

/** Throws 400 for a share of the disks' time that is none. */
export function checkWeight(weight: number, of = ""): void {
  if (weight !== 0 && (weight < WEIGHT.min || weight > WEIGHT.max)) throw badRequest(`Range of blkio weight is from 10 to 1000${of}`);
}

function limitFromDocker(item: Fields, list: string, valueName: "Weight" | "Rate"): DiskLimit {
  const limit = { path: item.string("Path"), value: item.count(valueName) };
  item.end();
  if (!limit.path.startsWith("/dev/")) throw badRequest(`bad format for device path in ${list}: "${limit.path}"`);
  if (valueName === "Weight") checkWeight(limit.value, `, for device "${limit.path}" it is ${limit.value}`);
  return limit;
}
