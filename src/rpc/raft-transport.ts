import { ClusterError } from "../base/errors.js";
import { type Member, type RaftMessage, RaftService, type SnapshotChunk, type SnapshotProgress } from "../wire/generated/raft.js";
import { createClient } from "./client.js";
import { RaftPeer, type RaftPeerOptions } from "./raft-peer.js";

/** A snapshot as the replica hands it over (src/replica/transport.ts). */
export interface SnapshotSource {
  readonly message: RaftMessage;
  after(received: SnapshotProgress): Promise<SnapshotRest>;
}

interface SnapshotRest {
  readonly received: SnapshotProgress;
  readonly totalBytes: number;
  chunks(): AsyncIterable<Uint8Array>;
}

const SNAPSHOT_CHUNK_BYTES = 512 * 1024;
/** Before a transfer that broke goes on. */
const SNAPSHOT_RETRY_MS = 200;

/**
 * Carries raft messages to the other members, over one long-lived stream each: a call per message would cap the cluster (linux-notes, section 11).
 * Implements RaftTransport of src/replica/transport.ts. Peers are checked against their node id, so that an address that
 * now belongs to another manager gets none of this one's mail.
 */
export class TlsRaftTransport implements AsyncDisposable {
  readonly #options: RaftPeerOptions;
  readonly #closing = new Set<Promise<void>>();
  #peers: ReadonlyMap<number, RaftPeer> = new Map();

  constructor(options: RaftPeerOptions) {
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
    for (const peer of this.#peers.values()) peer.flush();
  }

  isReachable(raftId: number): boolean {
    return this.#peers.get(raftId)?.isReachable ?? false;
  }

  /**
   * On a connection of its own, so that heartbeats do not wait behind it. A transfer that breaks goes on where it ended, for as long as each attempt brings
   * something. Throws ClusterError `not_found` for an unknown member, and why the last attempt failed.
   */
  async sendSnapshot(to: number, snapshot: SnapshotSource, signal: AbortSignal): Promise<void> {
    const peer = this.#peers.get(to);
    if (peer === undefined) throw new ClusterError("not_found", `raft member ${to} is not known`);
    const { clock, logger } = this.#options;
    for (let framesBefore = -1, failure: unknown; ; ) {
      using connection = peer.connect();
      const client = createClient(connection, RaftService);
      const received = await client.snapshotReceived({ message: snapshot.message }, { signal });
      if (received.frames <= framesBefore) throw failure;
      framesBefore = received.frames;
      try {
        await client.snapshot(chunksOf(snapshot, await snapshot.after(received)), { signal });
        return;
      } catch (cause) {
        if (signal.aborted) throw cause;
        failure = cause;
        logger.info({ to, framesBefore, err: cause }, "a snapshot's transfer broke");
        await clock.sleep(SNAPSHOT_RETRY_MS, signal);
      }
    }
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

async function* chunksOf({ message }: SnapshotSource, rest: SnapshotRest): AsyncGenerator<SnapshotChunk, void, undefined> {
  const { received, totalBytes } = rest;
  yield { type: "header", header: { meta: message.snapshot, members: [], totalBytes, message, received } };
  for await (const bytes of rest.chunks()) {
    for (let at = 0; at < bytes.length; at += SNAPSHOT_CHUNK_BYTES) {
      yield { type: "data", data: { bytes: bytes.subarray(at, at + SNAPSHOT_CHUNK_BYTES) } };
    }
  }
}
