import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import { type Random, integerBetween } from "../base/random.js";
import type { PortConfig, PortProtocol } from "../model/objects.js";

/** Ports that are chosen when the service names none: the kernel's own ephemeral range. */
const EPHEMERAL_MIN = 32_768;
const EPHEMERAL_MAX = 60_999;
const CHOICES_MAX = 1_000;

/** Resolves with false when a program of this host listens on the port. */
export type IsPortFree = (protocol: PortProtocol, port: number) => Promise<boolean>;

/** Which container has which port of the host. */
export class HostPorts {
  readonly #owners = new Map<string, string>();
  readonly #isFree: IsPortFree;
  readonly #random: Random;

  constructor(options: { readonly isFree: IsPortFree; readonly random: Random }) {
    this.#isFree = options.isFree;
    this.#random = options.random;
  }

  /** Notes ports that are published already. */
  restore(containerId: string, ports: readonly PortConfig[]): void {
    for (const port of ports) this.#owners.set(keyOf(port.protocol, port.publishedPort), containerId);
  }

  /** All of the ports, or none: with the numbers that were chosen. Throws ClusterError `already_exists` that names the one that is taken. */
  async claim(containerId: string, wanted: readonly PortConfig[]): Promise<readonly PortConfig[]> {
    const claimed: PortConfig[] = [];
    try {
      for (const port of wanted) {
        const publishedPort = port.publishedPort === 0 ? await this.#choose(containerId, port.protocol) : await this.#take(containerId, port);
        claimed.push({ ...port, publishedPort });
      }
      return claimed;
    } catch (cause) {
      this.release(containerId, claimed);
      throw cause;
    }
  }

  release(containerId: string, ports: readonly PortConfig[]): void {
    for (const { protocol, publishedPort } of ports) {
      const key = keyOf(protocol, publishedPort);
      if (this.#owners.get(key) === containerId) this.#owners.delete(key);
    }
  }

  async #take(containerId: string, { protocol, publishedPort }: PortConfig): Promise<number> {
    const key = keyOf(protocol, publishedPort);
    if (this.#owners.has(key)) throw taken(key, "a container");
    // Claimed before the check, so that nobody else claims it meanwhile.
    this.#owners.set(key, containerId);
    if (await this.#isFree(protocol, publishedPort)) return publishedPort;
    this.#owners.delete(key);
    throw taken(key, "a program");
  }

  async #choose(containerId: string, protocol: PortProtocol): Promise<number> {
    for (let choice = 0; choice < CHOICES_MAX; choice++) {
      const port = integerBetween(this.#random, EPHEMERAL_MIN, EPHEMERAL_MAX);
      const key = keyOf(protocol, port);
      if (this.#owners.has(key)) continue;
      this.#owners.set(key, containerId);
      if (await this.#isFree(protocol, port)) return port;
      this.#owners.delete(key);
    }
    throw new ClusterError("unavailable", `no free ${protocol} port found between ${EPHEMERAL_MIN} and ${EPHEMERAL_MAX}`);
  }
}

/** Binds the port for a moment on all addresses: what else listens on it, on whichever address, shows as a failure. */
export async function isPortFree(protocol: PortProtocol, port: number): Promise<boolean> {
  // Node.js has no SCTP sockets; of those only our own are known.
  if (protocol === "sctp") return true;
  try {
    await (protocol === "tcp" ? bindTcp(port) : bindUdp(port));
    return true;
  } catch (cause) {
    if (systemCodeOf(cause) === "EADDRINUSE") return false;
    throw cause;
  }
}

function bindTcp(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port, host: "0.0.0.0", exclusive: true }, () => server.close(() => resolve()));
  });
}

function bindUdp(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.bind({ port, exclusive: true }, () => socket.close(() => resolve()));
  });
}

function keyOf(protocol: PortProtocol, port: number): string {
  return `${port}/${protocol}`;
}

function taken(key: string, by: string): ClusterError {
  return new ClusterError("already_exists", `port ${key} is already in use on this host by ${by}`);
}
