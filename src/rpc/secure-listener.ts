import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf } from "../base/errors.js";
import { verifiedSubject } from "./caller.js";
import type { LiveIdentity } from "./live-identity.js";
import { SocketsInOrder } from "./sockets-in-order.js";

/** Who connects and then does not shake hands is let go. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Connections without a certificate that TLS verified, those that still shake hands among them. A member has proven itself long before so many others have come. */
const STRANGERS_MAX = 1_024;
/** A node has a few, and for some seconds those that a cut link left behind. */
const CONNECTIONS_OF_A_NODE_MAX = 64;

export interface SecureListenerOptions {
  /** Read live: a replaced certificate is used by the next handshake. */
  readonly identity: LiveIdentity;
  readonly clock: Clock;
  /** Who takes the connections of each protocol. */
  readonly accept: ReadonlyMap<string, (socket: TLSSocket) => void>;
}

/**
 * Several protocols on one port: both ends agree on one of them in the TLS handshake (ALPN, RFC 7301). Whoever has no certificate is let in too; what a
 * certificate is worth is for the protocols to find out. Whoever opens too many connections loses the oldest of them, and strangers can take none from nodes.
 */
export class SecureListener {
  readonly #server: Server;
  readonly #options: SecureListenerOptions;
  readonly #open = new Set<Socket>();
  /** By the ends of the connection, which the socket below TLS and the one above it have in common. */
  readonly #strangers = new SocketsInOrder(STRANGERS_MAX);
  readonly #nodes = new Map<string, SocketsInOrder>();
  readonly #handshakes = new Map<string, () => void>();
  readonly #forget: () => void;

  constructor(options: SecureListenerOptions) {
    this.#options = options;
    this.#server = createServer({
      ...this.#context(),
      ALPNProtocols: [...options.accept.keys()],
      requestCert: true,
      rejectUnauthorized: false,
      noDelay: true,
    });
    this.#forget = options.identity.onReplace(() => this.#server.setSecureContext(this.#context()));
    this.#server.on("connection", (socket: Socket) => this.#onConnection(socket));
    this.#server.on("secureConnection", (socket) => this.#onHandshake(socket));
  }

  /** Resolves with the port. Throws ClusterError `failed_precondition` when the address (host:port) cannot be had. */
  listen(address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => {
        reject(new ClusterError("failed_precondition", `cannot listen on ${address}: ${messageOf(cause).replace(/^listen /, "")}`, { cause }));
      });
      this.#server.listen(endpointOf(address), () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  /** Takes no more connections; resolves once those that stand have ended. */
  close(): Promise<void> {
    this.#forget();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /** Drops what is left, whatever was still to be sent: to a peer whose link is cut that would take minutes. */
  destroy(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #onConnection(socket: Socket): void {
    const ends = endsOf(socket);
    this.#open.add(socket);
    this.#strangers.add(ends, socket);
    // Node's own timeout of handshakes only says so, and leaves the connection open.
    this.#handshakes.set(
      ends,
      this.#options.clock.after(HANDSHAKE_TIMEOUT_MS, () => socket.destroy()),
    );
    socket.once("close", () => {
      this.#open.delete(socket);
      this.#strangers.delete(ends);
      this.#endHandshake(ends);
    });
  }

  #onHandshake(socket: TLSSocket): void {
    // Whoever takes it hears of its end by "close".
    socket.on("error", () => undefined);
    const ends = endsOf(socket);
    this.#endHandshake(ends);
    const subject = verifiedSubject(socket);
    if (subject !== null) this.#onNode(String(subject.CN), ends, socket);
    const take = typeof socket.alpnProtocol === "string" ? this.#options.accept.get(socket.alpnProtocol) : undefined;
    if (take === undefined) socket.destroy();
    else take(socket);
  }

  #onNode(name: string, ends: string, socket: TLSSocket): void {
    const sockets = this.#nodes.get(name) ?? new SocketsInOrder(CONNECTIONS_OF_A_NODE_MAX);
    this.#nodes.set(name, sockets);
    this.#strangers.delete(ends);
    sockets.add(ends, socket);
    socket.once("close", () => {
      sockets.delete(ends);
      if (sockets.isEmpty && this.#nodes.get(name) === sockets) this.#nodes.delete(name);
    });
  }

  #endHandshake(ends: string): void {
    this.#handshakes.get(ends)?.();
    this.#handshakes.delete(ends);
  }

  #context() {
    const { rootCertificate, certificate, key } = this.#options.identity.credentials;
    return { ca: rootCertificate, cert: certificate, key };
  }
}

/** Of an address of the form host:port, with IPv6 in brackets. */
export function endpointOf(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port: Number(address.slice(colon + 1)) };
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
