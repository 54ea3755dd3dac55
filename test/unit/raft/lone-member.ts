import { expect } from "vitest";
import { EMPTY_CONFIG } from "../../../src/raft/config-change.js";
import type { ConfigState, RaftMessage } from "../../../src/raft/message.js";
import { messageOf } from "../../../src/raft/outbox.js";
import { Raft, type RaftOptions } from "../../../src/raft/raft.js";
import type { Ready } from "../../../src/raft/ready.js";
import { MemoryDisk } from "./memory-disk.js";

export const bytes = (text: string) => new TextEncoder().encode(text);

/** Member 1 of a group, and a driver that does at once what it is asked. */
export function member(voters: number[], learners: number[] = [], settings: Partial<RaftOptions> = {}) {
  const config: ConfigState = { ...EMPTY_CONFIG, voters, learners };
  const disk = new MemoryDisk({ term: 1, vote: 0, commit: 1 }, { meta: { index: 1, term: 1, config }, state: { index: 1, digest: 0, registers: new Map() } });
  const options = {
    id: 1,
    storage: disk,
    electionTicks: 5,
    heartbeatTicks: 1,
    random: { next: () => 0 },
    bytesPerMessageMax: 100,
    inflightMessagesMax: 2,
    inflightBytesMax: 1_000_000,
    applied: 1,
    ...settings,
  };
  const raft = new Raft(options);
  /** What is committed is not applied. */
  const persist = (ready: Ready) => {
    disk.begin(ready, null);
    disk.complete();
    raft.persisted(ready);
  };
  const write = (ready: Ready) => {
    persist(ready);
    for (const entry of ready.committed) raft.applied(entry.index);
  };
  /** Takes and carries out all there is; gives back what was sent. */
  const drive = () => {
    raft.tellCommit();
    const sent: RaftMessage[] = [...raft.takeMessages()];
    while (raft.hasReady()) {
      const ready = raft.ready();
      write(ready);
      sent.push(...ready.messages, ...ready.messagesAfterPersist);
    }
    return sent;
  };
  const hear = (type: RaftMessage["type"], from: number, parts: Partial<RaftMessage> = {}) =>
    raft.step(messageOf({ type, to: 1, ...parts }, { id: from, term: raft.status().term }));
  /** Wins an election of term 2 with the votes of the first of the others, as few as it takes; nothing of the term is committed yet. */
  const lead = () => {
    const electors = voters.filter((voter) => voter !== options.id).slice(0, Math.floor(voters.length / 2));
    raft.campaign();
    for (const voter of electors) hear("pre_vote_reply", voter, { term: 2 });
    drive();
    for (const voter of electors) hear("vote_reply", voter);
    drive();
    expect(raft.status().role).toBe("leader");
  };
  return { raft, disk, persist, write, drive, hear, lead };
}
