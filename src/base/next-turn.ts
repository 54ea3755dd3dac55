/** Resolves in the next turn of the event loop: all that this turn brings is seen first. No time passes by it, and an idle process waits for nothing. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
