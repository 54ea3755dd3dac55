import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";

/** Told by Node.js of each connection that any server of this process accepts. */
const CHANNEL = "net.server.socket";

/**
 * The connections of a server that hides them. gRPC ends its sessions, and then waits for the peer to take what was sent last: for minutes, when the link to it
 * is cut.
 */
export class ServerSockets implements Disposable {
  readonly #open = new Set<Socket>();
  readonly #port: number;

  /** From now on those that are accepted on the port. */
  constructor(port: number) {
    this.#port = port;
    subscribe(CHANNEL, this.#onSocket);
  }

  /** Drops what is left, whatever was still to be sent. */
  destroy(): void {
    for (const socket of this.#open) socket.destroy();
  }

  [Symbol.dispose](): void {
    unsubscribe(CHANNEL, this.#onSocket);
  }

  readonly #onSocket = (message: unknown): void => {
    if (typeof message !== "object" || message === null || !("socket" in message)) return;
    const { socket } = message;
    if (!(socket instanceof Socket) || socket.localPort !== this.#port) return;
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
  };
}
