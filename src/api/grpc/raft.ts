import { ClusterError } from "../../base/errors.js";
import { assertSameIncarnation, type Incarnation } from "../../model/incarnation.js";
import type { Caller } from "../../rpc/caller.js";
import type { RaftStreamHandler } from "../../rpc/raft-acceptor.js";
import type { ServiceHandlers } from "../../rpc/server-call.js";
import type { Member, RaftFrame, RaftMessage, RaftService, SnapshotChunk, SnapshotProgress } from "../../wire/generated/raft.js";

/** The replica, as far as its peers reach it (RaftInbox of src/replica/transport.ts). */
export interface RaftInbox {
  introduced(member: Member): () => void;
  deliver(messages: readonly RaftMessage[]): void;
  snapshotReceived(message: RaftMessage): SnapshotProgress;
  receiveSnapshot(message: RaftMessage, chunks: AsyncIterable<Uint8Array>, after: SnapshotProgress): Promise<void>;
}

export interface RaftBackend {
  readonly clusterId: string;
  /** Of the cluster, as this member has it. */
  incarnation(): Incarnation;
  /** This member. */
  readonly raftId: number;
  /** Node id of a member; undefined for one that this member has not heard of yet. */
  nodeOf(raftId: number): string | undefined;
  readonly inbox: RaftInbox;
}

/** Messages of other members. What does not belong here ends the stream with a reason, and never reaches the consensus core. */
export function raftStreams(backend: RaftBackend): RaftStreamHandler {
  return {
    introduced: (member, caller) => {
      checkSender(member.raftId, caller, backend);
      return backend.inbox.introduced({ ...member, nodeId: caller.nodeId });
    },
    take: (frame, caller) => {
      checkFrame(frame, backend);
      checkMessages(frame.messages, caller, backend);
      backend.inbox.deliver(frame.messages);
    },
  };
}

/** What members say to each other beside the stream. */
export function raftHandlers(backend: RaftBackend): ServiceHandlers<typeof RaftService> {
  return {
    async snapshotReceived({ message }, { caller }) {
      if (message === null) throw new ClusterError("invalid_argument", "raft message of the snapshot must be given");
      checkMessages([message], caller, backend);
      return backend.inbox.snapshotReceived(message);
    },

    async snapshot(chunks, { caller }) {
      const iterator = chunks[Symbol.asyncIterator]();
      const first = await iterator.next();
      if (first.done === true || first.value.type !== "header" || first.value.header.message === null || first.value.header.received === null) {
        throw new ClusterError("invalid_argument", "snapshot does not begin with its header");
      }
      const { message, received, totalBytes } = first.value.header;
      checkMessages([message], caller, backend);
      await backend.inbox.receiveSnapshot(message, dataOf(iterator, totalBytes), received);
      return {};
    },
  };
}

function checkFrame(frame: RaftFrame, backend: RaftBackend): void {
  if (frame.clusterId === backend.clusterId) assertSameIncarnation(backend.incarnation(), frame.incarnation);
  else
    throw new ClusterError(
      "failed_precondition",
      `raft messages of cluster ${frame.clusterId} at a member of cluster ${backend.clusterId}: leave and join again`,
    );
}

/** A manager speaks for its own raft id only, and only to this member: an id is never reused, so mail for a former one is lost. */
function checkMessages(messages: readonly RaftMessage[], caller: Caller, backend: RaftBackend): void {
  let checkedFrom = 0;
  for (const { to, from } of messages) {
    if (to !== backend.raftId) throw new ClusterError("failed_precondition", `raft message for member ${to} at member ${backend.raftId}`);
    if (from === checkedFrom) continue;
    checkSender(from, caller, backend);
    checkedFrom = from;
  }
}

function checkSender(raftId: number, caller: Caller, backend: RaftBackend): void {
  const owner = backend.nodeOf(raftId);
  if (owner !== undefined && owner !== caller.nodeId) {
    throw new ClusterError("permission_denied", `raft message from member ${raftId} of node ${owner}, sent by node ${caller.nodeId}`);
  }
}

async function* dataOf(chunks: AsyncIterator<SnapshotChunk>, totalBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  let receivedBytes = 0;
  for (;;) {
    const next = await chunks.next();
    if (next.done === true) break;
    if (next.value.type !== "data") throw new ClusterError("invalid_argument", "snapshot has two headers");
    receivedBytes += next.value.data.bytes.length;
    yield next.value.data.bytes;
  }
  if (receivedBytes !== totalBytes) throw new ClusterError("aborted", `snapshot ended after ${receivedBytes} of ${totalBytes} bytes`);
}
