import { type JsonInteger, jsonInteger } from "../json.js";

/** Leaves an empty value out of the answer, as Go's `omitempty` does. */
export function unlessEmpty<T extends string | readonly unknown[] | Readonly<Record<string, unknown>>>(value: T): T | undefined {
  const size = typeof value === "string" || Array.isArray(value) ? value.length : Object.keys(value).length;
  return size === 0 ? undefined : value;
}

export function unlessZero(value: bigint | number): JsonInteger | undefined {
  if (typeof value === "bigint") return value === 0n ? undefined : jsonInteger(value);
  return value === 0 ? undefined : value;
}

export function unlessFalse(value: boolean): true | undefined {
  return value ? true : undefined;
}

export function optionalInteger(value: bigint | undefined): JsonInteger | undefined {
  return value === undefined ? undefined : jsonInteger(value);
}

/** Null where the object says nothing: clients send empty objects and none at all for the same thing, and a task must not be replaced for that. */
export function unlessBlank<T extends object>(value: T): T | null {
  return Object.values(value).every(isBlank) ? null : value;
}

function isBlank(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === 0n || value === "") return true;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}
