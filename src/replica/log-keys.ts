/** Key of the LogState in `level`. */
export const STATE_KEY = "state";

/** Key of a log entry in `level`: in the order of the indexes. */
export function entryKey(index: number): string {
  return `entry/${String(index).padStart(16, "0")}`;
}
