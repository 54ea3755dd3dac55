import { setImmediate } from "node:timers/promises";

/** Lets the event loop turn once, so that a long computation in slices does not hold up messages and timers. No time passes by it. */
export function nextTurn(): Promise<void> {
  return setImmediate();
}
