import type { Random } from "../base/random.js";
import type { LogStorage } from "./ready.js";

export interface RaftOptions {
  /** This member's raft id: in [1, 2^53), never used by another member before. */
  readonly id: number;
  /** `initialState().config` is the configuration in force at `applied`. */
  readonly storage: LogStorage;
  /** A follower that hears nothing campaigns after [electionTicks, 2 * electionTicks) ticks, drawn anew each time. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly random: Random;
  /** Entry data per append message; one entry is always sent, whatever its size. */
  readonly bytesPerMessageMax: number;
  /** Appends under way per follower before the leader waits for an answer. */
  readonly inflightMessagesMax: number;
  /** Entry data of these, at most, plus one message. */
  readonly inflightBytesMax: number;
  /** Index that the state machine has reached at start: that of its snapshot, or 0. */
  readonly applied: number;
}
