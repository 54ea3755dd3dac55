import { badRequest } from "../errors.js";

/** The kernel has no higher number. */
const NUMBER_MAX = 8192;

/** What is chosen, as Docker calls it in its messages. */
export interface CpusetKind {
  readonly short: "cpus" | "mems";
  readonly long: "CPUs" | "memory nodes";
}

/** Throws 400 for a list (`0-2,7`) that is none, or has numbers that are not in `available`. */
export function checkCpuset(list: string, available: string, { short, long }: CpusetKind): void {
  const wanted = parseCpuset(list);
  if (wanted === null) throw badRequest(`Invalid value ${list} for cpuset ${short}: invalid format: ${list}`);
  const has = parseCpuset(available) ?? new Set<number>();
  if ([...wanted].some((number) => !has.has(number))) throw badRequest(`Requested ${long} are not available - requested ${list}, available: ${available}`);
}

/** The numbers in a list of numbers and ranges (cpuset(7), list format); null for what is none. */
export function parseCpuset(list: string): ReadonlySet<number> | null {
  const numbers = new Set<number>();
  for (const part of list === "" ? [] : list.split(",")) {
    const [, first = "", last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === "" || from > to || to > NUMBER_MAX) return null;
    for (let number = from; number <= to; number++) numbers.add(number);
  }
  return numbers;
}
