import type { PlantedBug } from "./planted-bug.js";
import {
  SETTINGS,
  CONTENDED,
  CHURN,
  FLEETING,
  SLOW_DISKS,
  OLD_LEADERS,
  MOVING,
  JOINT,
  LEAVING,
  BEREAVED,
  STRANDED,
  FLAPPING,
  ALARMS,
  CRASHING,
  DAMAGED,
  GROWING,
} from "./planting-profiles.js";

/** In the consensus core, and in what drives it. */
export const PLANTED_IN_CORE: readonly PlantedBug[] = [
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
    isRare: true,
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
        find: "const queue = AFTER_PERSIST.has(message.type) ?",
        replace: 'const queue = AFTER_PERSIST.has(message.type) && (message.type !== "vote_reply" || message.to === message.from) ?',
      },
    ],
    profile: CONTENDED,
  },
  {
    name: "acknowledges entries before they are persisted",
    edits: [
      {
        file: "src/raft/outbox.ts",
        find: "const queue = AFTER_PERSIST.has(message.type) ?",
        replace: 'const queue = AFTER_PERSIST.has(message.type) && (message.type !== "append_reply" || message.to === message.from) ?',
      },
    ],
    profile: CRASHING,
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
    profile: { ...CHURN, memberCount: 4 },
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
    name: "waits for the answer of a member that was removed before its readers may go on",
    edits: [{ file: "src/raft/membership.ts", find: "  answerReads(core, leadership);\n", replace: "" }],
    profile: { ...LEAVING, membersEverMax: 2, crashRate: 0, nudgeRate: 0, readRate: 0.9 },
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
    profile: CHURN,
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
        find: "const outgoing = majorityVote(config.votersOutgoing, vote);",
        replace: 'const outgoing: VoteResult = "won";',
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
      crashRate: 0.04,
      membershipRate: 0.3,
      writeRate: 0.4,
      settings: { ...SETTINGS, writeDelayMax: 4, snapshotEvery: 1_000 },
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
    name: "leaves its tail file behind the database when it starts",
    isRare: true,
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "    await this.#guard(() => this.#tail.write(state.sequence, this.#sealedTail({ state, entries: null })));\n    this.#hasSettled",
        replace: "    this.#hasSettled",
      },
    ],
    profile: { ...CRASHING, crashRate: 0.1, settings: { ...SETTINGS, writeDelayMax: 12, tailBodyMax: 480 } },
  },
  {
    name: "does not write again what only the tail file has",
    edits: [{ file: "src/replica/recovery.ts", find: "return isComplete ? missed : [];", replace: "return isComplete && sequence < 0 ? missed : [];" }],
    profile: CRASHING,
  },
  {
    name: "writes to the tail file that the database has a write, and does not wait until it has",
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "    await this.#level.write([...entries.map((entry) => sealedEntry(this.#codec, entry)), sealedState(this.#codec, next)]);",
        replace:
          "    void this.#level.write([...entries.map((entry) => sealedEntry(this.#codec, entry)), sealedState(this.#codec, next)]).catch(() => undefined);",
      },
    ],
    profile: { ...CRASHING, settings: { ...SETTINGS, writeDelayMax: 8, tailBodyMax: 600 } },
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
    profile: { ...DAMAGED, settings: { ...SETTINGS, tailBodyMax: 600 } },
  },
  {
    name: "believes records whatever their checksums say",
    edits: [
      { file: "test/simulation/checked-records.ts", find: "if (sum !== sumOf(place, plain)) throw", replace: "if (sum < 0 || sumOf(place, plain) < 0) throw" },
      {
        file: "src/replica/log-records.ts",
        find: "if (previous !== null && !sameBytes(linkOf(previous, encoded), link)) throw",
        replace: "if (previous !== null && linkOf(previous, encoded).length === 0) throw",
      },
      { file: "src/replica/recovery.ts", find: "if (!sameBytes(this.#link, last.link)) throw", replace: "if (this.#link.length === 0) throw" },
    ],
    profile: DAMAGED,
  },
  {
    // Each of the two checks makes up for the lack of the other: only without both is the rule broken.
    name: "counts votes by a configuration that it knows to be old",
    isRare: true,
    edits: [
      { file: "src/raft/election.ts", find: "core.isPromotable && !core.log.hasUnappliedConfigChange();", replace: "core.isPromotable;" },
      {
        file: "src/raft/election.ts",
        find: 'if (core.role !== "follower" && core.log.hasUnappliedConfigChange()) core.becomeFollower(core.term);',
        replace: "",
      },
    ],
    profile: { ...GROWING, strandRate: 1 },
  },
];
