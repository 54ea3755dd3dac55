import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Deferred, deferred } from "../base/deferred.js";
import { ClusterError, messageOf } from "../base/errors.js";
import type { Attachment, StreamChoice } from "./container-runtime.js";

const ATTACHED = "attached\n";

/**
 * Attaches to the program of the shim at `path`. What it writes waits until somebody reads: a reader that does not is let go after a while (native/shim/attachments.h).
 * Throws `failed_precondition` when no shim is there.
 */
export function attachToShim(path: string, streams: StreamChoice): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
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
