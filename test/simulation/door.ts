import { type RaftInbox, raftStreams } from "../../src/api/grpc/raft.js";
import { isClusterError } from "../../src/base/errors.js";
import { currentRole } from "../../src/node/admission.js";
import type { RaftMessage } from "../../src/raft/message.js";
import type { Membership } from "../../src/replica/membership.js";
import type { RaftStreamHandler } from "../../src/rpc/raft-acceptor.js";
import type { StoreView } from "../../src/store/view.js";
import type { Stream } from "./stream.js";

const CLUSTER_ID = "cluster";
const CERTIFICATE = { role: "manager", clusterId: CLUSTER_ID, notBeforeMs: 0, expiresAtMs: 0, publicKeyDigest: "" } as const;
const INCARNATION = { incarnation: "first", formerIncarnations: [] };

/** What a member asks of whoever connects: the checks of src/node and src/api, on the streams that are open here. */
export class Door {
  readonly #handler: RaftStreamHandler;
  readonly #removedNodes: () => Readonly<Record<string, number>>;
  readonly #open = new Map<Stream, () => void>();
  /** Whether a node may come in, by its id, where these are removed: it is asked again and again, and to refuse takes long. */
  readonly #verdicts = new Map<string, boolean>();
  #judgedBy: Readonly<Record<string, number>> = {};

  constructor(options: {
    readonly raftId: number;
    readonly membership: Membership;
    readonly inbox: Pick<RaftInbox, "introduced" | "deliver">;
    /** As the member's state has them. */
    readonly removedNodes: () => Readonly<Record<string, number>>;
  }) {
    const { raftId, membership, inbox } = options;
    this.#removedNodes = options.removedNodes;
    this.#handler = raftStreams({
      clusterId: CLUSTER_ID,
      incarnation: () => INCARNATION,
      raftId,
      nodeOf: (id) => membership.get(id)?.nodeId,
      inbox: {
        introduced: (member) => inbox.introduced(member),
        deliver: (messages) => inbox.deliver(messages),
        snapshotReceived: () => {
          throw new Error("snapshots have a way of their own");
        },
        receiveSnapshot: () => Promise.reject(new Error("snapshots have a way of their own")),
      },
    });
  }

  get streams(): Iterable<Stream> {
    return this.#open.keys();
  }

  /** False when the dialing end may not come in. */
  admits({ caller }: Stream): boolean {
    const removedNodes = this.#removedNodes();
    if (removedNodes !== this.#judgedBy) this.#verdicts.clear();
    this.#judgedBy = removedNodes;
    const known = this.#verdicts.get(caller.nodeId);
    if (known !== undefined) return known;
    const verdict = isManager(caller.nodeId, removedNodes);
    this.#verdicts.set(caller.nodeId, verdict);
    return verdict;
  }

  /** False when the dialing end may not come in. */
  open(stream: Stream): boolean {
    if (this.#open.has(stream)) return true;
    if (!this.admits(stream)) return false;
    this.#open.set(stream, this.#handler.introduced(stream.self, stream.caller));
    return true;
  }

  has(stream: Stream): boolean {
    return this.#open.has(stream);
  }

  take({ caller }: Stream, message: RaftMessage): void {
    this.#handler.take({ clusterId: CLUSTER_ID, incarnation: INCARNATION.incarnation, messages: [message] }, caller);
  }

  close(stream: Stream): void {
    const forget = this.#open.get(stream);
    this.#open.delete(stream);
    forget?.();
  }
}

/** All who are not removed are managers, and newer than what this copy of the store says of them. */
function isManager(nodeId: string, removedNodes: Readonly<Record<string, number>>): boolean {
  const view = { cluster: { removedNodes }, nodes: { get: () => undefined } } as unknown as StoreView;
  try {
    return currentRole(view, { ...CERTIFICATE, nodeId }, false) === "manager";
  } catch (cause) {
    if (isClusterError(cause, "permission_denied")) return false;
    throw cause;
  }
}
