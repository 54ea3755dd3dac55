import type { LogLine } from "../container-runtime.js";

/** Where lines of one container are sent, one at a time. */
export interface LogSink {
  /** Resolves when the system has taken the line: from then on it is the receiver's. Rejects with why not; the sink is to be closed then. */
  send(line: LogLine): Promise<void>;
  /** A line that is being sent is rejected. */
  close(): void;
}
