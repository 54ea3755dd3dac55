import { badRequest } from "./errors.js";
import { parseJson } from "./json.js";
import type { Query } from "./query.js";

/** The `filters` parameter: values by key. Values of one key are alternatives; keys, and values of labels, must all hold. */
export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  private constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  /** Reads `{"k":{"v":true}}` and the older `{"k":["v"]}`. Throws 400 for anything else, and for a key that is not in `known`. */
  static parse(query: Query, known: readonly string[]): Filters {
    const text = query.text("filters");
    const values = new Map<string, readonly string[]>();
    if (text.trim() === "") return new Filters(values);
    const parsed = parseFilter(text);
    if (parsed === null) return new Filters(values);
    if (typeof parsed !== "object" || Array.isArray(parsed)) throw badRequest(`invalid filter: ${text} is not a JSON object`);
    for (const [key, value] of Object.entries(parsed)) {
      if (!known.includes(key)) throw badRequest(`invalid filter '${key}'`);
      values.set(key, valuesOf(key, value));
    }
    return new Filters(values);
  }

  has(key: string): boolean {
    return (this.#values.get(key)?.length ?? 0) > 0;
  }

  get(key: string): readonly string[] {
    return this.#values.get(key) ?? [];
  }

  /** True when the key was not asked for, or one of its values is this one. */
  allows(key: string, value: string): boolean {
    return !this.has(key) || this.get(key).includes(value);
  }

  /** Like allows, for a value that starts with what was asked for. */
  allowsPrefix(key: string, value: string): boolean {
    return !this.has(key) || this.get(key).some((prefix) => value.toLowerCase().startsWith(prefix.toLowerCase()));
  }

  /** True when each `name` or `name=value` asked for is among the labels. */
  allowsLabels(key: string, labels: Readonly<Record<string, string>>): boolean {
    return this.get(key).every((wanted) => hasLabel(labels, wanted));
  }

  /** A key that takes one of a few words. Throws 400 for another one. */
  words<T extends string>(key: string, known: readonly T[]): readonly T[] {
    return this.get(key).map((value) => {
      const word = known.find((candidate) => candidate === value.toLowerCase());
      if (word === undefined) throw badRequest(`invalid filter '${key}=${value}'`);
      return word;
    });
  }
}

function parseFilter(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    // The parser's own text speaks of a body; what is wrong here is the parameter.
    throw badRequest(`invalid filter: ${text} is not JSON`);
  }
}

function valuesOf(key: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value)
      .filter(([, isWanted]) => isWanted === true)
      .map(([name]) => name);
  }
  throw badRequest(`invalid filter '${key}': neither a list nor a map of values`);
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const split = wanted.indexOf("=");
  if (split < 0) return Object.hasOwn(labels, wanted);
  const name = wanted.slice(0, split);
  return Object.hasOwn(labels, name) && labels[name] === wanted.slice(split + 1);
}
