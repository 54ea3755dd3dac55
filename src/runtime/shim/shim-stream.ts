import { connect, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Deferred, deferred } from "../../base/deferred.js";
import { ClusterError, messageOf } from "../../base/errors.js";
import { onEnd } from "../../base/stream-end.js";
import type { Attachment, StreamChoice } from "../container-runtime.js";

const ATTACHED = "attached\n";
/** What is read at once from a program. */
const PART_BYTES = 131_072;

/** Takes a part that is valid during the call. False stops the stream until its `resume`. */
type PartTaker = (part: Buffer) => boolean;

/** Of each shim's socket, who takes what it reads. */
const takers = new WeakMap<Duplex, PartTaker>();

/**
 * A socket that reads into one buffer for ever: an allocation for each part would keep the collector busy, which costs more than moving the bytes, and the whole daemon
 * waits for it.
 */
function connectShim(path: string): Socket {
  const callback = (size: number, buffer: Uint8Array): boolean => takers.get(socket)?.(Buffer.from(buffer.buffer, buffer.byteOffset, size)) ?? false;
  const socket: Socket = connect({ path, allowHalfOpen: true, onread: { buffer: Buffer.allocUnsafeSlow(PART_BYTES), callback } });
  takers.set(socket, (part) => socket.push(Buffer.from(part)));
  return socket;
}

/**
 * As `program.pipe(client)`, but faster from a stream that attachToShim gave to a socket, whose kernel has what the socket does not count as its own any more. Nothing is
 * held in between: what the client does not take waits in the shim.
 */
export function pipeProgram(program: Duplex, client: Duplex): void {
  if (!takers.has(program) || !(client instanceof Socket)) {
    program.pipe(client);
    return;
  }
  takers.set(program, (part) => {
    client.write(part, () => program.resume());
    // Otherwise the client's connection still needs the buffer.
    return client.writableLength === 0;
  });
  // What came together with the shim's answer.
  program.on("data", (part: Buffer) => client.write(part));
  onEnd(program, () => client.end());
  program.resume();
}

/**
 * Attaches to the program of the shim at `path`. What it writes waits until somebody reads: a reader that does not is let go after a while (native/shim/attachments.h).
 * Throws `failed_precondition` when no shim is there.
 */
export function attachToShim(path: string, streams: StreamChoice): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connectShim(path);
    let head = Buffer.alloc(0);
    const fail = (cause?: unknown) => {
      socket.destroy();
      reject(new ClusterError("failed_precondition", `the container has ended${cause === undefined ? "" : `: ${messageOf(cause)}`}`, { cause }));
    };
    const onData = (data: Buffer) => {
      head = Buffer.concat([head, data]);
      // Lines about the container's state come before.
      const at = head.indexOf(ATTACHED);
      if (at < 0) return;
      socket.off("data", onData).off("error", fail).off("end", fail);
      socket.pause();
      if (at + ATTACHED.length < head.length) socket.unshift(head.subarray(at + ATTACHED.length));
      resolve(guarded(socket));
    };
    socket.on("data", onData).once("error", fail).once("end", fail);
    socket.once("connect", () => socket.write(`attach ${streams.stdin ? "i" : ""}${streams.stdout ? "o" : ""}${streams.stderr ? "e" : ""}\n`));
  });
}

/** Whoever reads it sees its end or error; one who has left must not bring down the daemon. */
function guarded(socket: Socket): Duplex {
  socket.on("error", () => undefined);
  return socket;
}

/** Attachments to a container that does not run yet: they begin with its next start. */
export class PendingAttachments {
  readonly #waiting = new Set<{ readonly streams: StreamChoice; readonly stream: Deferred<Duplex> }>();

  add(streams: StreamChoice): Attachment {
    const entry = { streams, stream: deferred<Duplex>() };
    entry.stream.promise.catch(() => undefined);
    this.#waiting.add(entry);
    return { stream: entry.stream.promise, cancel: () => this.#waiting.delete(entry) };
  }

  /** Takes everyone who waits: their number for the launch, and how to connect them once the shim listens. */
  take(): { readonly count: number; connect(path: string): Promise<void>; reject(cause: unknown): void } {
    const entries = [...this.#waiting];
    this.#waiting.clear();
    return {
      count: entries.length,
      async connect(path) {
        await Promise.all(entries.map(({ streams, stream }) => attachToShim(path, streams).then(stream.resolve, stream.reject)));
      },
      reject(cause) {
        for (const { stream } of entries) stream.reject(cause);
      },
    };
  }
}
