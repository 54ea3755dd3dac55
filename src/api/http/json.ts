import { parse, stringify } from "lossless-json";
import { messageOf } from "../../base/errors.js";
import { badRequest } from "./errors.js";

/** An integer as JSON carries it: bigint only where a number would not be exact. */
export type JsonInteger = number | bigint;

/** Any value that goes out; `undefined` fields are left out. */
export type Json = null | undefined | boolean | string | JsonInteger | readonly Json[] | { readonly [name: string]: Json };

/** Integers beyond 2^53 (nanoseconds) have at least this many digits; a text without such a run needs no exact parser. */
const LONG_NUMBER = /\d{16}/;

/** Parses a client's JSON. Integers that a number cannot hold become bigint. Throws a 400 that says where it is malformed. */
export function parseJson(text: string): unknown {
  try {
    return LONG_NUMBER.test(text) ? parse(text, undefined, { parseNumber: exactNumber, onDuplicateKey: ({ newValue }) => newValue }) : JSON.parse(text);
  } catch (cause) {
    throw badRequest(`malformed JSON: ${messageOf(cause)}`);
  }
}

function exactNumber(text: string): JsonInteger {
  const value = Number(text);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
}

/** JSON text of an answer; bigint is written as an exact number. */
export function stringifyJson(value: Json): string {
  try {
    return JSON.stringify(value) ?? "null";
  } catch (cause) {
    // The native writer refuses bigint, which is rare: only then the exact one, which is slower, is worth it.
    if (cause instanceof TypeError) return stringify(value) ?? "null";
    throw cause;
  }
}

/** The shortest exact JSON form of an int64. */
export function jsonInteger(value: bigint): JsonInteger {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
