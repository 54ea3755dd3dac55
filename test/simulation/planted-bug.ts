import type { Profile } from "./profile.js";

/** A change of one source file, named from the project's root; `find` must be there exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A defect, put into a copy of the sources. */
export interface PlantedBug {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Where the seed's own mixture of faults would show it too seldom. */
  readonly profile?: Partial<Profile>;
  /** Takes many seeds to show: for `npm run sim -- --planted` only, not for every run of the tests. */
  readonly isRare?: boolean;
}
