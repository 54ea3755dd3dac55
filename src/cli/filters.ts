import { misuse } from "./failure.js";

/** `key=value` flags as the API's `filters` parameter; undefined when there are none. */
export function filtersOf(flags: readonly string[] | undefined, more: Readonly<Record<string, readonly string[]>> = {}): string | undefined {
  const filters: Record<string, Record<string, boolean>> = {};
  const add = (key: string, value: string) => {
    filters[key] = { ...filters[key], [value]: true };
  };
  for (const text of flags ?? []) {
    const at = text.indexOf("=");
    if (at < 1) throw misuse(`--filter "${text}" is not key=value`);
    add(text.slice(0, at), text.slice(at + 1));
  }
  for (const [key, values] of Object.entries(more)) for (const value of values) add(key, value);
  return Object.keys(filters).length > 0 ? JSON.stringify(filters) : undefined;
}
