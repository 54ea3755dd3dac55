import type { Readable } from "node:stream";

/**
 * Calls when nothing more comes from the stream: at once when it has ended already. A socket that is paused tells its end when it comes, provided that nothing is left to be read,
 * and whoever begins to listen after that would wait for ever.
 */
export function onEnd(stream: Readable, call: () => void): void {
  if (stream.readableEnded) call();
  else stream.once("end", call);
}
