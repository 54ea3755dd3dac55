import { misuse } from "./failure.js";

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** A duration as docker's flags have it (`1m30s`, `1.5h`, `500ms`), in nanoseconds. Throws a CommandFailure that names the flag. */
export function parseDuration(text: string, flag: string): bigint {
  if (text === "0") return 0n;
  const parts = [...text.matchAll(/(\d+)(?:\.(\d+))?(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== text) throw misuse(`--${flag} "${text}" is not a duration such as 10s or 1m30s`);
  return parts.reduce((sum, [, whole = "0", fraction = "", unit = "s"]) => {
    const size = NANOSECONDS[unit] ?? 1n;
    return sum + BigInt(whole) * size + (BigInt(fraction.padEnd(18, "0").slice(0, 18)) * size) / 10n ** 18n;
  }, 0n);
}

const BYTES: Readonly<Record<string, bigint>> = { "": 1n, b: 1n, k: 1n << 10n, m: 1n << 20n, g: 1n << 30n, t: 1n << 40n };

/** A size in bytes: `64m`, `1.5g`, `512`; what is less than a byte is left out. */
export function parseBytes(text: string, flag: string): bigint {
  const [, whole, fraction = "", unit] = /^(\d+)(?:\.(\d{1,18}))? ?([bkmgt]?)(?:ib?|b)?$/i.exec(text) ?? [];
  const size = unit === undefined ? undefined : BYTES[unit.toLowerCase()];
  if (whole === undefined || size === undefined) throw misuse(`--${flag} "${text}" is not a size such as 64m or 1.5g`);
  return (BigInt(whole + fraction) * size) / 10n ** BigInt(fraction.length);
}

/** A number of processors, `0.5`, in billionths. */
export function parseCpus(text: string, flag: string): bigint {
  const [, whole, fraction = ""] = /^(\d*)(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (whole === undefined || (whole === "" && fraction === "")) throw misuse(`--${flag} "${text}" is not a number of processors such as 0.5`);
  return BigInt(whole === "" ? 0 : whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}

export function parseCount(text: string, flag: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count)) throw misuse(`--${flag} "${text}" is not a whole number`);
  return count;
}

/** `key=value`, or a key alone with an empty value. */
export function parsePair(text: string, flag: string): readonly [string, string] {
  const at = text.indexOf("=");
  const key = at < 0 ? text : text.slice(0, at);
  if (key === "") throw misuse(`--${flag} "${text}" is not key=value`);
  return [key, at < 0 ? "" : text.slice(at + 1)];
}

/** The one of these values, or a CommandFailure that lists them. */
export function parseChoice<C extends string>(text: string, flag: string, choices: readonly C[]): C {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw misuse(`--${flag} "${text}" is not one of ${choices.join(", ")}`);
  return choice;
}

/** `a=b,c=d` of flags with fields; a field without a value is "". */
export function parseFields(text: string, flag: string): ReadonlyMap<string, string> {
  return new Map(text.split(",").map((field) => parsePair(field.trim(), flag)));
}
