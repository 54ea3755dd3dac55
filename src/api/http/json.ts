import { parse, stringify } from "lossless-json";
import { messageOf } from "../../base/errors.js";
import { badRequest } from "./errors.js";

/** An integer as JSON carries it: bigint only where a number would not be exact. */
export type JsonInteger = number | bigint;

/** Any value that goes out; `undefined` fields are left out. */
export type Json = null | undefined | boolean | string | JsonInteger | readonly Json[] | { readonly [name: string]: Json };

/** Integers beyond 2^53 (nanoseconds) have at least this many digits; a text without such a run needs no exact parser. */
const LONG_NUMBER = /\d{16}/;

/** Objects and lists in each other; no request has a tenth of it, and what reads them calls itself for each. */
const DEPTH_MAX = 1_000;
/** Half of a character (a surrogate), which JSON can say and UTF-8 cannot: kept as it is, it would be another text in the log and on other managers. */
const HALF_ESCAPE = /\\u[dD][89a-fA-F]/;
const HALVES = /\p{Cs}/gu;

/**
 * Parses a client's JSON. Integers that a number cannot hold become bigint, and halves of characters U+FFFD, as Go has it. Throws a 400 that says where it is
 * malformed.
 */
export function parseJson(text: string): unknown {
  assertDepth(text);
  try {
    const value = LONG_NUMBER.test(text) ? parse(text, undefined, { parseNumber: exactNumber, onDuplicateKey: ({ newValue }) => newValue }) : JSON.parse(text);
    return HALF_ESCAPE.test(text) ? wellFormed(value) : value;
  } catch (cause) {
    throw badRequest(`malformed JSON: ${messageOf(cause)}`);
  }
}

function assertDepth(text: string): void {
  // Each level has a bracket at both ends.
  if (text.length <= 2 * DEPTH_MAX) return;
  let depth = 0;
  let isString = false;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (letter === '"') isString = !isString;
    else if (letter === "\\") at++;
    else if (isString) continue;
    else if (letter === "[" || letter === "{") depth++;
    else if (letter === "]" || letter === "}") depth--;
    if (depth > DEPTH_MAX) throw badRequest(`malformed JSON: more than ${DEPTH_MAX} objects and lists in each other`);
  }
}

function wellFormed(value: unknown): unknown {
  if (typeof value === "string") return value.replace(HALVES, "\uFFFD");
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(wellFormed);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [wellFormed(name), wellFormed(field)]));
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
