const UNCHANGED_TURNS = 20;

/**
 * Resolves with a producer's count once it stood still for 20 turns, each a whole conversation over the network in this process: a producer that were not
 * held up would have gone on meanwhile.
 */
export async function heldUp(count: () => number, turn: () => Promise<unknown>): Promise<number> {
  for (let unchanged = 0, before = count(); unchanged < UNCHANGED_TURNS; ) {
    await turn();
    unchanged = count() === before && before > 0 ? unchanged + 1 : 0;
    before = count();
  }
  return count();
}
