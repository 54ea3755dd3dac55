import { createServer, connect, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** A port on 127.0.0.1 in front of another: lets a test break connections as a crash or a cut link would. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  /** Where each socket's bytes go. */
  readonly #ways = new Map<Socket, Socket>();
  #targetPort: number;
  #isHeld = false;
  accepted = 0;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((near) => {
      this.accepted++;
      const far = connect(this.#targetPort, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#ways.set(from, to);
        from.on("error", () => undefined);
        from.on("close", () => {
          this.#ways.delete(from);
          to.destroy();
        });
        if (!this.#isHeld) from.pipe(to);
      }
    });
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Where new connections go from now on. */
  retarget(port: number): void {
    this.#targetPort = port;
  }

  /** From now on nothing gets through, in neither direction, and nobody is told: a link that was cut. */
  hold(): void {
    this.#isHeld = true;
    for (const socket of this.#ways.keys()) {
      socket.unpipe();
      socket.pause();
    }
  }

  /** The end of `hold`: all that was sent meanwhile gets through. */
  release(): void {
    this.#isHeld = false;
    for (const [from, to] of this.#ways) from.pipe(to);
  }

  /** Resets all connections that stand, as the kernel does for a process that was killed. */
  cut(): void {
    for (const socket of this.#ways.keys()) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#ways.keys()) socket.destroy();
    await closed;
  }
}
