import type { TLSSocket } from "node:tls";
import {
  type ChannelOptions,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerInterceptor,
  ServerInterceptingCall,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { defined } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { NodeRole } from "../model/objects.js";
import { type CertificateIdentity, ROLE_UNITS } from "../pki/identity.js";
import { CallCount } from "./call-count.js";
import { CHAIN_KEY, type Caller, CallerIdentifier, type CallerRole, type Credential, verifiedSubject } from "./caller.js";
import { SERVER_OPTIONS, STRANGER_OPTIONS, WORKER_CALLS_MAX, WORKER_OPTIONS } from "./channel-options.js";
import type { LiveIdentity } from "./live-identity.js";
import type { Method, ServiceTable } from "./method.js";
import { acceptRaftStream, type RaftStreamHandler } from "./raft-acceptor.js";
import { RAFT_PROTOCOL } from "./raft-stream.js";
import { authorize } from "./rules.js";
import { SecureListener } from "./secure-listener.js";
import { type ActiveCall, type AnyHandler, definitionOf, type ServiceHandlers, serve } from "./server-call.js";
import { toStatus } from "./status.js";
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

/** gRPC's name in the TLS handshake. */
const HTTP2_PROTOCOL = "h2";
/** How long calls that were told to end may take until their connections are cut. */
const STOP_GRACE_MS = 2_000;

/**
 * The server of a manager: anonymous joiners and mutual TLS, gRPC and raft streams on one port (architecture, section 4). Every call passes one
 * interceptor, before any of its messages is read: it says who calls and whether the rules let them. A raft stream is a call too.
 */
export class RpcServer implements AsyncDisposable {
  readonly #options: RpcServerOptions;
  /** By what the certificate that TLS has verified was issued for; strangers have none. */
  readonly #servers: { readonly managers: Server; readonly workers: Server; readonly strangers: Server };
  readonly #identifier: CallerIdentifier;
  readonly #workersCalls = new CallCount(WORKER_CALLS_MAX);
  readonly #admitted = new WeakMap<Metadata, Admitted>();
  readonly #active = new Map<ActiveCall, Admitted>();
  #listener: SecureListener | null = null;
  readonly #protocols = new Map<string, (socket: TLSSocket) => void>();

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#identifier = new CallerIdentifier(() => ({
      rootCertificate: options.identity.credentials.rootCertificate,
      clusterId: options.identity.identity.clusterId,
    }));
    const serverOf = (limits: ChannelOptions) => new Server({ ...limits, interceptors: [this.#authorize] });
    this.#servers = { managers: serverOf(SERVER_OPTIONS), workers: serverOf(WORKER_OPTIONS), strangers: serverOf(STRANGER_OPTIONS) };
  }

  /** Serves all methods of a generated table. */
  add<T extends ServiceTable>(table: T, handlers: ServiceHandlers<T>): this {
    const implementation: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries<Method>(table)) {
      implementation[name] = serve(method, handlers[name] as AnyHandler, (metadata) => this.#begin(metadata));
    }
    const definition = Object.fromEntries(Object.entries<Method>(table).map(([name, method]) => [name, definitionOf(method)]));
    for (const server of Object.values(this.#servers)) server.addService(definition, implementation);
    return this;
  }

  /** Serves raft streams: before `listen`. */
  addRaftStreams(handler: RaftStreamHandler): this {
    const { clock } = this.#options;
    this.#protocols.set(RAFT_PROTOCOL, (socket) => {
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      acceptRaftStream(socket, {
        clock,
        handler,
        admit: ({ intermediate }) => this.#track(this.#admit(RAFT_PROTOCOL, credentialOf(socket, intermediate), peer)),
      });
    });
    return this;
  }

  /** Resolves with the port once callers can connect. Throws ClusterError `failed_precondition` when the address (host:port) cannot be had. */
  async listen(address: string): Promise<number> {
    const injectorOf = (server: Server) => server.createConnectionInjector(ServerCredentials.createInsecure());
    const { identity, clock } = this.#options;
    const { managers, workers, strangers } = this.#servers;
    const injectors = { manager: injectorOf(managers), worker: injectorOf(workers), anonymous: injectorOf(strangers) };
    this.#protocols.set(HTTP2_PROTOCOL, (socket) => injectors[certifiedRole(socket)].injectConnection(socket));
    this.#listener = new SecureListener({ identity, clock, accept: this.#protocols });
    return this.#listener.listen(address);
  }

  /** Says goodbye to all callers, ends their calls, and resolves once the port is free. */
  async close(): Promise<void> {
    const servers = Object.values(this.#servers);
    const ended = servers.map((server) => new Promise<void>((resolve) => server.tryShutdown(() => resolve())));
    const stopped = Promise.all([this.#listener?.close(), ...ended]);
    for (const call of this.#active.keys()) call.abort(new ClusterError("unavailable", "the manager is stopping"));
    const cancel = this.#options.clock.after(STOP_GRACE_MS, () => {
      for (const server of servers) server.forceShutdown();
      this.#listener?.destroy();
    });
    await stopped;
    cancel();
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

  readonly #authorize: ServerInterceptor = (method, call) => {
    let leave = () => {};
    return new ServerInterceptingCall(call, {
      sendStatus: (status, next) => {
        leave();
        next(status);
      },
      start: (next) =>
        next({
          onCancel: () => leave(),
          onReceiveMetadata: (metadata, pass) => {
            const { sslPeerCertificate } = call.getAuthContext();
            const [intermediate] = metadata.get(CHAIN_KEY);
            const credential = { certificate: sslPeerCertificate, intermediate: Buffer.isBuffer(intermediate) ? intermediate : undefined };
            try {
              const admitted = this.#admit(method.path, credential, call.getPeer());
              if (admitted.caller.role === "worker") leave = this.#workersCalls.enter(admitted.caller.nodeId);
              this.#admitted.set(metadata, admitted);
            } catch (cause) {
              call.sendStatus(toStatus(cause));
              return;
            }
            pass(metadata);
          },
        }),
    });
  };

  #admit(path: string, credential: Credential, peer: string): Admitted {
    const { clock, logger } = this.#options;
    const nowMs = clock.now();
    const certificate = this.#identifier.certificateOf(credential, nowMs);
    try {
      return { path, credential, certificate, caller: this.#authorized(path, this.#identifier.identify({ ...credential, peer }, nowMs), certificate) };
    } catch (cause) {
      logger.info({ method: path, peer, reason: messageOf(cause) }, "call refused");
      throw cause;
    }
  }

  /** The caller with the role that it has by now. Throws when the rules do not let that in. */
  #authorized(path: string, caller: Caller, certificate: CertificateIdentity | null): Caller {
    const { admit } = this.#options;
    const current = certificate === null || admit === undefined ? caller : { ...caller, role: admit(certificate) };
    authorize(path, current);
    return current;
  }

  #begin(metadata: Metadata): ActiveCall {
    return this.#track(defined(this.#admitted.get(metadata), "a call that is served passed the interceptor"));
  }

  #track(admitted: Admitted): ActiveCall {
    const controller = new AbortController();
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

/** How much a connection may ask for, before any call on it says who calls. */
function certifiedRole(socket: TLSSocket): CallerRole {
  const subject = verifiedSubject(socket);
  if (subject === null) return "anonymous";
  return subject.OU === ROLE_UNITS.manager ? "manager" : "worker";
}

/** TLS shows a certificate whatever it is worth; only one that it verified counts, as in gRPC's own calls. */
function credentialOf(socket: TLSSocket, intermediate: Uint8Array): Credential {
  const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
  return { certificate, intermediate: Buffer.from(intermediate.buffer, intermediate.byteOffset, intermediate.byteLength) };
}
