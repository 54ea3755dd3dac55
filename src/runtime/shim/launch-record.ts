import { ClusterError } from "../../base/errors.js";

/** A setting as a shim reads it: native/shim/settings.h has the keys. */
export type LaunchRecord = readonly [key: string, value: string | number | bigint];

/**
 * Records as a spawner and swarm-files take them: their length (32 bits, little-endian), and each as `key=value` with a NUL behind it. Throws `invalid_argument` for a
 * value with a NUL character, which would begin a record of its author's choice: a mount of the host, say.
 */
export function encode(all: readonly LaunchRecord[]): Buffer {
  const records = all.map(([key, value]) => {
    if (typeof value === "string" && value.includes("\0")) throw new ClusterError("invalid_argument", `setting "${key}" contains a NUL character`);
    return `${key}=${value}\0`;
  });
  const body = Buffer.from(records.join(""), "utf8");
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}
