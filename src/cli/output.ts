import { durationText } from "../base/duration-text.js";
import { stringify } from "lossless-json";
import { misuse } from "./failure.js";
import { compileTemplate } from "./template/template.js";

/** One column of a listing: its title, and what stands in it. */
export interface Column<T> {
  /** Undefined: in the JSON form only. */
  readonly title?: string;
  /** Key of the JSON form. */
  readonly key: string;
  cell(item: T): string;
  /** What stands in the JSON form, where it is not what the table shows. */
  value?(item: T): unknown;
}

export interface ListOptions {
  readonly quiet?: boolean;
  /** `table` (the default), `json`, a template, or `table` and a template. */
  readonly format?: string;
}

/** A listing as docker has it: a table, one JSON object a line, what a template makes of each, or with `-q` the ids alone. */
export function printList<T>(items: readonly T[], columns: readonly Column<T>[], idOf: (item: T) => string, options: ListOptions): void {
  const text = listText(items, columns, options.quiet === true ? { idOf } : { format: options.format });
  if (text !== "") process.stdout.write(text);
}

/** The lines of a listing, each with its end. */
export function listText<T>(
  items: readonly T[],
  columns: readonly Column<T>[],
  options: { readonly idOf?: (item: T) => string; readonly format?: string | undefined },
): string {
  const { idOf, format = "table" } = options;
  const lines = (texts: readonly string[]) => texts.map((text) => `${text}\n`).join("");
  if (idOf !== undefined) return lines(items.map(idOf));
  if (format === "json") return lines(items.map((item) => JSON.stringify(fieldsOf(item, columns))));
  const [, template] = /^table(?:\s+([\s\S]+))?$/.exec(format) ?? [];
  if (format === "table") {
    const shown = columns.filter((column) => column.title !== undefined);
    return table([shown.map((column) => column.title ?? ""), ...items.map((item) => shown.map((column) => column.cell(item)))]);
  }
  if (!format.includes("{{")) throw misuse(`--format "${format}" is none of table, json and a template such as {{.ID}}`);
  // Also with nothing to list: a wrong template is wrong.
  const whole = compiled(template ?? format);
  if (template === undefined) return lines(items.map((item) => whole(fieldsOf(item, columns))));
  const titles = Object.fromEntries(columns.map((column) => [column.key, withArguments(column.title ?? column.key.toUpperCase())]));
  return table([whole(titles), ...items.map((item) => whole(fieldsOf(item, columns)))].map((row) => row.split("\t")));
}

/** Cells are as wide as docker makes them: three spaces between, and ten at least. */
export function table(rows: readonly (readonly string[])[], widthMin = 10): string {
  const widths: number[] = [];
  for (const row of rows) for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, [...cell].length + 3, widthMin);
  const lineOf = (row: readonly string[]) => row.map((cell, index) => (index === row.length - 1 ? cell : padded(cell, widths[index] ?? 0))).join("");
  return rows.map((row) => `${lineOf(row).trimEnd()}\n`).join("");
}

function padded(cell: string, width: number): string {
  return cell + " ".repeat(Math.max(width - [...cell].length, 0));
}

/** What a template, or the JSON form, sees of an item. */
function fieldsOf<T>(item: T, columns: readonly Column<T>[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(columns.map((column) => [column.key, column.value === undefined ? column.cell(item) : column.value(item)]));
}

/** As the title of `.Label "x"`, which is a function in a row, the name of the label stands. */
function withArguments(title: string): unknown {
  return Object.assign((...args: readonly unknown[]) => (args.length > 0 ? args.join(" ") : title), { toString: () => title });
}

/** Go's templates know tabs and ends of lines by their escapes, which a shell passes as they are typed. */
function compiled(template: string): (data: unknown) => string {
  return compileTemplate(template.replaceAll("\\t", "\t").replaceAll("\\n", "\n"));
}

/** An object, or a list of them, for `inspect`: indented, on one line with `--format json`, or what a template makes of each. */
export function printObjects(objects: readonly unknown[], options: { readonly format?: string }): void {
  if (options.format === "json") {
    for (const object of objects) print(stringify(object) ?? "");
    return;
  }
  if (options.format === undefined) {
    print(stringify(objects, undefined, 4) ?? "");
    return;
  }
  if (!options.format.includes("{{")) throw misuse(`--format "${options.format}" is neither json nor a template such as {{.ID}}`);
  const render = compiled(options.format);
  for (const object of objects) print(render(object));
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** For what a person should know and a script should not have to skip. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** "3 minutes ago", in docker's words. */
export function ago(timestamp: string, nowMs = Date.now()): string {
  return `${durationText(nowMs - Date.parse(timestamp)).toLowerCase()} ago`;
}

/** At most this many characters, the last of them an ellipsis. */
export function ellipsis(text: string, lengthMax: number): string {
  const letters = [...text];
  return letters.length <= lengthMax ? text : `${letters.slice(0, lengthMax - 1).join("")}…`;
}

/** Ids are shown by their first 12 characters, as docker does. */
export function shorten(id: string, isWhole = false): string {
  return isWhole ? id : id.slice(0, 12);
}
