/** Whether progress can be drawn in place: stderr is a terminal, and one that knows how to. */
export function canRedraw(): boolean {
  return process.stderr.isTTY === true && process.env.TERM !== "dumb";
}

/** So much of a line that the terminal does not break it in two: the second half could not be drawn again. */
export function fitted(line: string): string {
  const width = (process.stderr.columns || 80) - 1;
  const letters = [...line];
  return letters.length <= width ? line : `${letters.slice(0, Math.max(width - 1, 0)).join("")}…`;
}
