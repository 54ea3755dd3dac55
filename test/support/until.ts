/** How many times slower than the machines that bounds are meant for this one may be: that of an emulated processor says so. */
const PATIENCE = Number(process.env.TEST_PATIENCE ?? 1);

/**
 * Polls until `probe` gives something other than undefined or false, and resolves with it. For conditions of other processes, which cannot call back.
 * Rejects after `seconds` (of a machine that is not emulated) with what was waited for.
 */
export async function until<T>(what: string, probe: () => T | Promise<T>, seconds = 30): Promise<Exclude<Awaited<T>, undefined | false | null>> {
  const deadline = Date.now() + seconds * 1000 * PATIENCE;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false && value !== null) return value as Exclude<Awaited<T>, undefined | false | null>;
    if (Date.now() > deadline) throw new Error(`gave up after ${seconds} s waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
