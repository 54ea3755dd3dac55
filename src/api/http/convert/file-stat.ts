import type { FileStat } from "../../../runtime/files/container-files.js";
import { stringifyJson } from "../json.js";

const TYPE_MASK = 0o170000;
/** Types of stat(2) as Go's os.FileMode has them, which is what clients read. */
const GO_TYPES: ReadonlyMap<number, number> = new Map([
  [0o040000, 2 ** 31],
  [0o120000, 2 ** 27],
  [0o060000, 2 ** 26],
  [0o020000, 2 ** 26 + 2 ** 21],
  [0o010000, 2 ** 25],
  [0o140000, 2 ** 24],
]);
const GO_BITS: readonly (readonly [bit: number, goBit: number])[] = [
  [0o4000, 2 ** 23],
  [0o2000, 2 ** 22],
  [0o1000, 2 ** 20],
];

/** Value of the header X-Docker-Container-Path-Stat (swarm-surface 2.4). */
export function statHeader(stat: FileStat): string {
  const { name, sizeBytes, linkTarget } = stat;
  return Buffer.from(stringifyJson({ name, size: sizeBytes, mode: goModeOf(stat.mode), mtime: timeText(stat.modifiedNs), linkTarget })).toString("base64");
}

export function goModeOf(mode: number): number {
  const bits = GO_BITS.reduce((sum, [bit, goBit]) => sum + ((mode & bit) === 0 ? 0 : goBit), mode & 0o777);
  return bits + (GO_TYPES.get(mode & TYPE_MASK) ?? 0);
}

/** RFC 3339 with nanoseconds, which a Date does not have. */
function timeText(timeNs: bigint): string {
  const second = 1_000_000_000n;
  const fraction = ((timeNs % second) + second) % second;
  const date = new Date(Number((timeNs - fraction) / 1_000_000n)).toISOString().slice(0, "2020-01-01T00:00:00".length);
  return `${date}.${fraction.toString().padStart(9, "0")}Z`;
}
