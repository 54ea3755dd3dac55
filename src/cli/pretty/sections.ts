/** A title with its value, and what belongs to it below. Undefined and "" are left out. */
type Pair = readonly [title: string, value: string | number | boolean | undefined, below?: readonly PrettyLine[]];

/** A line of a person's view of an object: a title with its value, a section, or text as it is. */
export type PrettyLine = Pair | Section | string;

export interface Section {
  readonly title: string;
  readonly lines: readonly PrettyLine[];
}

const VALUE_AT = 16;

/** Indented by a space for each level, the values of one section below each other. A section without lines is left out. */
export function prettyText(lines: readonly PrettyLine[], depth = 0): string {
  const indent = " ".repeat(depth);
  const width = Math.max(VALUE_AT - depth, ...lines.map((line) => (isPair(line) && hasValue(line) ? line[0].length + 2 : 0)));
  return lines
    .map((line) => {
      if (typeof line === "string") return `${indent}${line}\n`;
      if (isPair(line)) return hasValue(line) ? `${indent}${`${line[0]}:`.padEnd(width)}${line[1]}\n${prettyText(line[2] ?? [], depth + 1)}` : "";
      const inner = prettyText(line.lines, depth + 1);
      return inner === "" ? "" : `${indent}${line.title}:\n${inner}`;
    })
    .join("");
}

export const section = (title: string, lines: readonly PrettyLine[]): Section => ({ title, lines });

/** A section of `key=value` lines. */
export function pairsSection(title: string, pairs: Readonly<Record<string, string>> | null | undefined): Section {
  return section(
    title,
    Object.entries(pairs ?? {}).map(([key, value]) => (value === "" ? key : `${key}=${value}`)),
  );
}

function isPair(line: PrettyLine): line is Pair {
  return Array.isArray(line);
}

function hasValue([, value]: Pair): boolean {
  return value !== undefined && value !== "";
}
