import type { Socket } from "node:net";

/** Open sockets by name, in the order in which they came. When one more comes than there may be, the oldest is destroyed. */
export class SocketsInOrder {
  readonly #max: number;
  readonly #sockets = new Map<string, Socket>();

  constructor(max: number) {
    this.#max = max;
  }

  add(name: string, socket: Socket): void {
    this.#sockets.delete(name);
    this.#sockets.set(name, socket);
    if (this.#sockets.size <= this.#max) return;
    for (const [oldest, other] of this.#sockets) {
      this.#sockets.delete(oldest);
      other.destroy();
      return;
    }
  }

  delete(name: string): void {
    this.#sockets.delete(name);
  }

  get isEmpty(): boolean {
    return this.#sockets.size === 0;
  }
}
