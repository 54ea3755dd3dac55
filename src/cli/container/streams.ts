import { once } from "node:events";
import type { Duplex, Writable } from "node:stream";
import { CommandFailure, EXIT } from "../failure.js";
import { framesOf, STREAM } from "../multiplexed.js";
import { DetachWatch } from "./detach-keys.js";
import { rawInput } from "./terminal.js";

export interface StreamOptions {
  readonly hasInput: boolean;
  readonly isTerminal: boolean;
  readonly detachKeys: readonly number[];
}

/**
 * Joins this process's standard streams with those of a program; what they end with is up to the other side. Resolves with true when the keys to detach were pressed: the
 * program goes on then.
 */
export async function joinStreams(socket: Duplex, { hasInput, isTerminal, detachKeys }: StreamOptions): Promise<boolean> {
  using _ = isTerminal && hasInput ? rawInput() : null;
  const watch = isTerminal && hasInput ? new DetachWatch(detachKeys) : null;
  const stopInput = hasInput ? sendInput(socket, watch) : () => undefined;
  if (!hasInput) socket.end();
  try {
    await (isTerminal ? copy(socket, process.stdout) : separate(socket));
  } catch (cause) {
    throw cause instanceof CommandFailure ? cause : new CommandFailure(EXIT.refused, "the connection to the daemon broke off", { cause });
  } finally {
    stopInput();
    socket.destroy();
  }
  return watch?.isDetached ?? false;
}

/** The end of this process's input is that of the program's; the output goes on. */
function sendInput(socket: Duplex, watch: DetachWatch | null): () => void {
  const { stdin } = process;
  const onData = (data: Buffer) => watch?.see(data);
  // Whom nobody reads any more loses nothing: the end of the output says what became of it.
  socket.on("error", () => stdin.unpipe(socket));
  stdin.on("data", onData).pipe(socket);
  return () => {
    stdin.off("data", onData).unpipe(socket);
    stdin.pause();
  };
}

async function separate(socket: Duplex): Promise<void> {
  for await (const { stream, payload } of framesOf(socket)) {
    if (stream === STREAM.systemError) throw new CommandFailure(EXIT.refused, payload.toString().trim());
    await write(stream === STREAM.stderr ? process.stderr : process.stdout, payload);
  }
}

async function copy(socket: Duplex, output: Writable): Promise<void> {
  for await (const chunk of socket as AsyncIterable<Buffer>) await write(output, chunk);
}

/** As fast as the reader takes it. */
async function write(output: Writable, chunk: Buffer): Promise<void> {
  if (!output.write(chunk)) await once(output, "drain");
}
