/** The run-time half of the generated codecs: proto/README.md has the rules of the mapping. */
import protobuf from "protobufjs/minimal.js";
import { ClusterError } from "../base/errors.js";

export { NO_ENTRIES, NO_ITEMS } from "../base/nothing.js";

export type Reader = protobuf.Reader;
export type Writer = protobuf.Writer;

/** Turns one message type into bytes and back. */
export interface Codec<T> {
  readonly name: string;
  encode(message: T): Uint8Array;
  /** Throws a ClusterError `invalid_argument` that names the type when the bytes are not one. */
  decode(bytes: Uint8Array): T;
  write(message: T, writer: Writer): Writer;
  read(reader: Reader, length: number): T;
}

export const EMPTY: Uint8Array = new Uint8Array(0);

/** What a message is made as, before it is anybody's. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A message type out of its generated functions. `decode` throws ClusterError `invalid_argument` for what is no such message. */
export function codec<T>(name: string, write: (message: T, writer: Writer) => Writer, read: (reader: Reader, length: number) => T): Codec<T> {
  return {
    name,
    write,
    read,
    encode: (message) => write(message, protobuf.Writer.create()).finish(),
    decode(bytes) {
      try {
        return read(protobuf.Reader.create(bytes), bytes.length);
      } catch (cause) {
        throw cause instanceof ClusterError ? cause : malformed(name, cause);
      }
    },
  };
}

/** ClusterError `invalid_argument`. */
export function malformed(name: string, cause?: unknown): ClusterError {
  return new ClusterError("invalid_argument", `malformed ${name} message`, { cause });
}

/** The two directions of an enum: labels in memory, numbers on the wire. */
export function enumeration<L extends string>(name: string, pairs: readonly (readonly [L, number])[]) {
  const numbers = new Map<string, number>(pairs);
  const labels = new Map<number, L>(pairs.map(([label, number]) => [number, label]));
  return {
    numberOf(label: L): number {
      const number = numbers.get(label);
      if (number === undefined) throw new ClusterError("invalid_argument", `"${label}" is not a ${name}`);
      return number;
    },
    labelOf(number: number): L {
      const label = labels.get(number);
      if (label === undefined) throw new ClusterError("invalid_argument", `${number} is not a ${name}`);
      return label;
    },
  };
}

/** Takes one entry of a map field (protobuf: a message of key 1 and value 2) into `map`. */
export function readMapEntry<V>(reader: Reader, map: Record<string, V>, readValue: () => V): void {
  const end = reader.uint32() + reader.pos;
  let key = "";
  let value: V | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) key = reader.string();
    else if (tag >>> 3 === 2) value = readValue();
    else reader.skipType(tag & 7);
  }
  if (key === "__proto__") throw malformed("map");
  map[key] = value ?? ("" as V);
}

type Long = { readonly low: number; readonly high: number; readonly unsigned: boolean };

/** An int64 in full. */
export function bigintOf(value: number | Long): bigint {
  if (typeof value === "number") return BigInt(value);
  return BigInt.asIntN(64, (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0));
}

/** An unsigned 64-bit field that counts something. Throws as `safe`. */
export function numberOf(value: number | Long): number {
  const number = typeof value === "number" ? value : (value.high >>> 0) * 0x1_0000_0000 + (value.low >>> 0);
  return safe(number);
}

/** Values beyond 2^53 would be rounded silently; that is never acceptable for an index. */
export function safe(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new ClusterError("invalid_argument", `${value} is not an unsigned integer below 2^53`);
  return value;
}

/** The contrary of `bigintOf`. */
export function longOf(value: bigint): protobuf.Long {
  return new protobuf.util.Long(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)), false);
}
