import { misuse } from "./failure.js";
import { parseDuration } from "./quantities.js";

/** A time as docker's flags have it, RFC 3339, a date, seconds since the epoch, or how long ago (`42m`), as seconds since the epoch. Throws a CommandFailure that names the flag. */
export function parseTime(text: string, flag: string, nowMs = Date.now()): string {
  if (/^\d+(\.\d{1,9})?$/.test(text)) return text;
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const [, date = "", fraction = ""] = /^(.*?)(?:\.(\d{1,9}))?(?:Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
    // Without a zone it is this process's; Date takes milliseconds, and these times have more.
    const zone = /(Z|[+-]\d\d:\d\d)$/.exec(text.slice(10))?.[0] ?? "";
    const ms = Date.parse(`${date.includes("T") ? date : `${date}T00:00:00`}${zone}`);
    if (!Number.isNaN(ms)) return `${Math.floor(ms / 1000)}${fraction === "" ? "" : `.${fraction}`}`;
  } else if (/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) {
    return (nowMs / 1000 - Number(parseDuration(text, flag)) / 1e9).toFixed(6);
  }
  throw misuse(`--${flag} "${text}" is none of RFC 3339, seconds since the epoch, and a duration such as 42m`);
}
