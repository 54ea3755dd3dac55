/** How many times slower than the machines that bounds are meant for this one may be: that of an emulated processor says so. */
const PATIENCE = Number(process.env.TEST_PATIENCE ?? 1);

/**
 * Polls until `probe` gives something other than undefined, null or false, and resolves with it. For conditions of other processes, which cannot call back.
 * A probe that rejects has not found it yet: a cluster between two leaders answers nothing. Rejects after `seconds` (of a machine that is not emulated) with what
 * was waited for, and with what the last probe rejected with as the cause.
 */
export async function until<T>(what: string, probe: () => T | Promise<T>, seconds = 30): Promise<Exclude<Awaited<T>, undefined | false | null>> {
  const deadline = performance.now() + seconds * 1000 * PATIENCE;
  for (;;) {
    let refusal: unknown;
    try {
      const value = await probe();
      if (value !== undefined && value !== false && value !== null) return value as Exclude<Awaited<T>, undefined | false | null>;
    } catch (cause) {
      refusal = cause;
    }
    if (performance.now() > deadline) throw gaveUp(what, seconds, refusal);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function gaveUp(what: string, seconds: number, cause: unknown): Error {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new Error(`gave up after ${seconds} s waiting until ${what}${why}`, { cause });
}
