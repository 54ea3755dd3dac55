/** What a record is and where it belongs: bound into its encryption, so that no record can stand in for another. */
export interface RecordPlace {
  readonly kind: "entry" | "state" | "tail" | "snapshot";
  /** Of an entry or a snapshot; the sequence number of a record of the tail file; 0 of a state. */
  readonly index: number;
  /** Of an entry or a snapshot; 0 otherwise. Null when the reader learns it only from the content. */
  readonly term: number | null;
  /** Number of the frame within a snapshot; 0 otherwise. */
  readonly part: number;
}

/** Where the state of a log belongs. */
export const STATE_PLACE: RecordPlace = { kind: "state", index: 0, term: 0, part: 0 };

/** Where a record of the tail file belongs. */
export function tailPlace(sequence: number): RecordPlace {
  return { kind: "tail", index: sequence, term: 0, part: 0 };
}

/**
 * The one door between plain bytes and the disk: each log entry, log state and frame of a snapshot goes through it, so that nothing else
 * of this folder sees what is stored.
 */
export interface RecordCodec {
  /** A sealed record is longer than the plain one by this much. */
  readonly overheadBytes: number;
  /** `place.term` is known here. */
  seal(place: RecordPlace, plain: Uint8Array): Uint8Array;
  /**
   * Throws ClusterError `invalid_argument` when the bytes are not what `seal` made for this place, `unauthenticated` when they were sealed with
   * another key.
   */
  open(place: RecordPlace, sealed: Uint8Array): Uint8Array;
  /** The same, with a subkey of its own for what it seals: for each snapshot. */
  renewed(): RecordCodec;
  /** False for a record that another key than today's sealed: see Resealing. */
  isCurrent(sealed: Uint8Array): boolean;
}

/** Records as they travel between members: each seals with a key of its own, and the connection is encrypted. */
export const plainRecords: RecordCodec = {
  overheadBytes: 0,
  seal: (_place, plain) => plain,
  open: (_place, sealed) => sealed,
  renewed: () => plainRecords,
  isCurrent: () => true,
};
