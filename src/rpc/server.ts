import type { PeerCertificate } from "node:tls";
import { experimental, type Metadata, Server, type ServerInterceptor, ServerInterceptingCall, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { defined } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { NodeRole } from "../model/objects.js";
import type { CertificateIdentity } from "../pki/identity.js";
import { CHAIN_KEY, type Caller, CallerIdentifier, type Credential } from "./caller.js";
import { SERVER_OPTIONS } from "./channel-options.js";
import type { LiveIdentity } from "./live-identity.js";
import type { Method, ServiceTable } from "./method.js";
import { authorize } from "./rules.js";
import { type ActiveCall, type AnyHandler, definitionOf, type ServiceHandlers, serve } from "./server-call.js";
import { toStatus } from "./status.js";
import { ServerSockets } from "./server-sockets.js";
import "./quiet.js";

export interface RpcServerOptions {
  /** Read live: a replaced certificate is used by the next handshake. */
  readonly identity: LiveIdentity;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * The role that the owner of a valid certificate has by now, for the rules to go by; the certificate's own when there is no such function. Throws
   * for one that has no rights any more. Asked at each call, and for the calls under way at each `reauthorize`.
   */
  readonly admit?: (certificate: CertificateIdentity) => NodeRole;
}

/** How long calls that were told to end may take until their connections are cut. */
const STOP_GRACE_MS = 2_000;

/**
 * The server of a manager: anonymous joiners and mutual TLS on one port (architecture, section 4). Every call passes one interceptor, before any
 * of its messages is read: it says who calls and whether the rules let them.
 */
export class RpcServer implements AsyncDisposable {
  readonly #options: RpcServerOptions;
  readonly #server: Server;
  readonly #identifier: CallerIdentifier;
  readonly #admitted = new WeakMap<Metadata, Admitted>();
  readonly #active = new Map<ActiveCall, Admitted>();
  #sockets: ServerSockets | null = null;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#identifier = new CallerIdentifier(() => ({
      rootCertificate: options.identity.credentials.rootCertificate,
      clusterId: options.identity.identity.clusterId,
    }));
    this.#server = new Server({ ...SERVER_OPTIONS, interceptors: [this.#authorize] });
  }

  /** Serves all methods of a generated table. */
  add<T extends ServiceTable>(table: T, handlers: ServiceHandlers<T>): this {
    const implementation: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries<Method>(table)) {
      implementation[name] = serve(method, handlers[name] as AnyHandler, (metadata) => this.#begin(metadata));
    }
    this.#server.addService(Object.fromEntries(Object.entries<Method>(table).map(([name, method]) => [name, definitionOf(method)])), implementation);
    return this;
  }

  /** Resolves with the port once callers can connect. Throws ClusterError `failed_precondition` when the address (host:port) cannot be had. */
  listen(address: string): Promise<number> {
    const { identity } = this.#options;
    const credentials = experimental.createCertificateProviderServerCredentials(identity, identity, false);
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) => {
        if (error === null) {
          this.#sockets = new ServerSockets(port);
          resolve(port);
        } else reject(new ClusterError("failed_precondition", `cannot listen on ${address}: ${reasonOf(error)}`, { cause: error }));
      });
    });
  }

  /** Says goodbye to all callers, ends their calls, and resolves once the port is free. */
  async close(): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    for (const call of this.#active.keys()) call.abort(new ClusterError("unavailable", "the manager is stopping"));
    const cancel = this.#options.clock.after(STOP_GRACE_MS, () => {
      this.#server.forceShutdown();
      this.#sockets?.destroy();
    });
    await stopped;
    cancel();
    this.#sockets?.[Symbol.dispose]();
  }

  /** Ends the calls under way that would be refused now: those of nodes that lost the right to them since, and those by certificates of a root that was dropped. */
  reauthorize(): void {
    for (const [call, admitted] of this.#active) {
      if (admitted.certificate === null) continue;
      try {
        if (this.#identifier.issuedTo(admitted.credential) === null) throw new ClusterError("unauthenticated", "the caller's certificate is of a dropped root");
        this.#authorized(admitted.path, admitted.caller, admitted.certificate);
      } catch (cause) {
        const { nodeId, address } = admitted.caller;
        this.#options.logger.info({ method: admitted.path, nodeId, address, reason: messageOf(cause) }, "call ended");
        call.abort(cause);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #authorize: ServerInterceptor = (method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            try {
              this.#admitted.set(metadata, this.#admit(method.path, credentialOf(metadata, call.getAuthContext()), call.getPeer()));
            } catch (cause) {
              this.#options.logger.info({ method: method.path, peer: call.getPeer(), reason: messageOf(cause) }, "call refused");
              call.sendStatus(toStatus(cause));
              return;
            }
            pass(metadata);
          },
        }),
    });

  #admit(path: string, credential: Credential, peer: string): Admitted {
    const nowMs = this.#options.clock.now();
    const certificate = this.#identifier.certificateOf(credential, nowMs);
    return { path, credential, certificate, caller: this.#authorized(path, this.#identifier.identify({ ...credential, peer }, nowMs), certificate) };
  }

  /** The caller with the role that it has by now. Throws when the rules do not let that in. */
  #authorized(path: string, caller: Caller, certificate: CertificateIdentity | null): Caller {
    const { admit } = this.#options;
    const current = certificate === null || admit === undefined ? caller : { ...caller, role: admit(certificate) };
    authorize(path, current);
    return current;
  }

  #begin(metadata: Metadata): ActiveCall {
    const controller = new AbortController();
    const admitted = defined(this.#admitted.get(metadata), "a call that is served passed the interceptor");
    const call: ActiveCall = {
      caller: admitted.caller,
      signal: controller.signal,
      abort: (reason) => controller.abort(reason),
      finish: () => void this.#active.delete(call),
    };
    this.#active.set(call, admitted);
    return call;
  }
}

/** A call that the rules let in, and on what grounds. */
interface Admitted {
  readonly path: string;
  readonly caller: Caller;
  readonly credential: Credential;
  readonly certificate: CertificateIdentity | null;
}

function credentialOf(metadata: Metadata, tls: { readonly sslPeerCertificate?: PeerCertificate }): Credential {
  const [intermediate] = metadata.get(CHAIN_KEY);
  return { certificate: tls.sslPeerCertificate, intermediate: Buffer.isBuffer(intermediate) ? intermediate : undefined };
}

/** gRPC says `No address added out of total 1 resolved errors: [listen EADDRINUSE: address already in use 0.0.0.0:2377]`. */
function reasonOf(error: Error): string {
  return /errors: \[(?:listen )?(.*)\]$/s.exec(error.message)?.[1] ?? error.message;
}
