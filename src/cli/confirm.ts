import { createInterface } from "node:readline";
import { CommandFailure, EXIT } from "./failure.js";
import { note } from "./output.js";

/** Asks before something is lost; what is not y or yes is no. Throws a CommandFailure on no. */
export async function confirm(warning: string, isForced: boolean, signal: AbortSignal): Promise<void> {
  if (isForced) return;
  note(`WARNING! ${warning}`);
  process.stderr.write("Are you sure you want to continue? [y/N] ");
  const lines = createInterface({ input: process.stdin });
  const answer = await new Promise<string>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    lines.once("line", resolve);
    lines.once("close", () => resolve(""));
  }).finally(() => lines.close());
  if (!/^\s*y(es)?\s*$/i.test(answer)) throw new CommandFailure(EXIT.refused, "nothing was removed");
}
