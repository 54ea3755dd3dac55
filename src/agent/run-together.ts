import { AbortScope } from "../base/abort.js";

/**
 * Runs loops that live and die together: when one ends, in any way, the others are aborted. Settles when all have, with the failure of
 * the one that ended first; the failures that the abort caused in the others are expected and dropped.
 */
export async function runTogether(signal: AbortSignal, loops: readonly ((signal: AbortSignal) => Promise<void>)[]): Promise<void> {
  using scope = new AbortScope(signal);
  let first: { readonly cause: unknown } | null = null;
  const running = loops.map(async (loop) => {
    try {
      await loop(scope.signal);
    } catch (cause) {
      if (!scope.signal.aborted) first ??= { cause };
    } finally {
      scope.abort();
    }
  });
  await Promise.all(running);
  if (first !== null) throw (first as { readonly cause: unknown }).cause;
}
