import { integerBetween, type Random } from "../../src/base/random.js";
import type { MemberSettings } from "./member.js";
import type { NetworkFaults } from "./network.js";
import { STEP_MS } from "./step-clock.js";

/** What one seed's run is like. Drawn per seed, so that some runs have much of one fault and none of another. */
export interface Profile {
  readonly memberCount: number;
  readonly settings: MemberSettings;
  readonly network: NetworkFaults;
  /** Chance per step that a member's clock ticks. */
  readonly tickRate: number;
  /** Chances per step. */
  readonly crashRate: number;
  /** That a leader crashes in the middle of a write, and somebody who may have what it loses is cut off. */
  readonly lossRate: number;
  /** Of each new leader: that it reaches two others at most, and crashes soon. */
  readonly fleetingRate: number;
  /** Of each member that is writing down its vote. */
  readonly crashInVoteRate: number;
  /** Of each member that is down. */
  readonly restartRate: number;
  readonly stallRate: number;
  readonly partitionRate: number;
  /** That a member whose configuration is old is cut off with those who could elect it by that. */
  readonly strandRate: number;
  /** That a broken network heals. */
  readonly healRate: number;
  /** How much slower than the others' some members' clocks may be: 1 is not at all. */
  readonly slowClock: number;
  readonly membershipRate: number;
  /** The group does not grow beyond so many voters and learners. */
  readonly membersMax: number;
  /** Members that there ever are. */
  readonly membersEverMax: number;
  /** Of a change of membership: that it has several steps. */
  readonly jointRate: number;
  /** Of a member that learns of its removal: that it goes away at once, for ever. */
  readonly departRate: number;
  /** That the leader crashes as soon as somebody has gone away who learned of its removal. */
  readonly bereaveRate: number;
  readonly nudgeRate: number;
  readonly rushRate: number;
  /** That a connection between the leader and the flapper breaks and comes back, or all of the leader's do. */
  readonly flapRate: number;
  /** Index of the member whose connections flap, 1 to memberCount. */
  readonly flapperId: number;
  /** Several members at once may be told wrongly that the leader is gone. */
  readonly isAlarmWide: boolean;
  /** That a member notices that its leader's process is gone. */
  readonly noticeRate: number;
  /** That something happens to what a member has on its disk. */
  readonly damageRate: number;
  /** That a disk is full, or fails, for a while. */
  readonly ailRate: number;
  /** That a disk, of the leader as often as not, answers nothing for a while, which may be many election timeouts. */
  readonly hangRate: number;
  /** Of a crash: that it is of the process alone, and the machine goes on. */
  readonly killShare: number;
  /** That everybody is to have another data key. */
  readonly rotateRate: number;
  /** Of a member that is started again: that it is on another host by then, at another address. */
  readonly moveRate: number;
  /** That the node of a member that was removed is removed from the cluster, too. */
  readonly removeNodeRate: number;
  readonly writeRate: number;
  readonly readRate: number;
}

/** Nothing happens but what is left in a profile. */
const QUIET = {
  crashRate: 0,
  lossRate: 0,
  fleetingRate: 0,
  crashInVoteRate: 0,
  stallRate: 0,
  partitionRate: 0,
  membershipRate: 0,
  nudgeRate: 0,
  rushRate: 0,
  damageRate: 0,
  ailRate: 0,
  hangRate: 0,
  rotateRate: 0,
  strandRate: 0,
  moveRate: 0,
  removeNodeRate: 0,
};

/** Each heartbeat comes in time. */
const PUNCTUAL = { tickRate: 1, slowClock: 1 };

/** `later` is for what a profile did not always have. */
export function drawProfile(random: Random, later: Random): Profile {
  const hangRate = later.next() < 0.25 ? 0.01 * later.next() : 0;
  const moveRate = later.next() < 0.4 ? later.next() : 0;
  const removeNodeRate = later.next() < 0.5 ? 0.05 * later.next() : 0;
  const profile = { ...drawWild(random), hangRate, moveRate, removeNodeRate };
  // Whether connections that flap can unseat a leader shows only where nothing else does.
  if (profile.flapRate === 0 || random.next() < 0.5) return profile;
  if (random.next() < 0.5) return { ...profile, ...QUIET };
  return { ...profile, ...QUIET, ...PUNCTUAL, network: { ...profile.network, dropRate: 0 }, isAlarmWide: true };
}

function drawWild(random: Random): Omit<Profile, "hangRate" | "moveRate" | "removeNodeRate"> {
  const sometimes = (chance: number, rate: number) => (random.next() < chance ? rate * random.next() : 0);
  const heartbeatTicks = integerBetween(random, 1, 3);
  const writeDelayMax = [0, 1, 3, 8][integerBetween(random, 0, 3)]!;
  // An election, two writes long, must be able to end within its timeout when nothing is at fault: raft promises progress only then.
  const electionTicks = Math.max(heartbeatTicks * integerBetween(random, 5, 10), 2 * writeDelayMax + 6);
  const delayMax = [1, 2, 3, 6, 15][integerBetween(random, 0, 4)]!;
  const memberCount = [1, 2, 3, 3, 3, 3, 4, 5, 5, 5][integerBetween(random, 0, 9)]!;
  return {
    memberCount,
    settings: {
      heartbeatTicks,
      heartbeatMs: (heartbeatTicks + delayMax) * STEP_MS,
      electionTicks,
      bytesPerMessageMax: [1, 20, 100, 10_000][integerBetween(random, 0, 3)]!,
      inflightMessagesMax: [1, 2, 8, 64][integerBetween(random, 0, 3)]!,
      inflightBytesMax: [30, 1_000, 1_000_000][integerBetween(random, 0, 2)]!,
      writeDelayMax,
      applyDelayMax: random.next() < 0.3 ? 2 * writeDelayMax : 0,
      applyStallsMax: [1, 1, 4][integerBetween(random, 0, 2)]!,
      snapshotEvery: [10, 30, 100, 1000][integerBetween(random, 0, 3)]!,
      tailMax: integerBetween(random, 0, 20),
      tailBodyMax: [600, 1_000, 8_000][integerBetween(random, 0, 2)]!,
      settledWrites: integerBetween(random, 1, 16),
    },
    network: { dropRate: sometimes(0.6, 0.2), duplicateRate: sometimes(0.5, 0.2), delayMax },
    tickRate: 1 - 0.3 * random.next(),
    crashRate: sometimes(0.7, 0.02),
    lossRate: sometimes(0.3, 0.02),
    fleetingRate: sometimes(0.2, 0.5),
    crashInVoteRate: sometimes(0.4, 0.5),
    restartRate: [0.01, 0.03, 0.1, 0.5][integerBetween(random, 0, 3)]!,
    stallRate: sometimes(0.5, 0.02),
    partitionRate: sometimes(0.7, 0.02),
    healRate: 0.02,
    slowClock: random.next() < 0.3 ? 0.05 + 0.5 * random.next() : 1,
    membershipRate: sometimes(0.6, 0.03),
    membersEverMax: 16,
    membersMax: [2, 3, 5, 7, 7][integerBetween(random, 0, 4)]!,
    jointRate: random.next() < 0.5 ? random.next() : 0,
    departRate: random.next(),
    bereaveRate: sometimes(0.3, 1),
    nudgeRate: sometimes(0.5, 0.02),
    rushRate: sometimes(0.3, 0.05),
    flapRate: sometimes(0.3, 0.3),
    flapperId: integerBetween(random, 1, memberCount),
    isAlarmWide: false,
    noticeRate: random.next(),
    damageRate: sometimes(0.4, 0.02),
    strandRate: sometimes(0.2, 0.5),
    ailRate: sometimes(0.4, 0.008),
    rotateRate: sometimes(0.3, 0.008),
    killShare: random.next() < 0.5 ? random.next() : 0,
    writeRate: 0.05 + 0.6 * random.next(),
    readRate: 0.05 + 0.4 * random.next(),
  };
}
