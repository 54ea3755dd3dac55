import { parsePair } from "../quantities.js";
import type { CommonFlags, ListFlag } from "./flags.js";

/** What a list flag added and removed, whichever of the two commands it came from. */
export function listEdits(flags: object, flag: ListFlag): { readonly add: readonly string[]; readonly remove: readonly string[] } {
  const values = flags as Readonly<Record<string, readonly string[] | undefined>>;
  return { add: [...(values[camel(flag)] ?? []), ...(values[camel(`${flag}-add`)] ?? [])], remove: values[camel(`${flag}-rm`)] ?? [] };
}

/** Puts the list as the flag leaves it: an item that is added takes the place of the one with its key. Does nothing when the flag was not given. */
export function editList(
  flags: CommonFlags,
  flag: ListFlag,
  present: readonly string[] | undefined,
  put: (list: string[]) => void,
  keyOf: (item: string) => string = (item) => item,
): void {
  const { add, remove } = listEdits(flags, flag);
  if (add.length + remove.length === 0) return;
  const replaced = new Set([...remove, ...add.map(keyOf)]);
  put([...(present ?? []).filter((item) => !replaced.has(keyOf(item)) && !replaced.has(item)), ...add]);
}

/** The same of pairs `key=value`. */
export function editPairs(
  flags: CommonFlags,
  flag: "label" | "container-label" | "sysctl",
  present: Readonly<Record<string, string>> | undefined,
  put: (pairs: Record<string, string>) => void,
): void {
  const { add, remove } = listEdits(flags, flag);
  if (add.length + remove.length === 0) return;
  const kept = Object.entries(present ?? {}).filter(([key]) => !remove.includes(key));
  put(Object.fromEntries([...kept, ...add.map((text) => parsePair(text, flag))]));
}

function camel(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
