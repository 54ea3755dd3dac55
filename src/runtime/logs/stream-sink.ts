import type { Socket } from "node:net";
import { ClusterError, messageOf } from "../../base/errors.js";
import type { LogLine } from "../container-runtime.js";
import type { LogSink } from "./log-sink.js";

const GOODBYE_MS = 1_000;

/** Sends lines over a connection that is made with the first of them. */
export class StreamSink implements LogSink {
  readonly #connect: () => Promise<Socket>;
  readonly #encode: (line: LogLine) => Buffer;
  #socket: Promise<Socket> | null = null;
  #isClosed = false;
  /** Rejects the line that is being sent. */
  #reject: ((cause: Error) => void) | null = null;

  constructor(connect: () => Promise<Socket>, encode: (line: LogLine) => Buffer) {
    this.#connect = connect;
    this.#encode = encode;
  }

  async send(line: LogLine): Promise<void> {
    const socket = await this.#connected();
    await new Promise<void>((resolve, reject) => {
      this.#reject = reject;
      if (socket.destroyed || this.#isClosed) reject(new ClusterError("unavailable", "the connection was closed"));
      else socket.write(this.#encode(line), (cause) => (cause ? reject(cause) : resolve()));
    }).finally(() => {
      this.#reject = null;
    });
  }

  close(): void {
    this.#isClosed = true;
    const isSending = this.#reject !== null;
    this.#fail(new ClusterError("unavailable", "the connection was closed"));
    // Whoever waits for it hears of it.
    this.#socket?.then((socket) => (isSending ? socket.destroy() : takeLeave(socket))).catch(() => undefined);
  }

  #connected(): Promise<Socket> {
    this.#socket ??= this.#connect().then((socket) => {
      // A receiver that has ended its side reads no more.
      socket.on("end", () => socket.destroy());
      socket.on("error", (cause) => this.#fail(new ClusterError("unavailable", messageOf(cause), { cause })));
      socket.on("close", () => this.#fail(new ClusterError("unavailable", "the receiver closed the connection")));
      socket.resume();
      if (this.#isClosed) socket.destroy();
      return socket;
    });
    return this.#socket;
  }

  #fail(cause: Error): void {
    this.#reject?.(cause);
  }
}

/** Says goodbye, which TLS asks for (RFC 8446, section 6.1), to a receiver that takes it in time. */
function takeLeave(socket: Socket): void {
  socket.setTimeout(GOODBYE_MS, () => socket.destroy());
  socket.destroySoon();
}
