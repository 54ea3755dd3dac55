import type { MessageType, RaftMessage } from "./message.js";

/** What the sender must say; the rest is zero, empty or null. */
export type MessageParts = Pick<RaftMessage, "type" | "to" | "from" | "term"> & Partial<RaftMessage>;

/** These vouch for the sender's term, vote or log, so they wait until those are durable. */
const AFTER_PERSIST: ReadonlySet<MessageType> = new Set(["append_reply", "vote", "vote_reply"]);

/** Messages on their way out, by what they have to wait for. */
export class Outbox {
  #immediate: RaftMessage[] = [];
  #afterPersist: RaftMessage[] = [];

  send(parts: MessageParts): void {
    const queue = AFTER_PERSIST.has(parts.type) ? this.#afterPersist : this.#immediate;
    const message = messageOf(parts);
    if (message.type === "append" && this.#join(message)) return;
    queue.push(message);
  }

  get isEmpty(): boolean {
    return this.#immediate.length === 0 && this.#afterPersist.length === 0;
  }

  /** Of two appends to a member that are still here and follow one another, one that tells nothing but a commit needs no message of its own. */
  #join(message: RaftMessage): boolean {
    const at = this.#immediate.findLastIndex(({ type, to }) => type === "append" && to === message.to);
    const before = this.#immediate[at];
    if (before === undefined || before.term !== message.term) return false;
    const last = before.entries.at(-1) ?? { index: before.index, term: before.logTerm };
    if (last.index !== message.index || last.term !== message.logTerm) return false;
    if (message.entries.length > 0 && before.entries.length > 0) return false;
    const entries = before.entries.length > 0 ? before.entries : message.entries;
    this.#immediate[at] = { ...before, entries, commit: Math.max(before.commit, message.commit) };
    return true;
  }

  takeImmediate(): readonly RaftMessage[] {
    const taken = this.#immediate;
    this.#immediate = [];
    return taken;
  }

  takeAfterPersist(): readonly RaftMessage[] {
    const taken = this.#afterPersist;
    this.#afterPersist = [];
    return taken;
  }
}

export function messageOf(parts: MessageParts): RaftMessage {
  return {
    index: 0,
    logTerm: 0,
    entries: [],
    commit: 0,
    reject: false,
    hintIndex: 0,
    hintTerm: 0,
    context: 0,
    snapshot: null,
    forced: false,
    ...parts,
  };
}
