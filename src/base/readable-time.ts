/** From the year 1 to the year 9999: RFC 3339 has four digits for it, and clients can read no other. */
const TIME_MS_MIN = -62_135_596_800_000;
const TIME_MS_MAX = 253_402_300_799_999;

/** False for a time that no client could read, and for none at all (NaN). */
export function isReadableTime(timeMs: number): boolean {
  return timeMs >= TIME_MS_MIN && timeMs <= TIME_MS_MAX;
}
