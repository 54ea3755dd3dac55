import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { ClusterError, messageOf } from "../base/errors.js";
import type { LiveIdentity } from "./live-identity.js";

/** Who connects and then does not shake hands is let go. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * Several protocols on one port: both ends agree on one of them in the TLS handshake (ALPN, RFC 7301). Whoever has no certificate is let in too; what a
 * certificate is worth is for the protocols to find out.
 */
export class SecureListener {
  readonly #server: Server;
  readonly #identity: LiveIdentity;
  readonly #open = new Set<Socket>();
  readonly #forget: () => void;

  /** `accept`: who takes the connections of each protocol. The identity is read live: a replaced certificate is used by the next handshake. */
  constructor(identity: LiveIdentity, accept: ReadonlyMap<string, (socket: TLSSocket) => void>) {
    this.#identity = identity;
    this.#server = createServer({
      ...this.#context(),
      ALPNProtocols: [...accept.keys()],
      requestCert: true,
      rejectUnauthorized: false,
      noDelay: true,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    this.#forget = identity.onReplace(() => this.#server.setSecureContext(this.#context()));
    this.#server.on("connection", (socket: Socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
    });
    this.#server.on("secureConnection", (socket) => {
      // Whoever takes it hears of its end by "close".
      socket.on("error", () => undefined);
      const take = typeof socket.alpnProtocol === "string" ? accept.get(socket.alpnProtocol) : undefined;
      if (take === undefined) socket.destroy();
      else take(socket);
    });
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

  #context() {
    const { rootCertificate, certificate, key } = this.#identity.credentials;
    return { ca: rootCertificate, cert: certificate, key };
  }
}

/** Of an address of the form host:port, with IPv6 in brackets. */
export function endpointOf(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port: Number(address.slice(colon + 1)) };
}
