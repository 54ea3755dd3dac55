import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { type ChannelCredentials, Client, connectivityState, credentials, experimental, Metadata } from "@grpc/grpc-js";
import { unlessAborted } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import { CHAIN_KEY } from "./caller.js";
import { CLIENT_OPTIONS } from "./channel-options.js";
import type { LiveIdentity } from "./live-identity.js";
import { unreachable } from "./status.js";
import "./quiet.js";

/**
 * How the two ends prove themselves. `mutual`: both by certificate, and the manager by its node id too, if given. `anonymous`: only the manager,
 * against these roots (PEM). `unverified`: nobody; only for the one fetch of the root certificate, which the join token pins.
 */
export type Security =
  | { readonly type: "mutual"; readonly identity: LiveIdentity; readonly nodeId?: string }
  | { readonly type: "anonymous"; readonly rootCertificate: string }
  | { readonly type: "unverified" };

/** Time in which a manager must take a connection. The kernel alone would try for two minutes, ever more slowly. */
export const CONNECT_TIMEOUT_MS = 3_000;

/**
 * A connection to one manager, made when first needed and again whenever it broke. When this node's certificate is replaced, the next call
 * makes a new connection; calls under way end on the old one. The owner closes it.
 */
export class Connection implements Disposable {
  /** host:port. */
  readonly address: string;
  readonly #security: Security;
  readonly #clock: Clock;
  readonly #stopListening: () => void;
  #client: Client | null = null;
  #openedAtMs = 0;
  #isClosed = false;

  constructor(options: { readonly address: string; readonly security: Security; readonly clock: Clock }) {
    this.address = options.address;
    this.#security = options.security;
    this.#clock = options.clock;
    this.#stopListening = options.security.type === "mutual" ? options.security.identity.onReplace(() => this.#drop()) : () => undefined;
  }

  /**
   * The gRPC client once it is connected, or once it knows that it cannot: then calls fail at once with the reason. Throws ClusterError
   * `unavailable` when there is no answer at all in time, or the signal's reason.
   */
  async ready(signal: AbortSignal = new AbortController().signal): Promise<Client> {
    const deadline = this.#clock.now() + CONNECT_TIMEOUT_MS;
    for (;;) {
      signal.throwIfAborted();
      const client = this.#open();
      const state = client.getChannel().getConnectivityState(true);
      if (state === connectivityState.READY) return client;
      if (state === connectivityState.TRANSIENT_FAILURE) {
        if (this.#clock.monotonic() - this.#openedAtMs < CONNECT_TIMEOUT_MS) return client;
        this.#drop(); // Its next attempt may be far off; a new client tries now.
        continue;
      }
      if (!(await unlessAborted(signal, stateChange(client, state, deadline)))) {
        if (client === this.#client) this.#drop();
        throw unreachable(this.address, `no answer within ${CONNECT_TIMEOUT_MS} ms`);
      }
    }
  }

  /** What each call carries: while the root is rotated, what the manager needs to follow this node's certificate to a root that it trusts. */
  metadata(): Metadata {
    const metadata = new Metadata();
    const intermediate = this.#security.type === "mutual" ? this.#security.identity.intermediate : undefined;
    if (intermediate !== undefined) metadata.set(CHAIN_KEY, intermediate);
    return metadata;
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    this.#drop();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): Client {
    if (this.#isClosed) throw new ClusterError("unavailable", `connection to ${this.address} is closed`);
    if (this.#client === null) {
      this.#client = new Client(this.address, channelCredentials(this.#security), CLIENT_OPTIONS);
      this.#openedAtMs = this.#clock.monotonic();
    }
    return this.#client;
  }

  /** Says goodbye: calls under way still end properly. */
  #drop(): void {
    const client = this.#client;
    this.#client = null;
    client?.close();
  }
}

function channelCredentials(security: Security): ChannelCredentials {
  switch (security.type) {
    case "mutual":
      return experimental.createCertificateProviderChannelCredentials(security.identity, security.identity, {
        checkServerIdentity: (name: string, certificate: PeerCertificate) => checkManager(name, security.nodeId, certificate),
      });
    case "anonymous":
      return credentials.createSsl(Buffer.from(security.rootCertificate));
    case "unverified":
      return credentials.createSsl(null, null, null, { rejectUnauthorized: false });
  }
}

/** The name is `swarm-manager`, which no worker's certificate has; node ids are alternative names too. */
export function checkManager(name: string, nodeId: string | undefined, certificate: PeerCertificate): Error | undefined {
  return checkServerIdentity(name, certificate) ?? (nodeId === undefined ? undefined : checkServerIdentity(nodeId, certificate));
}

/** False when the deadline passed first. */
function stateChange(client: Client, from: connectivityState, deadlineMs: number): Promise<boolean> {
  return new Promise((resolve) => client.getChannel().watchConnectivityState(from, deadlineMs, (error) => resolve(error === undefined)));
}
