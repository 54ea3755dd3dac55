import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import { onAbort } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import {
  type Member,
  type RaftFrame,
  type RaftStreamReply,
  RaftStreamReplyCodec,
  type RaftStreamRequest,
  RaftStreamRequestCodec,
} from "../wire/generated/raft.js";
import { MANAGER_NAME } from "./channel-options.js";
import { CONNECT_TIMEOUT_MS, checkManager } from "./connection.js";
import type { Feed } from "./feed.js";
import { sayGoodbye } from "./goodbye.js";
import { KeepAlive } from "./keep-alive.js";
import type { LiveIdentity } from "./live-identity.js";
import { RecordReader, record } from "./records.js";
import { endpointOf } from "./secure-listener.js";
import { connectionError, fromFailure, unreachable } from "./status.js";

/**
 * Name of the protocol in the TLS handshake. Raft messages have a connection of their own, without HTTP/2: a lone write, which waits for two of them in a row,
 * costs its members a third less processor time than over gRPC.
 */
export const RAFT_PROTOCOL = "swarm-raft/1";

/** What the accepting end says is short. */
const REPLY_BYTES_MAX = 64 * 1024;

export interface RaftStreamOptions {
  readonly member: Member;
  /** Who dials, told to the member when it is connected. */
  readonly self?: () => Member;
  readonly identity: LiveIdentity;
  readonly clock: Clock;
  readonly feed: Feed<RaftFrame>;
  /** Ends the stream, with a goodbye. */
  readonly signal: AbortSignal;
  /** The member has let us in. Nothing was taken from the feed before. */
  onAccepted(): void;
}

const say = (request: RaftStreamRequest): Buffer => record(RaftStreamRequestCodec.encode(request));
const FRAMES = { encode: (frame: RaftFrame) => say({ type: "frame", frame }) };

/** A connection for raft messages to the manager at an address (host:port); without a node id, whichever manager of this swarm it is. */
export function dialManager({ address, nodeId }: { readonly address: string; readonly nodeId?: string }, identity: LiveIdentity): TLSSocket {
  const { rootCertificate, certificate, key } = identity.credentials;
  return connect({
    ...endpointOf(address),
    ca: rootCertificate,
    cert: certificate,
    key,
    ALPNProtocols: [RAFT_PROTOCOL],
    servername: MANAGER_NAME,
    checkServerIdentity: (name: string, peer: PeerCertificate) => checkManager(name, nodeId, peer),
  });
}

/**
 * Dials a member and carries the feed to it. Resolves with why the stream ended: what the member threw; the signal's reason; or `unavailable` with
 * `details.connection` (status.ts) when no connection came about or it broke without a goodbye.
 */
export function carry({ member, self, identity, clock, feed, signal, onAccepted }: RaftStreamOptions): Promise<ClusterError> {
  return new Promise((resolve) => {
    const socket = dialManager(member, identity);
    socket.setNoDelay(true);
    const ended = new AbortController();
    let keepAlive: KeepAlive | null = null;
    let detach: () => void = () => undefined;
    const leave = (why: ClusterError) => {
      if (ended.signal.aborted) return;
      ended.abort(why);
      cancelTimeout();
      keepAlive?.stop();
      detach();
      resolve(why);
    };
    const drop = (why: ClusterError) => {
      leave(why);
      socket.destroy();
    };
    const cancelTimeout = clock.after(CONNECT_TIMEOUT_MS, () => drop(unreachable(member.address, `no answer within ${CONNECT_TIMEOUT_MS} ms`)));
    const onReply = (reply: RaftStreamReply) => {
      if (ended.signal.aborted) return;
      if (reply.type === "end") drop(fromFailure(reply.end));
      if (reply.type !== "accepted") return;
      cancelTimeout();
      keepAlive = new KeepAlive(clock, {
        say: () => socket.write(say({ type: "alive", alive: {} })),
        silence: () => drop(unreachable(member.address, "it says nothing any more", "failed")),
      });
      onAccepted();
      feed.writeTo(socket, FRAMES, ended.signal).catch((cause: unknown) => {
        if (!ended.signal.aborted) drop(ClusterError.from(cause));
      });
    };
    const reader = new RecordReader(REPLY_BYTES_MAX, (bytes) => onReply(RaftStreamReplyCodec.decode(bytes)));
    socket.on("secureConnect", () => socket.write(say({ type: "hello", hello: { intermediate: identity.intermediate ?? NONE, member: self?.() ?? null } })));
    socket.on("data", (chunk: Buffer) => {
      keepAlive?.heard();
      try {
        reader.push(chunk);
      } catch (cause) {
        drop(ClusterError.from(cause));
      }
    });
    socket.on("error", (cause) => leave(connectionError(member.address, cause)));
    socket.on("close", () => leave(unreachable(member.address, "the connection was lost", "broken")));
    detach = onAbort(signal, () => {
      leave(ClusterError.from(signal.reason));
      sayGoodbye(socket, clock);
    });
  });
}

const NONE = new Uint8Array(0);
