import { Duplex } from "node:stream";
import { CLOSE_CODE, encodeClose, encodeFrame, FrameReader, OPCODE, type ReceivedPart } from "./frames.js";

/** How long a client may take to answer that the connection is closed. */
const CLOSING_MS = 5_000;

export interface WebSocketStreamOptions {
  /** What is written goes out as text, for clients that know nothing else. */
  readonly isText: boolean;
  /** Changes what is written; undefined leaves it as it is. */
  readonly decode?: ((chunk: Buffer) => readonly Buffer[]) | undefined;
}

/** The bytes that go over a websocket, both ways, of a connection whose handshake is done. Each write is a message; how the client cuts its own means nothing. */
export class WebSocketStream extends Duplex {
  readonly #socket: Duplex;
  readonly #reader = new FrameReader();
  readonly #options: WebSocketStreamOptions;

  constructor(socket: Duplex, options: WebSocketStreamOptions) {
    super();
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.once("close", () => this.destroy()).once("end", () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (cause?: Error | null) => void): void {
    const opcode = this.#options.isText ? OPCODE.text : OPCODE.binary;
    const parts = this.#options.decode?.(chunk) ?? [chunk];
    const frames = Buffer.concat(parts.filter((part) => part.length > 0).map((part) => encodeFrame(opcode, part)));
    if (this.#socket.write(frames)) done();
    else this.#socket.once("drain", done);
  }

  override _final(done: () => void): void {
    this.#close(CLOSE_CODE.normal);
    done();
  }

  override _destroy(cause: Error | null, done: (cause: Error | null) => void): void {
    this.#socket.destroy();
    done(cause);
  }

  #receive(chunk: Buffer): void {
    let parts: readonly ReceivedPart[];
    try {
      parts = this.#reader.take(chunk);
    } catch {
      // A client that breaks the rules is told so by the code; there is nothing else to do about it.
      this.#leave(CLOSE_CODE.protocolError);
      return;
    }
    for (const { type, bytes } of parts) {
      if (type === "ping") this.#socket.write(encodeFrame(OPCODE.pong, bytes));
      if (type === "close") this.#leave(CLOSE_CODE.normal);
      if (type === "data" && !this.push(bytes)) this.#socket.pause();
    }
  }

  /** The client is gone, or has to go. */
  #leave(code: number): void {
    if (!this.writableEnded) this.#socket.end(encodeClose(code));
    this.#socket.once("finish", () => this.destroy());
    if (this.#socket.writableFinished) this.destroy();
  }

  /** The client answers, and then ends the connection. */
  #close(code: number): void {
    this.#socket.end(encodeClose(code));
    if ("setTimeout" in this.#socket && typeof this.#socket.setTimeout === "function") this.#socket.setTimeout(CLOSING_MS, () => this.destroy());
    this.#socket.resume();
  }
}
