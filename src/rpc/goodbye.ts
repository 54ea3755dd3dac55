import type { Socket } from "node:net";
import type { Clock } from "../base/clock.js";

/** Time in which a goodbye gets through, if it can. */
const GOODBYE_MS = 2_000;

/**
 * Ends our side of a connection, with a last word. What still comes is read and thrown away, since a connection that is closed over it would be reset, and the last word be lost
 * with it; a connection that the other end does not close in time is destroyed.
 */
export function sayGoodbye(socket: Socket, clock: Clock, lastWord?: Buffer): void {
  if (lastWord === undefined) socket.end();
  else socket.end(lastWord);
  socket.once(
    "close",
    clock.after(GOODBYE_MS, () => socket.destroy()),
  );
}
