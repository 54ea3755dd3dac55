import { CommandFailure, EXIT } from "./failure.js";
import { note, printObjects } from "./output.js";

/**
 * Shows what is found of these names, also when something else is not, and fails then with the first of the refusals: scripts rely on `[]` for nothing. `show` prints what was found.
 */
export async function inspectEach<T>(
  names: readonly string[],
  fetch: (name: string) => Promise<T>,
  options: { readonly format?: string; readonly show?: (found: readonly T[]) => unknown },
): Promise<void> {
  const found: T[] = [];
  const failures: CommandFailure[] = [];
  for (const name of names) {
    try {
      found.push(await fetch(name));
    } catch (cause) {
      if (!(cause instanceof CommandFailure) || cause.exitCode !== EXIT.refused) throw cause;
      failures.push(cause);
    }
  }
  if (options.show === undefined) printObjects(found, options);
  else await options.show(found);
  for (const failure of failures.slice(1)) note(`swarm: ${failure.message}`);
  if (failures[0] !== undefined) throw failures[0];
}
