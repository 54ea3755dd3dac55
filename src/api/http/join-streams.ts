import type { Duplex } from "node:stream";
import { onEnd } from "../../base/stream-end.js";
import { pipeProgram } from "../../runtime/shim/shim-stream.js";
import { DetachFilter } from "./detach-keys.js";

export interface JoinOptions {
  /** What the client sends goes to the program. */
  readonly hasInput: boolean;
  /** Bytes that let the client go; null looks for none. */
  readonly detachKeys: readonly number[] | null;
  readonly onDetach: () => void;
}

/**
 * Connects a client's connection with a program's streams until one of them ends. The end of the client's side ends the program's input; the end of the program's
 * ends the connection. Each side waits for the other: nothing is held in between.
 */
export function joinStreams(client: Duplex, program: Duplex, options: JoinOptions): Promise<void> {
  return new Promise((resolve) => {
    const close = () => {
      program.destroy();
      client.end();
      resolve();
    };
    program.once("close", close).once("error", close);
    client.once("close", close).once("error", close);
    // Who went while the program was being started tells it no more, nor does a program whose connection broke before anybody listened.
    if (client.destroyed || program.destroyed) return close();
    onEnd(program, () => program.end());
    pipeProgram(program, client);
    if (options.hasInput) passInput(client, program, options);
    else client.resume();
  });
}

function passInput(client: Duplex, program: Duplex, { detachKeys, onDetach }: JoinOptions): void {
  const filter = detachKeys === null ? null : new DetachFilter(detachKeys);
  client.on("data", (chunk: Buffer) => {
    const { data, isDetached } = filter?.take(chunk) ?? { data: chunk, isDetached: false };
    if (data.length > 0 && program.writable && !program.write(data)) {
      client.pause();
      program.once("drain", () => client.resume());
    }
    if (!isDetached) return;
    onDetach();
    program.destroy();
  });
  onEnd(client, () => program.end());
  client.resume();
}
