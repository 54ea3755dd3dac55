import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import { type Random, integerBetween } from "../base/random.js";
import type { HostPort } from "../model/host-port.js";
import type { PortProtocol } from "../model/objects.js";

/** Ports that are chosen when the service names none: the kernel's own ephemeral range. */
const EPHEMERAL_MIN = 32_768;
const EPHEMERAL_MAX = 60_999;
const CHOICES_MAX = 1_000;

/** Each address of the host. */
const EVERY_ADDRESS = "0.0.0.0";

/** Resolves with false when a program of this host listens on the port there. */
export type IsPortFree = (protocol: PortProtocol, port: number, address: string) => Promise<boolean>;

/** What a container has, or asks for. */
interface Place {
  readonly protocol: PortProtocol;
  readonly port: number;
  readonly address: string;
}

/** Which container has which port of the host. */
export class HostPorts {
  /** Container by address, by port: what has each address leaves none to others. */
  readonly #owners = new Map<string, Map<string, string>>();
  readonly #isFree: IsPortFree;
  readonly #random: Random;

  constructor(options: { readonly isFree: IsPortFree; readonly random: Random }) {
    this.#isFree = options.isFree;
    this.#random = options.random;
  }

  /** Notes ports that are published already. */
  restore(containerId: string, ports: readonly HostPort[]): void {
    for (const port of ports) this.#own(containerId, placeOf(port));
  }

  /** All of the ports, or none: with the numbers that were chosen. Throws ClusterError `already_exists` that names the one that is taken. */
  async claim(containerId: string, wanted: readonly HostPort[]): Promise<readonly HostPort[]> {
    const claimed: HostPort[] = [];
    try {
      for (const port of wanted) {
        const { lastPort, ...given } = port;
        claimed.push({ ...given, publishedPort: await this.#find(containerId, port) });
      }
      return claimed;
    } catch (cause) {
      this.release(containerId, claimed);
      throw cause;
    }
  }

  release(containerId: string, ports: readonly HostPort[]): void {
    for (const port of ports) {
      const place = placeOf(port);
      if (this.#owners.get(keyOf(place))?.get(place.address) === containerId) this.#disown(place);
    }
  }

  #find(containerId: string, port: HostPort): Promise<number> {
    if (port.publishedPort === 0) return this.#choose(containerId, placeOf(port));
    return port.lastPort === undefined ? this.#take(containerId, placeOf(port)) : this.#takeFrom(containerId, placeOf(port), port.lastPort);
  }

  async #take(containerId: string, place: Place): Promise<number> {
    if (this.#isOwned(place)) throw taken(place, "a container");
    if (await this.#tryToOwn(containerId, place)) return place.port;
    throw taken(place, "a program");
  }

  /** The first of them that is free. */
  async #takeFrom(containerId: string, first: Place, lastPort: number): Promise<number> {
    for (let port = first.port; port <= lastPort; port++) {
      const place = { ...first, port };
      if (!this.#isOwned(place) && (await this.#tryToOwn(containerId, place))) return port;
    }
    throw new ClusterError("already_exists", `all ${first.protocol} ports from ${first.port} to ${lastPort} are already in use on this host`);
  }

  async #choose(containerId: string, wanted: Place): Promise<number> {
    for (let choice = 0; choice < CHOICES_MAX; choice++) {
      const place = { ...wanted, port: integerBetween(this.#random, EPHEMERAL_MIN, EPHEMERAL_MAX) };
      if (!this.#isOwned(place) && (await this.#tryToOwn(containerId, place))) return place.port;
    }
    throw new ClusterError("unavailable", `no free ${wanted.protocol} port found between ${EPHEMERAL_MIN} and ${EPHEMERAL_MAX}`);
  }

  /** Claimed before the check, so that nobody else claims it meanwhile. */
  async #tryToOwn(containerId: string, place: Place): Promise<boolean> {
    this.#own(containerId, place);
    let isFree = false;
    try {
      isFree = await this.#isFree(place.protocol, place.port, place.address);
    } finally {
      if (!isFree) this.#disown(place);
    }
    return isFree;
  }

  #isOwned(place: Place): boolean {
    const owners = this.#owners.get(keyOf(place));
    if (owners === undefined) return false;
    return place.address === EVERY_ADDRESS || owners.has(place.address) || owners.has(EVERY_ADDRESS);
  }

  #own(containerId: string, place: Place): void {
    const key = keyOf(place);
    this.#owners.set(key, (this.#owners.get(key) ?? new Map<string, string>()).set(place.address, containerId));
  }

  #disown(place: Place): void {
    const owners = this.#owners.get(keyOf(place));
    owners?.delete(place.address);
    if (owners?.size === 0) this.#owners.delete(keyOf(place));
  }
}

/**
 * Binds the port for a moment, there or on all addresses: what else listens on it, then on whichever address, shows as a failure. Throws ClusterError `invalid_argument`
 * for an address that the host does not have.
 */
export async function isPortFree(protocol: PortProtocol, port: number, address: string): Promise<boolean> {
  // Node.js has no SCTP sockets; of those only our own are known.
  if (protocol === "sctp") return true;
  try {
    await (protocol === "tcp" ? bindTcp(port, address) : bindUdp(port, address));
    return true;
  } catch (cause) {
    if (systemCodeOf(cause) === "EADDRINUSE") return false;
    if (systemCodeOf(cause) === "EADDRNOTAVAIL")
      throw new ClusterError("invalid_argument", `port ${port}/${protocol} cannot be published on ${address}: this host does not have that address`, { cause });
    throw cause;
  }
}

function bindTcp(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve()));
  });
}

function bindUdp(port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.bind({ port, address, exclusive: true }, () => socket.close(() => resolve()));
  });
}

function placeOf({ protocol, publishedPort, address = EVERY_ADDRESS }: HostPort): Place {
  return { protocol, port: publishedPort, address };
}

function keyOf({ protocol, port }: Place): string {
  return `${port}/${protocol}`;
}

function taken(place: Place, by: string): ClusterError {
  const where = place.address === EVERY_ADDRESS ? "on this host" : `on ${place.address} of this host`;
  return new ClusterError("already_exists", `port ${keyOf(place)} is already in use ${where} by ${by}`);
}
