import type { RaftMessage } from "../../src/raft/message.js";
import type { OutgoingSnapshot, RaftInbox, RaftTransport } from "../../src/replica/transport.js";
import type { Member } from "../../src/wire/generated/raft.js";

/** Carries raft messages between members of one process, by address: in order, each in a later turn; links can be cut. */
export class MemoryNetwork {
  readonly #inboxes = new Map<string, RaftInbox>();
  readonly #cut = new Set<string>();
  /** Raft ids that have said who they are to an inbox since it was attached, or a link was healed. */
  #introduced = new WeakMap<RaftInbox, Set<number>>();
  /** Snapshots that were delivered, as [from, to]. */
  readonly snapshots: (readonly [string, string])[] = [];
  /** A snapshot is delivered when this has resolved. */
  beforeSnapshot: () => Promise<void> = async () => undefined;
  /** Called for each message before it is delivered; false drops it. */
  filter: (message: RaftMessage) => boolean = () => true;

  /** The transport of the host with this address. */
  transport(address: string): RaftTransport {
    return new MemoryTransport(this, address);
  }

  attach(address: string, inbox: RaftInbox): void {
    this.#inboxes.set(address, inbox);
  }

  detach(address: string): void {
    this.#inboxes.delete(address);
  }

  /** Nothing goes to or from the address until `heal`. */
  cut(address: string): void {
    this.#cut.add(address);
  }

  heal(address: string): void {
    this.#cut.delete(address);
    this.#introduced = new WeakMap();
  }

  /** A message on its way, after the sender's introduction if it is the first one. */
  deliver(message: RaftMessage, from: string, to: string): void {
    const inbox = this.inbox(from, to);
    if (inbox === undefined) return;
    const introduced = this.#introduced.get(inbox) ?? new Set();
    this.#introduced.set(inbox, introduced);
    if (!introduced.has(message.from)) inbox.introduced({ raftId: message.from, nodeId: from.split(":")[0] ?? "", address: from });
    introduced.add(message.from);
    inbox.deliver([message]);
  }

  inbox(from: string, to: string): RaftInbox | undefined {
    return this.#cut.has(from) || this.#cut.has(to) ? undefined : this.#inboxes.get(to);
  }
}

class MemoryTransport implements RaftTransport {
  readonly #network: MemoryNetwork;
  readonly #address: string;
  #peers = new Map<number, Member>();

  constructor(network: MemoryNetwork, address: string) {
    this.#network = network;
    this.#address = address;
  }

  setPeers(members: readonly Member[]): void {
    this.#peers = new Map(members.map((member) => [member.raftId, member]));
  }

  send(messages: readonly RaftMessage[]): void {
    for (const message of messages) {
      const address = this.#peers.get(message.to)?.address;
      if (address === undefined || !this.#network.filter(message)) continue;
      setImmediate(() => this.#network.deliver(message, this.#address, address));
    }
  }

  async sendSnapshot(to: number, snapshot: OutgoingSnapshot, signal: AbortSignal): Promise<void> {
    const address = this.#peers.get(to)?.address ?? "";
    const inbox = this.#network.inbox(this.#address, address);
    if (inbox === undefined) throw new Error(`${to} is not reachable`);
    signal.throwIfAborted();
    await this.#network.beforeSnapshot();
    const rest = await snapshot.after(inbox.snapshotReceived(snapshot.message));
    await inbox.receiveSnapshot(snapshot.message, rest.chunks(), rest.received);
    this.#network.snapshots.push([this.#address, address]);
  }

  isReachable(raftId: number): boolean {
    return this.#network.inbox(this.#address, this.#peers.get(raftId)?.address ?? "") !== undefined;
  }
}
