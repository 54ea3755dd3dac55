/** A shell script that prints `line-0`, `line-1` and so on. */
export function printing(lines: number): string {
  return `i=0; while [ $i -lt ${lines} ]; do echo line-$i; i=$((i+1)); done`;
}

/** What it prints, from one number to before another, each with `end` behind it. */
export function numbered(from: number, to: number, end = ""): string[] {
  return Array.from({ length: to - from }, (_, index) => `line-${from + index}${end}`);
}
