import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import { type Member, type RaftMessage, RaftService, type SnapshotChunk } from "../wire/generated/raft.js";
import { createClient } from "./client.js";
import type { LiveIdentity } from "./live-identity.js";
import { RaftPeer } from "./raft-peer.js";

export interface RaftTransportOptions {
  readonly identity: LiveIdentity;
  readonly clusterId: string;
  readonly incarnation: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /**
   * A member that served our stream broke it without a goodbye, and refused or reset the redial that followed at once: its process is gone. A cut
   * link is never reported, nor a stop or a renewed certificate (architecture, section 3: failing over early).
   */
  readonly onPeerLost?: (raftId: number) => void;
  /** A member refused this node's messages since the cluster was founded anew without it. The member has proven who it is. */
  readonly onLeftBehind?: (cause: ClusterError) => void;
}

/** A snapshot as the replica hands it over (src/replica/transport.ts). */
export interface SnapshotSource {
  readonly message: RaftMessage;
  readonly members: readonly Member[];
  readonly totalBytes: number;
  chunks(): AsyncIterable<Uint8Array>;
}

const SNAPSHOT_CHUNK_BYTES = 512 * 1024;

/**
 * Carries raft messages to the other members, over one long-lived stream each: a call per message would cap the cluster (linux-notes, section 11).
 * Implements RaftTransport of src/replica/transport.ts. Peers are checked against their node id, so that an address that
 * now belongs to another manager gets none of this one's mail.
 */
export class GrpcRaftTransport implements AsyncDisposable {
  readonly #options: RaftTransportOptions;
  readonly #closing = new Set<Promise<void>>();
  #peers: ReadonlyMap<number, RaftPeer> = new Map();

  constructor(options: RaftTransportOptions) {
    this.#options = options;
  }

  /** Streams to members that stay the same go on. This node itself is left out. */
  setPeers(members: readonly Member[]): void {
    const peers = new Map<number, RaftPeer>();
    for (const member of members) {
      if (member.nodeId === this.#options.identity.nodeId) continue;
      const old = this.#peers.get(member.raftId);
      peers.set(member.raftId, old !== undefined && isSame(old.member, member) ? old : new RaftPeer(member, this.#options));
    }
    const gone = [...this.#peers.values()].filter((peer) => peers.get(peer.member.raftId) !== peer);
    this.#peers = peers;
    for (const peer of gone) this.#close(peer);
  }

  send(messages: readonly RaftMessage[]): void {
    for (const message of messages) this.#peers.get(message.to)?.send(message);
  }

  isReachable(raftId: number): boolean {
    return this.#peers.get(raftId)?.isReachable ?? false;
  }

  /** On a connection of its own, so that heartbeats do not wait behind it. Throws ClusterError `not_found` for an unknown member. */
  async sendSnapshot(to: number, snapshot: SnapshotSource, signal: AbortSignal): Promise<void> {
    const peer = this.#peers.get(to);
    if (peer === undefined) throw new ClusterError("not_found", `raft member ${to} is not known`);
    using connection = peer.connect();
    await createClient(connection, RaftService).snapshot(chunksOf(snapshot), { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.setPeers([]);
    await Promise.all(this.#closing);
  }

  #close(peer: RaftPeer): void {
    const closed = peer.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }
}

const isSame = (a: Member, b: Member): boolean => a.nodeId === b.nodeId && a.address === b.address;

async function* chunksOf(snapshot: SnapshotSource): AsyncGenerator<SnapshotChunk, void, undefined> {
  const { message, members, totalBytes } = snapshot;
  yield { type: "header", header: { meta: message.snapshot, members, totalBytes, message } };
  for await (const bytes of snapshot.chunks()) {
    for (let at = 0; at < bytes.length; at += SNAPSHOT_CHUNK_BYTES) {
      yield { type: "data", data: { bytes: bytes.subarray(at, at + SNAPSHOT_CHUNK_BYTES) } };
    }
  }
}
