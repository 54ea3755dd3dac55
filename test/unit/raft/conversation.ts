import type { ConfigChangeAction, ConfigChangeStep, ConfigState, Entry, RaftMessage } from "../../../src/raft/message.js";
import { Raft } from "../../../src/raft/raft.js";
import type { Ready } from "../../../src/raft/ready.js";
import { messageOf } from "../../../src/base/errors.js";
import { describeMessage } from "../../simulation/describe-message.js";
import { MemoryDisk } from "./memory-disk.js";
import { EMPTY_STATE } from "../../simulation/machine.js";

interface Speaker {
  readonly raft: Raft;
  readonly disk: MemoryDisk;
  config: ConfigState | null;
  applied: number;
  /** Handed out and not persisted. */
  ready: Ready | null;
}

const ROUNDS_MAX = 50;
const noConfig: ConfigState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

/**
 * A group that does what it is told, line by line, and says what happened. Election timeouts are the shortest possible (3
 * ticks), messages keep their order, and nothing is sent or written before `settle`, `write` or `deliver`.
 */
export class Conversation {
  readonly #speakers = new Map<number, Speaker>();
  readonly #cut = new Set<number>();
  #mailbox: RaftMessage[] = [];
  #output: string[] = [];

  /** Answers a block of commands; lines that begin with # are for the reader. */
  run(block: string): string {
    this.#output = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("#")) continue;
      try {
        this.#command(line);
      } catch (cause) {
        this.#say(`error: ${messageOf(cause)}`);
      }
    }
    return this.#output.join("\n") || "ok";
  }

  #command(line: string): void {
    const [verb, ...words] = line.split(" ");
    const numbers = words.map(Number);
    const [first = 0, second = 0] = numbers;
    const raft = () => this.#speaker(first).raft;
    const verbs: Record<string, () => void> = {
      voters: () => this.#begin(numbers),
      blank: () => this.#add(first, new MemoryDisk({ term: 0, vote: 0, commit: 0 }, null)),
      restart: () => this.#restart(first, 0.9),
      power: () => this.#restart(first, 0),
      gone: () => this.#speakers.delete(first),
      tick: () => Array.from({ length: second || 1 }, () => raft().tick()),
      stall: () => raft().reportStalled(second),
      campaign: () => raft().campaign(),
      forget: () => raft().forgetLeader(),
      propose: () => raft().propose(words.slice(1).map((word) => new TextEncoder().encode(word))),
      change: () => raft().proposeConfigChange(new TextEncoder().encode(words.slice(1).join(" "))),
      read: () => raft().readIndex(second),
      transfer: () => raft().transferLeadership(second),
      compact: () => this.#compact(first, second),
      cut: () => {
        for (const id of numbers) this.#cut.add(id);
      },
      heal: () => this.#cut.clear(),
      begin: () => this.#takeReady(first),
      write: () => this.#write(first),
      deliver: () => this.#deliver(),
      settle: () => this.#settle(),
      status: () => this.#status(),
    };
    const act = verbs[verb ?? ""];
    if (act === undefined) throw new Error(`${verb} is not a command`);
    act();
  }

  #begin(voters: readonly number[]): void {
    const config = { ...noConfig, voters };
    const snapshot = { meta: { index: 1, term: 1, config }, state: { ...EMPTY_STATE, index: 1 } };
    for (const id of voters) this.#add(id, new MemoryDisk({ term: 1, vote: 0, commit: 1 }, snapshot));
  }

  #add(id: number, disk: MemoryDisk): void {
    const applied = disk.storedSnapshot?.meta.index ?? 0;
    const raft = new Raft({
      id,
      storage: disk,
      applied,
      electionTicks: 3,
      heartbeatTicks: 1,
      random: { next: () => 0 },
      bytesPerMessageMax: 1_000,
      inflightMessagesMax: 4,
      inflightBytesMax: 40,
    });
    this.#speakers.set(id, { raft, disk, applied, config: disk.storedSnapshot?.meta.config ?? null, ready: null });
  }

  /** What was not written is gone; after a power cut (chance 0) also what was not synced, a write under way was just done. */
  #restart(id: number, chance: number): void {
    const { disk } = this.#speaker(id);
    disk.crash({ next: () => chance });
    this.#add(id, disk);
  }

  #compact(id: number, tail: number): void {
    const { disk, applied, config } = this.#speaker(id);
    if (config === null) throw new Error(`${id} has no configuration to put into a snapshot`);
    disk.compact({ meta: { index: applied, term: disk.term(applied) ?? 0, config }, state: { ...EMPTY_STATE, index: applied } }, tail);
  }

  #takeReady(id: number): void {
    const speaker = this.#speaker(id);
    const ready = speaker.raft.ready();
    speaker.ready = ready;
    const parts: string[] = [];
    if (ready.hardState !== null) parts.push(`term ${ready.hardState.term} vote ${ready.hardState.vote} commit ${ready.hardState.commit}`);
    if (ready.snapshot !== null) parts.push(`snapshot ${ready.snapshot.index}/${ready.snapshot.term}`);
    if (ready.entries.length > 0) parts.push(`entries ${ready.entries.map((entry) => `${entry.index}/${entry.term}`).join(" ")}`);
    if (parts.length > 0) this.#say(`${id} writes ${parts.join(", ")}`);
    this.#mailbox.push(...ready.messages);
    const snapshot =
      ready.snapshot === null
        ? null
        : { meta: { ...ready.snapshot, config: ready.snapshot.config ?? noConfig }, state: { ...EMPTY_STATE, index: ready.snapshot.index } };
    speaker.disk.begin(ready, snapshot);
  }

  #write(id: number): void {
    const speaker = this.#speaker(id);
    const { ready } = speaker;
    if (ready === null) throw new Error(`${id} is not writing`);
    speaker.ready = null;
    const before = speaker.raft.status();
    speaker.disk.complete();
    speaker.raft.persisted(ready);
    speaker.raft.tellCommit();
    this.#mailbox.push(...ready.messagesAfterPersist);
    if (ready.snapshot !== null) {
      speaker.config = ready.snapshot.config;
      speaker.applied = ready.snapshot.index;
      speaker.raft.applied(speaker.applied);
    }
    for (const entry of ready.committed) this.#apply(id, speaker, entry);
    for (const { context, index } of ready.readStates) this.#say(`${id} may read ${context} at ${index}`);
    this.#sayRole(id, before);
  }

  #apply(id: number, speaker: Speaker, entry: Entry): void {
    const text = new TextDecoder().decode(entry.data);
    this.#say(`${id} applies ${entry.index}/${entry.term}${text === "" ? "" : ` ${text}`}`);
    if (entry.type === "config_change") {
      speaker.config = speaker.raft.applyConfigChange(stepsOf(text));
      this.#say(`${id} counts ${describeConfig(speaker.config)}`);
    }
    speaker.applied = entry.index;
    speaker.raft.applied(entry.index);
  }

  #deliver(): void {
    this.#collect();
    const mail = this.#mailbox;
    this.#mailbox = [];
    for (const message of mail) {
      const isLost = this.#cut.has(message.from) || this.#cut.has(message.to) || !this.#speakers.has(message.to);
      this.#say(`${describeMessage(message)}${isLost ? " (lost)" : ""}`);
      if (!isLost) this.#step(message);
      if (message.type === "snapshot") this.#speakers.get(message.from)?.raft.reportSnapshot(message.to, !isLost);
    }
  }

  #step(message: RaftMessage): void {
    const { raft } = this.#speaker(message.to);
    const before = raft.status();
    raft.step(message);
    raft.tellCommit();
    this.#sayRole(message.to, before);
  }

  #settle(): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      let isQuiet = true;
      for (const [id, { raft, ready }] of this.#speakers) {
        if (ready !== null || !raft.hasReady()) continue;
        isQuiet = false;
        this.#takeReady(id);
        this.#write(id);
      }
      this.#collect();
      if (isQuiet && this.#mailbox.length === 0) return;
      this.#deliver();
    }
    this.#say("still talking");
  }

  #collect(): void {
    for (const { raft } of this.#speakers.values()) this.#mailbox.push(...raft.takeMessages());
  }

  #status(): void {
    for (const [id, { raft }] of this.#speakers) {
      const { role, term, leader, commit, applied } = raft.status();
      this.#say(`${id} ${role} term ${term} leader ${leader || "none"} commit ${commit} applied ${applied}`);
    }
  }

  #sayRole(id: number, before: { readonly role: string; readonly term: number }): void {
    const { role, term } = this.#speaker(id).raft.status();
    if (role !== before.role) this.#say(`${id} becomes ${role} in term ${term}`);
  }

  #speaker(id: number): Speaker {
    const speaker = this.#speakers.get(id);
    if (speaker === undefined) throw new Error(`there is no member ${id}`);
    return speaker;
  }

  #say(line: string): void {
    this.#output.push(line);
  }
}

/** "add_voter 3, remove 1"; nothing ends a joint change. */
function stepsOf(text: string): readonly ConfigChangeStep[] {
  return text
    .split(", ")
    .filter((step) => step !== "")
    .map((step) => {
      const [action, raftId] = step.split(" ");
      return { action: action as ConfigChangeAction, raftId: Number(raftId) };
    });
}

function describeConfig({ voters, votersOutgoing, learners, learnersNext }: ConfigState): string {
  const parts = [`voters ${voters}`, `learners ${learners.join(",") || "none"}`];
  if (votersOutgoing.length > 0) parts.push(`and outgoing voters ${votersOutgoing}`);
  if (learnersNext.length > 0) parts.push(`learners next ${learnersNext}`);
  return parts.join(" ");
}
