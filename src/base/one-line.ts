const CHARACTERS_MAX = 500;

/** What somebody else says goes into a message of ours only as far as it is one: not whole pages, and nothing that a terminal would carry out. */
export function inOneLine(text: string): string {
  // Twice as much, since blanks become one.
  const line = text
    .slice(0, 2 * CHARACTERS_MAX)
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim();
  return line.length > CHARACTERS_MAX ? `${line.slice(0, CHARACTERS_MAX)}…` : line;
}
