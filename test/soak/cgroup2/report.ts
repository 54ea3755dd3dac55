/** What comes out of the machine, one line of JSON each. */
export type Report =
  | {
      readonly type: "test";
      readonly name: string;
      readonly state: "passed" | "failed" | "skipped" | "pending";
      readonly ms: number;
      readonly errors: readonly string[];
    }
  /** Of a file as a whole, or of none. */
  | { readonly type: "error"; readonly name: string; readonly errors: readonly string[] }
  /** Vitest's exit status; 124 when its time was up. */
  | { readonly type: "end"; readonly status: number };

/** Null for what is no report: a line that was cut short. */
export function parseReport(line: string): Report | null {
  try {
    return JSON.parse(line) as Report;
  } catch {
    // Not JSON, so not one of ours.
    return null;
  }
}
