/**
 * The empty list and the empty map of everybody who has none: an object of the cluster has a dozen, and they would be more than half of what it takes in
 * memory and of what the garbage collector has to look at. Frozen: whoever tried to fill one would throw.
 */
export const NO_ITEMS: never[] = [];
export const NO_ENTRIES: Record<string, never> = {};
Object.freeze(NO_ITEMS);
Object.freeze(NO_ENTRIES);
