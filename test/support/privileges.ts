import { describe } from "vitest";

/**
 * `describe` for tests of the real kernel, which need root and namespaces. In CI they run, and fail, without them; elsewhere they are skipped and
 * say why.
 */
export function describeAsRoot(name: string, body: () => void): void {
  if (process.getuid?.() === 0 || process.env.CI !== undefined) describe(name, body);
  else describe.skip(`${name} (skipped: needs root)`, body);
}
