import { NO_ITEMS } from "../base/nothing.js";
import type { MessageType, RaftMessage } from "./message.js";

/** What the sender must say. The rest is zero, empty or null; `from` and `term` are the sender's own. */
export type MessageParts = Pick<RaftMessage, "type" | "to"> & Partial<RaftMessage>;

/** These vouch for the sender's term, vote or log, so they wait until those are durable. */
const AFTER_PERSIST: ReadonlySet<MessageType> = new Set(["append_reply", "vote", "vote_reply"]);

/** Messages on their way out, by what they have to wait for. */
export class Outbox {
  #immediate: RaftMessage[] = [];
  #afterPersist: RaftMessage[] = [];

  send(message: RaftMessage): void {
    const queue = AFTER_PERSIST.has(message.type) ? this.#afterPersist : this.#immediate;
    if (isOnlyCommit(message) && this.#joinCommit(message)) return;
    queue.push(message);
  }

  get isEmpty(): boolean {
    return this.#immediate.length === 0 && this.#afterPersist.length === 0;
  }

  /** An append that tells nothing but a commit, right after one that is still here and ends where it begins, needs no message of its own. */
  #joinCommit({ to, term, index, logTerm, commit }: RaftMessage): boolean {
    const at = this.#immediate.findLastIndex((message) => message.to === to && message.type === "append");
    const before = this.#immediate[at];
    if (before === undefined || before.term !== term) return false;
    const last = before.entries.at(-1);
    if ((last?.index ?? before.index) !== index || (last?.term ?? before.logTerm) !== logTerm) return false;
    this.#immediate[at] = { ...before, commit: Math.max(before.commit, commit) };
    return true;
  }

  takeImmediate(): readonly RaftMessage[] {
    if (this.#immediate.length === 0) return NO_ITEMS;
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

function isOnlyCommit(message: RaftMessage): boolean {
  return message.type === "append" && message.entries.length === 0;
}

/** All messages have one shape, written out field by field: the core makes one for nearly all that it does, and spreading the parts would take several times as long. */
export function messageOf(parts: MessageParts, sender: { readonly id: number; readonly term: number }): RaftMessage {
  const { type, to, from = sender.id, term = sender.term } = parts;
  const { index = 0, logTerm = 0, entries = NO_ITEMS, commit = 0, reject = false } = parts;
  const { hintIndex = 0, hintTerm = 0, context = 0, snapshot = null, forced = false } = parts;
  return { type, to, from, term, index, logTerm, entries, commit, reject, hintIndex, hintTerm, context, snapshot, forced };
}
