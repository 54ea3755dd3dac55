/** Unit, its length in seconds, and the number of them from which the next unit is used. */
const UNITS: readonly (readonly [name: string, seconds: number, below: number])[] = [
  ["second", 1, 60],
  ["minute", 60, 60],
  ["hour", 3600, 48],
  ["day", 86_400, 14],
  ["week", 604_800, 9],
  ["month", 2_592_000, 24],
  ["year", 31_536_000, Number.POSITIVE_INFINITY],
];

/** A duration in one unit, in docker's words: "Less than a second", "About a minute", "3 hours". */
export function durationText(durationMs: number): string {
  const seconds = Math.max(Math.floor(durationMs / 1000), 0);
  const unit = UNITS.find(([, size, below]) => Math.floor(seconds / size) < below);
  if (seconds === 0 || unit === undefined) return "Less than a second";
  const [name, size] = unit;
  const count = Math.floor(seconds / size);
  if (count !== 1) return `${count} ${name}s`;
  return name === "second" ? "1 second" : `About ${name === "hour" ? "an" : "a"} ${name}`;
}
