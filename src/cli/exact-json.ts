import { parse } from "lossless-json";

/** Integers beyond 2^53 as bigint: times in nanoseconds are such. */
export function parseExact(text: string): unknown {
  return parse(text, undefined, { parseNumber: numberOf });
}

function numberOf(text: string): number | bigint {
  const number = Number(text);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(number) ? BigInt(text) : number;
}
