/** Broken invariant: a defect of the program, never of its input. Nothing catches it except the process's last handler. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Crashes with the claim as text when it does not hold. Kept on in production. */
export function assert(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new AssertionError(`invariant broken: ${claim}`);
}

/** For values that the program's logic says are there. */
export function defined<T>(value: T | undefined | null, claim: string): T {
  assert(value !== undefined && value !== null, claim);
  return value;
}

/** The `default` of a switch over a closed union: a new member is a compile error here. */
export function unreachable(value: never): never {
  throw new AssertionError(`invariant broken: ${JSON.stringify(value)} is not one of the known cases`);
}
