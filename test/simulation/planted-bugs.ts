import type { Profile } from "./profile.js";
import { STEP_MS } from "./step-clock.js";

/** A change of one source file, named from the project's root; `find` must be there exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A defect, put into a copy of the sources. */
export interface PlantedBug {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Where the seed's own mixture of faults would show it too seldom. */
  readonly profile?: Partial<Profile>;
  /** Takes many seeds to show: for `npm run sim -- --planted` only, not for every run of the tests. */
  readonly isRare?: boolean;
}

const QUIET: Partial<Profile> = {
  network: { dropRate: 0, duplicateRate: 0, delayMax: 3 },
  tickRate: 1,
  slowClock: 1,
  crashRate: 0,
  lossRate: 0,
  fleetingRate: 0,
  crashInVoteRate: 0,
  restartRate: 0.5,
  stallRate: 0,
  partitionRate: 0,
  healRate: 0.02,
  membershipRate: 0,
  membersMax: 7,
  membersEverMax: 16,
  jointRate: 0,
  departRate: 0,
  bereaveRate: 0,
  nudgeRate: 0,
  rushRate: 0,
  flapRate: 0,
  isAlarmWide: false,
  noticeRate: 0,
  damageRate: 0,
  ailRate: 0,
  killShare: 0,
  rotateRate: 0,
  strandRate: 0,
};
const SETTINGS: Profile["settings"] = {
  electionTicks: 30,
  heartbeatTicks: 5,
  heartbeatMs: (5 + 3) * STEP_MS,
  writeDelayMax: 3,
  applyDelayMax: 0,
  applyStallsMax: 1,
  bytesPerMessageMax: 100,
  inflightMessagesMax: 8,
  inflightBytesMax: 1_000_000,
  snapshotEvery: 100,
  tailMax: 10,
  tailBodyMax: 8_000,
};

/** Little else than split votes and crashes. */
const CONTENDED: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  network: { dropRate: 0, duplicateRate: 0, delayMax: 15 },
  rushRate: 0.02,
  crashRate: 0.05,
  crashInVoteRate: 0.2,
  writeRate: 0.02,
  readRate: 0.02,
  settings: SETTINGS,
};

/** Leaders come and go before they have told a majority anything, and tell it one entry at a time. */
const CHURN: Partial<Profile> = {
  ...QUIET,
  memberCount: 5,
  network: { dropRate: 0.1, duplicateRate: 0, delayMax: 4 },
  lossRate: 0.1,
  partitionRate: 0.08,
  healRate: 0.1,
  rushRate: 0.08,
  writeRate: 0.5,
  readRate: 0.02,
  settings: { ...SETTINGS, electionTicks: 12, heartbeatTicks: 2, writeDelayMax: 2, bytesPerMessageMax: 1, inflightMessagesMax: 1, snapshotEvery: 1_000 },
};

/** Each leader reaches few, and not for long; those that crash stay away for a while. */
const FLEETING: Partial<Profile> = {
  ...CHURN,
  network: { dropRate: 0, duplicateRate: 0, delayMax: 6 },
  lossRate: 0,
  fleetingRate: 1,
  partitionRate: 0,
  healRate: 0.02,
  restartRate: 0.05,
  rushRate: 0.1,
  writeRate: 0.1,
};

/** Disks slower than the network; leaders crash in the middle of a write, with a witness of it out of reach. */
const SLOW_DISKS: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  network: { dropRate: 0, duplicateRate: 0, delayMax: 2 },
  lossRate: 0.05,
  restartRate: 0.1,
  healRate: 0.03,
  writeRate: 0.3,
  readRate: 0.02,
  settings: { ...SETTINGS, electionTicks: 24, heartbeatTicks: 4, writeDelayMax: 8 },
};

/** Old leaders that do not notice: slow clocks, stalls, and links that break. */
const OLD_LEADERS: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  network: { dropRate: 0, duplicateRate: 0.1, delayMax: 6 },
  slowClock: 0.1,
  partitionRate: 0.02,
  writeRate: 0.4,
  readRate: 0.9,
  settings: { ...SETTINGS, electionTicks: 15, heartbeatTicks: 1, writeDelayMax: 1 },
};

/** Members come and go all the time, and disks are so slow that some are changes behind. */
const MOVING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  partitionRate: 0.03,
  membershipRate: 0.5,
  rushRate: 0.02,
  crashRate: 0.01,
  writeRate: 0.05,
  readRate: 0.02,
  settings: { ...SETTINGS, writeDelayMax: 12, snapshotEvery: 1_000 },
};

/** The same, with several members at once. */
const JOINT: Partial<Profile> = {
  ...MOVING,
  jointRate: 0.8,
  partitionRate: 0.05,
  writeRate: 0.2,
  settings: { ...SETTINGS, writeDelayMax: 8, snapshotEvery: 100 },
};

/** Groups so small that a member who learns of its removal, and goes away, is missed by who does not know of it. */
const LEAVING: Partial<Profile> = {
  ...QUIET,
  memberCount: 2,
  membershipRate: 0.1,
  departRate: 1,
  crashRate: 0.02,
  nudgeRate: 0.02,
  writeRate: 0.2,
  readRate: 0.02,
  settings: { ...SETTINGS, writeDelayMax: 8 },
};

/** Who goes away takes the leader along, in a group of two or three. */
const BEREAVED: Partial<Profile> = {
  ...LEAVING,
  network: { dropRate: 0, duplicateRate: 0, delayMax: 1 },
  membersMax: 3,
  bereaveRate: 0.8,
  crashRate: 0.002,
  settings: { ...SETTINGS, writeDelayMax: 16, electionTicks: 40 },
};

/** Who is behind by a change of several voters is cut off, with a majority of the old ones, as soon as the leader knows that the change is committed. */
const STRANDED: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  membershipRate: 0.1,
  jointRate: 1,
  strandRate: 1,
  healRate: 0.005,
  writeRate: 0.5,
  readRate: 0.02,
  settings: { ...SETTINGS, electionTicks: 60, writeDelayMax: 4 },
};

/** Disks that are full, or fail, for a while; processes that end alone, and then with their machine. */
const AILING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  ailRate: 0.03,
  crashRate: 0.02,
  killShare: 0.5,
  restartRate: 0.1,
  writeRate: 0.3,
  settings: { ...SETTINGS, tailBodyMax: 600 },
};

/** Other data keys all the time, and crashes meanwhile. */
const ROTATING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  rotateRate: 0.02,
  crashRate: 0.02,
  killShare: 0.5,
  partitionRate: 0.01,
  writeRate: 0.3,
  settings: { ...SETTINGS, snapshotEvery: 30 },
};

/** Nothing but one connection that flaps, seldom enough for leaders to be taken for stable in between. */
const FLAPPING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  flapperId: 1,
  flapRate: 0.005,
  writeRate: 0.02,
  readRate: 0.02,
  settings: SETTINGS,
};

/** Several members at once believe that the leader is gone, again and again. */
const ALARMS: Partial<Profile> = { ...FLAPPING, isAlarmWide: true, flapRate: 0.03 };

/** Crashes in the middle of writes, one after the other. */
const CRASHING: Partial<Profile> = { ...QUIET, memberCount: 3, crashRate: 0.05, writeRate: 0.3, readRate: 0.02, settings: { ...SETTINGS, writeDelayMax: 8 } };

/** Disks that change what is on them. */
const DAMAGED: Partial<Profile> = { ...CRASHING, memberCount: 5, crashRate: 0.01, damageRate: 0.02, settings: SETTINGS };

/** Snapshots all the time, and members that fall behind so far that they need one. */
const SNAPPING: Partial<Profile> = {
  ...CRASHING,
  partitionRate: 0.02,
  healRate: 0.05,
  membershipRate: 0.05,
  writeRate: 0.5,
  settings: { ...SETTINGS, writeDelayMax: 4, snapshotEvery: 10, tailMax: 2 },
};

/** Members come one after the other, some are slow to apply that, several times in a row, and the network breaks. */
const GROWING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  network: { dropRate: 0, duplicateRate: 0, delayMax: 1 },
  membershipRate: 0.1,
  membersMax: 5,
  membersEverMax: 40,
  departRate: 1,
  strandRate: 0.5,
  healRate: 0.02,
  writeRate: 0.5,
  readRate: 0.02,
  settings: {
    ...SETTINGS,
    electionTicks: 8,
    heartbeatTicks: 1,
    heartbeatMs: (1 + 1) * STEP_MS,
    writeDelayMax: 0,
    applyDelayMax: 15,
    applyStallsMax: 10,
    inflightMessagesMax: 1_000,
    snapshotEvery: 1_000,
  },
};

/** What src/replica does to be durable, left out. Only a simulation that runs it can tell. */
const PLANTED_IN_DURABILITY: readonly PlantedBug[] = [
  {
    name: "goes on before its write is durable",
    edits: [
      {
        file: "src/replica/driver.ts",
        find: "if (written !== null) await written;",
        replace: "written?.catch(() => undefined);",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "sends at once what must wait for the disk",
    edits: [
      {
        file: "src/replica/driver.ts",
        find: "this.#hooks.send(ready.messages);",
        replace: "this.#hooks.send([...ready.messages, ...ready.messagesAfterPersist]);",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "does not wait for its tail file",
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "await bothOf(this.#level.write(batch), this.#tail.write(next.sequence, encodeTailBody({ state, batch })));",
        replace: "void this.#tail.write(next.sequence, encodeTailBody({ state, batch }));\n        await this.#level.write(batch);",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "does not wait for its database",
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "await bothOf(this.#level.write(batch), this.#tail.write(next.sequence, encodeTailBody({ state, batch })));",
        replace: "void this.#level.write(batch);\n        await this.#tail.write(next.sequence, encodeTailBody({ state, batch }));",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "does not write its tail file through",
    edits: [
      {
        file: "src/replica/tail-file.ts",
        find: 'await disk.open(path, "write_through")',
        replace: 'await disk.open(path, "extend")',
      },
    ],
    profile: CRASHING,
  },
  {
    name: "writes one slot of the tail file again and again",
    edits: [
      {
        file: "src/replica/tail-file.ts",
        find: "(sequence % 2) * slotBytesOf",
        replace: "(sequence % 1) * slotBytesOf",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "makes its tail file under its own name",
    isRare: true,
    edits: [
      { file: "src/replica/tail-file.ts", find: 'await disk.open(aside, "replace")', replace: 'await disk.open(path, "replace")' },
      { file: "src/replica/tail-file.ts", find: "    await disk.rename(aside, path);\n", replace: "    void aside;\n" },
    ],
    profile: { ...MOVING, crashRate: 0.05 },
  },
  {
    name: "does not sync the folder of a new tail file",
    edits: [
      {
        file: "src/replica/tail-file.ts",
        find: "    await disk.syncFolder(dirname(path));\n",
        replace: "    dirname(path);\n",
      },
    ],
    profile: { ...MOVING, crashRate: 0.05 },
  },
  {
    name: "cuts its log before the new entries are durable",
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "    await this.#write(\n      next,\n      linked.map(",
        replace:
          "    if (linked[0] !== undefined) await this.#level.clear({ gte: entryKey(linked[0].entry.index), lte: entryKey(Number.MAX_SAFE_INTEGER) });\n    await this.#write(\n      next,\n      linked.map(",
      },
    ],
    profile: { ...CHURN, crashRate: 0.05 },
  },
  {
    name: "clears entries before it is durable that they are not needed",
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "    this.#state = { ...state, compacted: this.storage.compact(index) };",
        replace:
          "    this.#state = { ...state, compacted: this.storage.compact(index) };\n    void this.#level.clear({ gte: entryKey(0), lte: entryKey(index) });",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "compacts before its snapshot is durable",
    edits: [
      {
        file: "src/replica/snapshot-folder.ts",
        find: "    return this.#tracked(\n      writeSnapshotFile(",
        replace: "    return void this.#tracked(\n      writeSnapshotFile(",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "names a snapshot that is not synced",
    edits: [
      {
        file: "src/replica/snapshot-file.ts",
        find: "    await file.sync();\n",
        replace: "",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "does not sync the folder of a new snapshot",
    edits: [
      {
        file: "src/replica/snapshot-file.ts",
        find: "  await disk.syncFolder(dirname(path));\n",
        replace: "  dirname(path);\n",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "takes in a snapshot that is not synced",
    edits: [
      {
        file: "src/replica/incoming-snapshot.ts",
        find: "    await this.#unlessBroken(() => file.sync());\n",
        replace: "",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "does not sync the folder of a snapshot that it took in",
    edits: [
      {
        file: "src/replica/snapshot-folder.ts",
        find: "place));\n    await this.#disk.syncFolder(this.#path);\n",
        replace: "place));\n",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "removes its old snapshot as soon as it has received another",
    isRare: true,
    edits: [
      {
        file: "src/replica/snapshot-folder.ts",
        find: "place));\n    await this.#disk.syncFolder(this.#path);\n",
        replace: "place));\n    await this.#disk.syncFolder(this.#path);\n    await this.retain(place, 0);\n",
      },
    ],
    profile: SNAPPING,
  },
];

/** What is to be done when the disk fails, or only the process ends, left out. */
const PLANTED_IN_FAILURE: readonly PlantedBug[] = [
  {
    name: "acknowledges what it could not write",
    edits: [
      { file: "src/replica/driver.ts", find: "if (written !== null) await written;", replace: "if (written !== null) await written.catch(() => undefined);" },
    ],
    profile: AILING,
  },
  {
    name: "sends what waits for the disk also when that failed",
    edits: [
      {
        file: "src/replica/driver.ts",
        find: "if (written !== null) await written;",
        replace: "await written?.catch((cause: unknown) => {\n      this.#hooks.send(ready.messagesAfterPersist);\n      throw cause;\n    });",
      },
    ],
    profile: AILING,
  },
  {
    name: "tries a failed write again and goes on",
    edits: [{ file: "src/replica/durable-log.ts", find: "      await write();\n", replace: "      await write().catch(write);\n" }],
    profile: AILING,
  },
  {
    name: "goes on after entries could not be cleared",
    isRare: true,
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: ".then(() => this.#guard(() => this.#level.clear({ gte: entryKey(0), lte: entryKey(through) })))",
        replace: ".then(() => this.#level.clear({ gte: entryKey(0), lte: entryKey(through) }))",
      },
    ],
    profile: { ...AILING, settings: { ...SETTINGS, tailBodyMax: 600, snapshotEvery: 10 } },
  },
  {
    name: "syncs a received snapshot again after a sync of it failed",
    isRare: true,
    edits: [
      {
        file: "src/replica/incoming-snapshot.ts",
        find: "    await this.#unlessBroken(() => file.sync());\n",
        replace: "    await file.sync();\n",
      },
    ],
    profile: { ...SNAPPING, ailRate: 0.05, killShare: 0.2 },
  },
  {
    name: "does not sync the name that a killed process gave its tail file",
    isRare: true,
    edits: [{ file: "src/replica/durable-log.ts", find: "if (tail !== null) await disk.syncFolder(directory);", replace: "" }],
    profile: { ...MOVING, crashRate: 0.1, killShare: 0.5 },
  },
  {
    name: "writes over the only good slot of its tail file when it starts",
    edits: [{ file: "src/replica/durable-log.ts", find: "if (recovered?.mayRenewWitness === true) await", replace: "if (recovered !== null) await" }],
    profile: CRASHING,
  },
  {
    name: "believes a slot of the tail file that is not durable",
    isRare: true,
    edits: [
      {
        file: "src/replica/recovery.ts",
        find: 'slots.some((slot) => slot.type === "damaged");',
        replace: "slots.length > 0;",
      },
    ],
    profile: { ...CRASHING, killShare: 0.5, restartRate: 0.2 },
  },
  {
    name: "seals nothing but its snapshots with a new key",
    edits: [{ file: "src/replica/resealing.ts", find: "let next: number | null = 0;", replace: "let next: number | null = null as number | null;" }],
    profile: ROTATING,
  },
  {
    name: "forgets what was being written when the key changed",
    edits: [
      {
        file: "src/replica/resealing.ts",
        find: "await between(() => Promise.resolve(log.storage.lastIndex()));",
        replace: "log.storage.lastIndex();",
      },
    ],
    profile: ROTATING,
  },
  {
    name: "takes a snapshot for sealed anew whose name is not durable",
    isRare: true,
    edits: [{ file: "src/replica/snapshot-folder.ts", find: "power cut.\n    await this.#disk.syncFolder(this.#path);\n", replace: "power cut.\n" }],
    profile: ROTATING,
  },
  {
    name: "seals its snapshots with the old key for ever",
    edits: [{ file: "src/replica/resealing.ts", find: "  await folder.reseal(signal);\n", replace: "" }],
    profile: ROTATING,
  },
  {
    name: "seals one slot of the tail file with a new key, and drops the old one",
    edits: [{ file: "src/replica/durable-log.ts", find: "for (let slot = 0; slot < 2; slot++) {", replace: "for (let slot = 0; slot < 1; slot++) {" }],
    profile: ROTATING,
  },
  {
    name: "drops an old key before the last record that it sealed is gone",
    edits: [
      {
        file: "test/simulation/process.ts",
        find: "    this.#codec.rotate(member.keys);\n",
        replace: "    this.#codec.rotate(member.keys);\n    member.keys = member.keys.slice(0, 1);\n",
      },
    ],
    profile: ROTATING,
  },
  {
    name: "does not wait for a snapshot that is being written under the old key",
    isRare: true,
    edits: [{ file: "src/replica/snapshot-folder.ts", find: "    await Promise.allSettled(this.#writing);\n", replace: "" }],
    profile: { ...ROTATING, rotateRate: 0.05, settings: { ...SETTINGS, snapshotEvery: 10, writeDelayMax: 12 } },
  },
];

/** Each breaks one rule that the safety, or the calm, of the protocol rests on. The checkers must find every one of them. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: "votes twice in a term",
    edits: [
      {
        file: "src/raft/election.ts",
        find: "const isFree = core.vote === message.from || (core.vote === 0 && core.leader === 0) || (isPreVote && message.term > core.term);",
        replace: "const isFree = true;",
      },
    ],
    profile: CONTENDED,
  },
  {
    name: "votes for a candidate whose log lacks entries",
    edits: [
      {
        file: "src/raft/election.ts",
        find: "const isGranted = isFree && core.log.isUpToDate({ index: message.index, term: message.logTerm });",
        replace: "const isGranted = isFree;",
      },
    ],
  },
  {
    name: "compares logs by length alone",
    edits: [
      {
        file: "src/raft/log.ts",
        find: "return position.term > term || (position.term === term && position.index >= index);",
        replace: "return position.index >= index || term < 0;",
      },
    ],
    profile: FLEETING,
  },
  {
    name: "sends a vote before it is persisted",
    isRare: true,
    edits: [
      {
        file: "src/raft/outbox.ts",
        find: "const queue = AFTER_PERSIST.has(parts.type) ?",
        replace: 'const queue = AFTER_PERSIST.has(parts.type) && (parts.type !== "vote_reply" || parts.to === parts.from) ?',
      },
    ],
    profile: CONTENDED,
  },
  {
    name: "acknowledges entries before they are persisted",
    edits: [
      {
        file: "src/raft/outbox.ts",
        find: "const queue = AFTER_PERSIST.has(parts.type) ?",
        replace: 'const queue = AFTER_PERSIST.has(parts.type) && (parts.type !== "append_reply" || parts.to === parts.from) ?',
      },
    ],
  },
  {
    name: "counts the leader's own entries before they are persisted",
    isRare: true,
    edits: [
      {
        file: "src/raft/replication.ts",
        find: 'core.send({ type: "append_reply", to: core.id, index: core.log.lastIndex });',
        replace:
          "core.leadership?.progress.get(core.id)?.maybeAdvance(core.log.lastIndex);\n  if (core.leadership !== null) maybeCommit(core, core.leadership);",
      },
    ],
    profile: SLOW_DISKS,
  },
  {
    name: "forgets its vote in a crash",
    isRare: true,
    edits: [
      {
        file: "src/raft/core.ts",
        find: "this.vote = hardState.vote;",
        replace: "this.vote = 0;",
      },
    ],
    profile: CONTENDED,
  },
  {
    name: "commits an entry of an older term by counting",
    isRare: true,
    edits: [
      {
        file: "src/raft/replication.ts",
        find: " || core.log.term(index) !== core.term",
        replace: "",
      },
    ],
    profile: FLEETING,
  },
  {
    name: "needs no majority where the group is even",
    edits: [
      {
        file: "src/raft/quorum.ts",
        find: "return Math.floor(voters.length / 2) + 1;",
        replace: "return Math.ceil(voters.length / 2);",
      },
    ],
  },
  {
    name: "counts learners among the voters",
    edits: [
      {
        file: "src/raft/election.ts",
        find: "if (isVoter(core.config, from) && !core.votes.has(from)) core.votes.set(from, isGranted);\n  const result = voteResult(core.config,",
        replace:
          "core.votes.set(from, isGranted);\n  const result = voteResult({ voters: [...core.votes.keys()].slice(0, core.config.voters.length), votersOutgoing: [] },",
      },
    ],
  },
  {
    // The second check implies the first: only without both is the rule broken.
    name: "changes membership before an entry of the own term is committed",
    isRare: true,
    edits: [
      { file: "src/raft/leader.ts", find: "pendingConfigIndex: core.log.lastIndex,", replace: "pendingConfigIndex: 0," },
      {
        file: "src/raft/raft.ts",
        find: "if (!hasCommittedInTerm(this.#core)) throw",
        replace: "if (this.#core.term < 0) throw",
      },
    ],
    profile: MOVING,
  },
  {
    name: "changes membership while a change is under way",
    edits: [
      {
        file: "src/raft/raft.ts",
        find: "if (leadership.pendingConfigIndex > log.applied) {",
        replace: "if (log.applied < 0) {",
      },
    ],
    profile: MOVING,
  },
  {
    name: "reads without asking a quorum",
    isRare: true,
    edits: [
      {
        file: "src/raft/leader-reads.ts",
        find: "const confirmed = quorumIndex(config, (raftId) => (raftId === selfId ? this.#lastRound : (this.#acknowledged.get(raftId) ?? 0)));",
        replace: "const confirmed = quorumIndex(config, (raftId) => (raftId === selfId ? this.#lastRound : this.#lastRound));",
      },
    ],
    profile: OLD_LEADERS,
  },
  {
    name: "confirms reads by the answers to the round before",
    isRare: true,
    edits: [
      {
        file: "src/raft/leader-reads.ts",
        find: "const done = this.#rounds.filter((round) => round.number <= confirmed);\n    if (done.length > 0) this.#rounds = this.#rounds.filter((round) => round.number > confirmed);",
        replace:
          "const done = this.#rounds.filter((round) => round.number <= confirmed + 1);\n    if (done.length > 0) this.#rounds = this.#rounds.filter((round) => round.number > confirmed + 1);",
      },
    ],
    profile: { ...OLD_LEADERS, readRate: 0.03 },
  },
  {
    name: "reads before an entry of the own term is committed",
    isRare: true,
    edits: [
      {
        file: "src/raft/leader.ts",
        find: "if (!reads.hasWaiting || reads.isRoundUnderWay || !hasCommittedInTerm(core)) return;",
        replace: "if (!reads.hasWaiting || reads.isRoundUnderWay) return;",
      },
    ],
  },
  {
    name: "serves reads as of an index that is not applied yet",
    edits: [
      {
        file: "test/simulation/process.ts",
        find: "const due = this.#reads.filter((read) => read.index <= index);",
        replace: "const due = this.#reads;",
      },
    ],
  },
  {
    name: "takes the leader's commit for entries of another leader",
    edits: [
      {
        file: "src/raft/leader.ts",
        find: "commit: Math.min(match, core.log.commitInForce), context",
        replace: "commit: Math.max(match, core.log.commit), context",
      },
      {
        file: "src/raft/follower.ts",
        find: "core.log.commitTo(message.commit);",
        replace: "core.log.commitTo(Math.min(message.commit, core.log.lastIndex));",
      },
    ],
    profile: CHURN,
  },
  {
    name: "cuts the log at every append, also at one that came late",
    edits: [
      {
        file: "src/raft/log.ts",
        find: "if (conflict !== -1) this.append(entries.slice(conflict));",
        replace: "if (conflict !== -1 || entries.length > 0) this.append(entries.filter((entry) => entry.index > this.#commit));",
      },
    ],
  },
  {
    name: "takes entries without looking at those before",
    edits: [
      {
        file: "src/raft/log.ts",
        find: "if (!this.matches(after)) return undefined;",
        replace: "if (after.index > this.lastIndex) return undefined;",
      },
    ],
  },
  {
    name: "commits by a majority of the new voters alone",
    isRare: true,
    edits: [
      {
        file: "src/raft/quorum.ts",
        find: "return Math.min(majorityIndex(config.voters, acknowledged), majorityIndex(config.votersOutgoing, acknowledged));",
        replace: "return majorityIndex(config.voters, acknowledged);",
      },
    ],
    profile: STRANDED,
  },
  {
    name: "is elected by a majority of the new voters alone",
    isRare: true,
    edits: [
      {
        file: "src/raft/quorum.ts",
        find: "const results = [majorityVote(config.voters, vote), majorityVote(config.votersOutgoing, vote)];",
        replace: "const results = [majorityVote(config.voters, vote)];",
      },
    ],
    profile: JOINT,
  },
  {
    name: "changes several voters without a joint configuration",
    edits: [
      {
        file: "src/raft/config-change.ts",
        find: "return config.voters.length > 0 && differenceSize(config.voters, voters) > 1 ? enterJoint(config, next) : next;",
        replace: "return differenceSize(config.voters, voters) > 1 ? leaveJoint(enterJoint(config, next)) : next;",
      },
    ],
    profile: JOINT,
  },
  {
    name: "leaves a joint configuration before it is in force",
    edits: [
      {
        file: "src/raft/raft.ts",
        find: 'return this.#append(leadership, [{ type: "config_change", data }]);',
        replace:
          'return this.#append(leadership, [\n      { type: "config_change", data },\n      { type: "config_change", data: new Uint8Array(0) },\n    ]);',
      },
    ],
    profile: JOINT,
  },
  {
    name: "tells of a removal before it knows of it for good",
    isRare: true,
    edits: [
      {
        file: "src/raft/log.ts",
        find: "return Math.min(this.#commit, (this.#pendingChanges[0] ?? Number.POSITIVE_INFINITY) - 1);",
        replace: "return this.#commit;",
      },
    ],
    profile: BEREAVED,
  },
  {
    name: "may forget that a removal is committed",
    edits: [
      {
        file: "src/raft/raft.ts",
        find: 'mustSync: this.#hasToSync() || committed.some((entry) => entry.type === "config_change"),',
        replace: "mustSync: this.#hasToSync(),",
      },
    ],
    profile: { ...LEAVING, crashRate: 0.1, writeRate: 0.02, settings: { ...SETTINGS, writeDelayMax: 1 } },
  },
  {
    name: "asks for votes without a word of what is committed",
    isRare: true,
    edits: [
      {
        file: "src/raft/election.ts",
        find: "logTerm, ...committed, forced: core.isVoteForced });",
        replace: "logTerm, forced: core.isVoteForced || committed.hintIndex < 0 });",
      },
    ],
    profile: {
      ...LEAVING,
      memberCount: 1,
      crashRate: 0.08,
      membershipRate: 0.3,
      writeRate: 0.4,
      settings: { ...SETTINGS, writeDelayMax: 12, snapshotEvery: 1_000 },
    },
  },
  {
    name: "votes a leader out that it hears",
    edits: [
      {
        file: "src/raft/core.ts",
        find: "return this.leader !== 0 && this.electionElapsed < this.electionTicks;",
        replace: "return this.leader === this.id && this.electionElapsed < 0;",
      },
    ],
    profile: FLAPPING,
  },
  {
    name: "stands at once when told that the leader is gone",
    edits: [
      {
        file: "src/replica/early-campaign.ts",
        find: "this.#clock.after(Math.max(this.#heartbeatMs() - silentMs, 0) + LATE_MS,",
        replace: "this.#clock.after(Math.max(-silentMs, 0),",
      },
    ],
    profile: ALARMS,
  },
  {
    name: "makes a new term without asking whether it could win",
    isRare: true,
    edits: [
      {
        file: "src/raft/election.ts",
        find: "if (mayStand(core)) askPreVotes(core);",
        replace: "if (mayStand(core)) {\n    core.becomePreCandidate();\n    askVotes(core, false);\n  }",
      },
    ],
  },
  {
    name: "comes back under its old raft id without its log",
    edits: [
      {
        file: "test/simulation/member.ts",
        find: "    else this.disk.abandon();",
        replace:
          "    else this.disk.abandon();\n    if (this.#world.random.next() < 0.05) {\n      for (const path of ['/data/tail', '/data/log', '/data/snapshots']) this.disk.folders.forget(path);\n      this.#promised = null;\n    }",
      },
    ],
  },
  {
    name: "applies a snapshot without replacing what it had",
    edits: [
      {
        file: "test/simulation/member.ts",
        find: "    this.machine = machine;",
        replace: "    this.machine = new Machine({ ...machine.state(), registers: this.machine.state().registers }, machine.term);",
      },
    ],
  },
  {
    name: "syncs entries, but not its term and vote",
    isRare: true,
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "    if (write.mustSync) return this.#append(write, state, hardState);",
        replace:
          "    if (write.entries.length > 0 || write.snapshot !== null) return this.#append(write, state, hardState);\n    if (write.mustSync) {\n      this.#state = { ...state, ...hardState };\n      this.#isStale = true;\n      this.storage.setHardState(hardState);\n      return null;\n    }",
      },
    ],
    profile: CONTENDED,
  },
  {
    name: "leaves a torn slot of the tail file as it is",
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "if (recovered?.mayRenewWitness === true) await",
        replace: "if (recovered?.mayRenewWitness === true && recovered.state.sequence === 0) await",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "does not write again what only the tail file has",
    edits: [
      {
        file: "src/replica/recovery.ts",
        find: "if (witness === null || witness.batch === null) return null;",
        replace: "if (witness === null || witness.batch === null || witness.sequence > 0) return null;",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "writes the slot of a batch that it does not keep beside the batch",
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "        await this.#level.write(batch);\n        await this.#tail.write(next.sequence, encodeTailBody({ state, batch: null }));",
        replace: "        await bothOf(this.#level.write(batch), this.#tail.write(next.sequence, encodeTailBody({ state, batch: null })));",
      },
    ],
    profile: { ...CRASHING, settings: { ...SETTINGS, tailBodyMax: 600 } },
  },
  {
    name: "starts with less than the tail file vouches for",
    edits: [
      {
        file: "src/replica/recovery.ts",
        find: "if (state.sequence < witness.sequence) throw",
        replace: "if (state.sequence < 0) throw",
      },
    ],
    profile: DAMAGED,
  },
  {
    name: "believes records whatever their checksums say",
    edits: [
      { file: "test/simulation/checked-records.ts", find: "if (sum !== sumOf(place, plain)) throw", replace: "if (sum < 0 || sumOf(place, plain) < 0) throw" },
      { file: "src/replica/recovery.ts", find: "if (!sameBytes(link, plain.subarray(0, LINK_BYTES))) throw", replace: "if (link.length === 0) throw" },
      { file: "src/replica/recovery.ts", find: "if (!sameBytes(this.#link, last.link)) throw", replace: "if (this.#link.length === 0) throw" },
    ],
    profile: DAMAGED,
  },
  ...PLANTED_IN_DURABILITY,
  ...PLANTED_IN_FAILURE,
  {
    // Each of the two checks makes up for the lack of the other: only without both is the rule broken.
    name: "counts votes by a configuration that it knows to be old",
    isRare: true,
    edits: [
      { file: "src/raft/election.ts", find: "core.isPromotable && !core.log.hasUnappliedConfigChange();", replace: "core.isPromotable;" },
      {
        file: "src/raft/election.ts",
        find: 'if (core.role !== "follower" && core.log.hasUnappliedConfigChange()) core.becomeFollower(core.term, 0);',
        replace: "",
      },
    ],
    profile: GROWING,
  },
];

/** The mixtures of faults above: none of them may be a defect by itself. */
export const PLANTING_PROFILES = {
  CONTENDED,
  CHURN,
  FLEETING,
  SLOW_DISKS,
  OLD_LEADERS,
  MOVING,
  JOINT,
  LEAVING,
  FLAPPING,
  ALARMS,
  CRASHING,
  SNAPPING,
  DAMAGED,
  GROWING,
  BEREAVED,
  STRANDED,
  AILING,
  ROTATING,
} as const;
