import { NO_ENTRIES, NO_ITEMS } from "../../../base/nothing.js";
import { badRequest, notSupported } from "../errors.js";

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/**
 * The fields of one JSON object that a client sent, read by name and checked for their type. Names match without regard to case, as
 * they do for Docker. `end()` refuses what nobody read, so that nothing is accepted and ignored; empty values pass, since clients send
 * the zero values of fields that they do not use.
 */
export class Fields {
  readonly #path: string;
  readonly #values = new Map<string, { readonly name: string; readonly value: unknown }>();

  /** Throws 400 when the value is not an object. `path` names it in errors; empty for the body itself. */
  constructor(value: unknown, path: string) {
    this.#path = path;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw badRequest(`${path === "" ? "request body" : path} must be an object`);
    for (const [name, field] of Object.entries(value)) this.#values.set(name.toLowerCase(), { name, value: field });
  }

  string(name: string): string {
    const value = this.#take(name);
    if (value === undefined) return "";
    if (typeof value !== "string") throw this.#wrong(name, "a string");
    return value;
  }

  boolean(name: string): boolean {
    return this.optionalBoolean(name) ?? false;
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.#wrong(name, "true or false");
  }

  /** An int64; 0n when absent. */
  integer(name: string): bigint {
    return this.optionalInteger(name) ?? 0n;
  }

  optionalInteger(name: string): bigint | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    const isInteger = typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
    if (!isInteger || BigInt(value) < INT64_MIN || BigInt(value) > INT64_MAX) throw this.#wrong(name, "a 64-bit integer");
    return BigInt(value);
  }

  /** A count that fits `max` (2^53 - 1 by default); 0 when absent. */
  count(name: string, max = Number.MAX_SAFE_INTEGER): number {
    return this.optionalCount(name, max) ?? 0;
  }

  optionalCount(name: string, max = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > max) throw this.#wrong(name, `an integer from 0 to ${max}`);
    return value + 0;
  }

  ratio(name: string): number {
    const value = this.#take(name);
    if (value === undefined) return 0;
    if (typeof value !== "number") throw this.#wrong(name, "a number");
    return value;
  }

  strings(name: string): readonly string[] {
    return this.optionalStrings(name) ?? NO_ITEMS;
  }

  /** Where an empty list says something else than none. */
  optionalStrings(name: string): readonly string[] | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) throw this.#wrong(name, "a list of strings");
    return value;
  }

  /** A list of integers from 0 to 65535. */
  numbers(name: string): readonly number[] {
    const value = this.#take(name);
    if (value === undefined) return NO_ITEMS;
    if (Array.isArray(value) && value.every((item) => Number.isInteger(item) && item >= 0 && item <= 65_535)) return value;
    throw this.#wrong(name, "a list of integers from 0 to 65535");
  }

  /** A map whose values are of any kind: each with its place, for messages. */
  entries(name: string): readonly { readonly key: string; readonly value: unknown; readonly at: string }[] {
    const value = this.#take(name);
    if (value === undefined) return [];
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.#wrong(name, "a map");
    return Object.entries(value).map(([key, item]) => ({ key, value: item, at: `${this.#at(name)}.${key}` }));
  }

  /** A map of strings; null values are empty. */
  record(name: string): Readonly<Record<string, string>> {
    const value = this.#take(name);
    if (value === undefined) return NO_ENTRIES;
    if (typeof value !== "object" || Array.isArray(value)) throw this.#wrong(name, "a map of strings");
    return Object.fromEntries(
      Object.entries(value as object).map(([key, item]) => {
        if (item !== null && typeof item !== "string") throw this.#wrong(`${name}.${key}`, "a string");
        return [key, item ?? ""];
      }),
    );
  }

  /** Base64, as Go writes bytes. */
  bytes(name: string): Uint8Array {
    const text = this.string(name);
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) throw this.#wrong(name, "base64");
    return new Uint8Array(Buffer.from(text, "base64"));
  }

  /** One of a few words, without regard to case; absent or empty is `fallback`. Throws 400 for any other. */
  word<T>(name: string, words: Readonly<Record<string, T>>, fallback: T): T {
    const text = this.string(name);
    if (text === "") return fallback;
    const key = text.toLowerCase();
    const value = Object.hasOwn(words, key) ? words[key] : undefined;
    if (value === undefined) throw badRequest(`invalid ${this.#at(name)}: "${text}" is not one of ${Object.keys(words).join(", ")}`);
    return value;
  }

  /** A nested object; null when absent. */
  child(name: string): Fields | null {
    const value = this.#take(name);
    return value === undefined ? null : new Fields(value, this.#at(name));
  }

  /** A list of objects, each as `convert` has it. */
  children<T>(name: string, convert: (fields: Fields) => T): readonly T[] {
    const value = this.#take(name);
    if (value === undefined) return NO_ITEMS;
    if (!Array.isArray(value)) throw this.#wrong(name, "a list");
    return value.map((item, index) => convert(new Fields(item, `${this.#at(name)}[${index}]`)));
  }

  /** Fields that mean nothing here, whatever they hold. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#values.delete(keyOf(name));
  }

  /** Throws 501 when a field that was not read holds something. */
  end(): void {
    for (const { name, value } of this.#values.values()) {
      if (!isEmpty(value)) throw notSupported(`${this.#at(name)} is not supported`);
    }
  }

  #take(name: string): unknown {
    const key = keyOf(name);
    const field = this.#values.get(key);
    if (field === undefined) return undefined;
    this.#values.delete(key);
    return field.value ?? undefined;
  }

  #at(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  #wrong(name: string, expected: string): Error {
    return badRequest(`${this.#at(name)} must be ${expected}`);
  }
}

/** Of the names that the converters read by, which are few: a string that is made anew for each look-up is hashed anew. */
const keys = new Map<string, string>();

function keyOf(name: string): string {
  let key = keys.get(name);
  if (key === undefined) {
    key = name.toLowerCase();
    keys.set(name, key);
  }
  return key;
}

/** True for what Go calls a zero value, at any depth. */
function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === 0n || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.values(value).every(isEmpty);
}
