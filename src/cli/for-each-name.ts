import { CommandFailure } from "./failure.js";
import { note } from "./output.js";

/** Does it for each name, going on past the ones that fail; fails at the end with the first one's exit code when any did. */
export async function forEachName(names: readonly string[], run: (name: string) => Promise<void>): Promise<void> {
  const failures: CommandFailure[] = [];
  for (const name of names) {
    try {
      await run(name);
    } catch (cause) {
      if (!(cause instanceof CommandFailure)) throw cause;
      failures.push(cause);
      if (names.length > 1) note(`${name}: ${cause.message}`);
    }
  }
  const first = failures[0];
  if (first === undefined) return;
  throw names.length === 1 ? first : new CommandFailure(first.exitCode, `${failures.length} of ${names.length} failed`, { cause: first });
}
