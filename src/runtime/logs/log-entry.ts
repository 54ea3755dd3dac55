import type { LogLine } from "../container-runtime.js";

/** One line of a json-file log; null when it is damaged, as a full disk can leave it. */
export function parseLogEntry(text: string): LogLine | null {
  const entry = parseJson(text);
  if (typeof entry !== "object" || entry === null || !("log" in entry && "stream" in entry && "time" in entry)) return null;
  const { log, stream, time } = entry;
  if (typeof log !== "string" || typeof time !== "string" || (stream !== "stdout" && stream !== "stderr")) return null;
  const timestampNs = parseTimestamp(time);
  return timestampNs === null ? null : { stream, timestampNs, data: Buffer.from(log, "utf8"), attributes: {} };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller treats a damaged line as no line.
    return null;
  }
}

/** RFC 3339 in UTC with up to nine digits of a second, as nanoseconds since the epoch. */
function parseTimestamp(text: string): bigint | null {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  const seconds = match === null ? Number.NaN : Date.parse(`${match[1]}Z`);
  if (match === null || Number.isNaN(seconds)) return null;
  return BigInt(seconds) * 1_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}
