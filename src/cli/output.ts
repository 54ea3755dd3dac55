import { durationText } from "../base/duration-text.js";
import { stringify } from "lossless-json";
import { misuse } from "./failure.js";

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
  /** `table` (the default) or `json`. */
  readonly format?: string;
}

/** A listing as docker has it: a table, one JSON object a line, or with `-q` the ids alone. */
export function printList<T>(items: readonly T[], columns: readonly Column<T>[], idOf: (item: T) => string, options: ListOptions): void {
  if (options.quiet === true) {
    for (const item of items) print(idOf(item));
    return;
  }
  if (options.format === "json") {
    for (const item of items)
      print(JSON.stringify(Object.fromEntries(columns.map((column) => [column.key, column.value === undefined ? column.cell(item) : column.value(item)]))));
    return;
  }
  if (options.format !== undefined && options.format !== "table") throw misuse(`--format "${options.format}" is neither table nor json`);
  const shown = columns.filter((column) => column.title !== undefined);
  const rows = [shown.map((column) => column.title ?? ""), ...items.map((item) => shown.map((column) => column.cell(item)))];
  const widths = shown.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  for (const row of rows)
    print(
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("   ")
        .trimEnd(),
    );
}

/** An object, or a list of them, for `inspect`: indented, or on one line with `--format json`. */
export function printObjects(objects: readonly unknown[], options: { readonly format?: string }): void {
  if (options.format === "json") {
    for (const object of objects) print(stringify(object) ?? "");
    return;
  }
  if (options.format !== undefined) throw misuse(`--format "${options.format}" is not json`);
  print(stringify(objects, undefined, 4) ?? "");
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

/** Ids are shown by their first 12 characters, as docker does. */
export function shorten(id: string, isWhole = false): string {
  return isWhole ? id : id.slice(0, 12);
}
