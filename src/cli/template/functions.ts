import { stringify } from "lossless-json";
import { templateError } from "./template-error.js";

type TemplateFunction = (...args: readonly unknown[]) => unknown;

/** How Go prints a value that came from JSON. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(textOf).join(" ")}]`;
  if (typeof value !== "object") return String(value);
  return `map[${entriesOf(value)
    .map(([key, item]) => `${key}:${textOf(item)}`)
    .join(" ")}]`;
}

/** By their keys, as Go goes through a map. */
export function entriesOf(value: object): readonly (readonly [string, unknown])[] {
  return Object.entries(value)
    .filter(([, item]) => item !== undefined && typeof item !== "function")
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

export function isTruthy(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}

/** Those of text/template that are used, and docker's own. Arguments of `and` and `or` are all computed. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  json: (value) => stringify(value ?? null) ?? "",
  upper: (value) => textOf(value).toUpperCase(),
  lower: (value) => textOf(value).toLowerCase(),
  title: (value) => textOf(value).replace(/(^|\s)(\S)/g, (_, space: string, letter: string) => space + letter.toUpperCase()),
  split: (value, separator) => textOf(value).split(textOf(separator)),
  join: (list, separator) => listOf("join", list).map(textOf).join(textOf(separator)),
  pad: (value, before, after) => (value === "" ? "" : " ".repeat(Number(before)) + textOf(value) + " ".repeat(Number(after))),
  truncate: (value, length) => textOf(value).slice(0, Number(length)),
  len: lengthOf,
  index: (value, ...keys) => keys.reduce(itemOf, value),
  slice: (value, from = 0, to = undefined) =>
    (typeof value === "string" ? value : listOf("slice", value)).slice(Number(from), to === undefined ? to : Number(to)),
  print: (...values) => values.map(textOf).join(""),
  println: (...values) => `${values.map(textOf).join(" ")}\n`,
  printf: (format, ...values) => formatted(textOf(format), values),
  eq: (value, ...others) => others.some((other) => same(value, other)),
  ne: (value, other) => !same(value, other),
  lt: (a, b) => order(a, b) < 0,
  le: (a, b) => order(a, b) <= 0,
  gt: (a, b) => order(a, b) > 0,
  ge: (a, b) => order(a, b) >= 0,
  and: (...values) => values.find((value) => !isTruthy(value)) ?? values.at(-1),
  or: (...values) => values.find(isTruthy) ?? values.at(-1),
  not: (value) => !isTruthy(value),
};

function listOf(name: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value === null || value === undefined) return [];
  throw templateError(`${name} wants a list and not ${textOf(value)}`);
}

function lengthOf(value: unknown): number {
  if (typeof value === "string" || Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null) return Object.keys(value).length;
  if (value === null || value === undefined) return 0;
  throw templateError(`len of ${textOf(value)}, which has no length`);
}

function itemOf(value: unknown, key: unknown): unknown {
  if (Array.isArray(value)) {
    const index = Number(key);
    if (!(index >= 0 && index < value.length)) throw templateError(`index out of range: ${textOf(key)}`);
    return value[index];
  }
  if (typeof value === "object" && value !== null) return (value as Readonly<Record<string, unknown>>)[textOf(key)] ?? "";
  throw templateError(`index of ${textOf(value)}, which has no items`);
}

function same(a: unknown, b: unknown): boolean {
  return typeof a === typeof b ? a === b : textOf(a) === textOf(b);
}

function order(a: unknown, b: unknown): number {
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return Number(a) - Number(b);
}

function formatted(format: string, values: readonly unknown[]): string {
  const rest = [...values];
  return format.replace(/%(-?)(\d*)(?:\.(\d+))?([sdvqxf%])/g, (_, left: string, width: string, precision: string | undefined, verb: string) => {
    if (verb === "%") return "%";
    const text = verbText(verb, precision, rest.shift());
    return left === "-" ? text.padEnd(Number(width)) : text.padStart(Number(width));
  });
}

function verbText(verb: string, precision: string | undefined, value: unknown): string {
  if (verb === "q") return JSON.stringify(textOf(value));
  if (verb === "x") return typeof value === "number" ? value.toString(16) : Buffer.from(textOf(value)).toString("hex");
  if (verb === "f") return Number(value).toFixed(Number(precision ?? 6));
  return precision === undefined ? textOf(value) : textOf(value).slice(0, Number(precision));
}
