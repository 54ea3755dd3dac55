import type { Profile } from "./profile.js";
import { STEP_MS } from "./step-clock.js";

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
  hangRate: 0,
  killShare: 0,
  rotateRate: 0,
  strandRate: 0,
  moveRate: 0,
  removeNodeRate: 0,
};
export const SETTINGS: Profile["settings"] = {
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
  settledWrites: 8,
};

/** Little else than split votes and crashes. */
export const CONTENDED: Partial<Profile> = {
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
export const CHURN: Partial<Profile> = {
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
export const FLEETING: Partial<Profile> = {
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
export const SLOW_DISKS: Partial<Profile> = {
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
export const OLD_LEADERS: Partial<Profile> = {
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
export const MOVING: Partial<Profile> = {
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
export const JOINT: Partial<Profile> = {
  ...MOVING,
  jointRate: 0.8,
  partitionRate: 0.05,
  writeRate: 0.2,
  settings: { ...SETTINGS, writeDelayMax: 8, snapshotEvery: 100 },
};

/** Groups so small that a member who learns of its removal, and goes away, is missed by who does not know of it. */
export const LEAVING: Partial<Profile> = {
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
export const BEREAVED: Partial<Profile> = {
  ...LEAVING,
  network: { dropRate: 0, duplicateRate: 0, delayMax: 1 },
  membersMax: 3,
  bereaveRate: 0.8,
  crashRate: 0.002,
  settings: { ...SETTINGS, writeDelayMax: 16, electionTicks: 40 },
};

/** Who is behind by a change of several voters is cut off, with a majority of the old ones, as soon as the leader knows that the change is committed. */
export const STRANDED: Partial<Profile> = {
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
export const AILING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  ailRate: 0.03,
  crashRate: 0.02,
  killShare: 0.5,
  restartRate: 0.1,
  writeRate: 0.3,
  settings: { ...SETTINGS, tailBodyMax: 600 },
};

/** Disks that answer nothing for a while, the leader's above all. */
export const HANGING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  hangRate: 0.01,
  crashRate: 0.002,
  writeRate: 0.3,
  settings: { ...SETTINGS, electionTicks: 10, heartbeatTicks: 2 },
};

/** Leadership is handed over, and leaders crash, while several voters change at once, some of them far behind and in need of a snapshot. */
export const SHIFTING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  membershipRate: 0.2,
  jointRate: 0.7,
  nudgeRate: 0.1,
  stallRate: 0.02,
  crashRate: 0.01,
  killShare: 0.5,
  restartRate: 0.1,
  partitionRate: 0.02,
  healRate: 0.05,
  membersEverMax: 30,
  rotateRate: 0.005,
  writeRate: 0.5,
  settings: { ...SETTINGS, writeDelayMax: 6, snapshotEvery: 10, tailMax: 2, tailBodyMax: 600 },
};

/** Other data keys all the time, and crashes meanwhile. */
export const ROTATING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  rotateRate: 0.02,
  crashRate: 0.02,
  killShare: 0.5,
  partitionRate: 0.01,
  writeRate: 0.3,
  settings: { ...SETTINGS, snapshotEvery: 30 },
};

/** Members come and go, and are on other hosts when they come back; some are cut off meanwhile, or learn of it by a snapshot. */
export const ROAMING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  moveRate: 0.7,
  crashRate: 0.02,
  restartRate: 0.05,
  killShare: 0.5,
  partitionRate: 0.02,
  healRate: 0.01,
  membershipRate: 0.05,
  membersEverMax: 30,
  removeNodeRate: 0.05,
  nudgeRate: 0.02,
  writeRate: 0.3,
  settings: { ...SETTINGS, snapshotEvery: 20, tailMax: 2 },
};

/** The same members all the time, that come back at once, on other hosts, and are cut off now and then: what others notice late is news of a connection that was. */
export const REAPPEARING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  moveRate: 1,
  crashRate: 0.01,
  restartRate: 0.5,
  partitionRate: 0.02,
  healRate: 0.01,
  nudgeRate: 0.02,
  writeRate: 0.2,
  settings: { ...SETTINGS, electionTicks: 10, heartbeatTicks: 2, heartbeatMs: (2 + 3) * STEP_MS },
};

/** Nothing but one connection that flaps, seldom enough for leaders to be taken for stable in between. */
export const FLAPPING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  flapperId: 1,
  flapRate: 0.005,
  writeRate: 0.02,
  readRate: 0.02,
  settings: SETTINGS,
};

/** Several members at once believe that the leader is gone, again and again. */
export const ALARMS: Partial<Profile> = { ...FLAPPING, isAlarmWide: true, flapRate: 0.03 };

/** Crashes in the middle of writes, one after the other. */
export const CRASHING: Partial<Profile> = {
  ...QUIET,
  memberCount: 3,
  crashRate: 0.05,
  writeRate: 0.3,
  readRate: 0.02,
  settings: { ...SETTINGS, writeDelayMax: 8 },
};

/** Disks that change what is on them. */
export const DAMAGED: Partial<Profile> = { ...CRASHING, memberCount: 5, crashRate: 0.01, damageRate: 0.02, settings: SETTINGS };

/** Snapshots all the time, and members that fall behind so far that they need one. */
export const SNAPPING: Partial<Profile> = {
  ...CRASHING,
  partitionRate: 0.02,
  healRate: 0.05,
  membershipRate: 0.05,
  writeRate: 0.5,
  settings: { ...SETTINGS, writeDelayMax: 4, snapshotEvery: 10, tailMax: 2 },
};

/** Members come one after the other, some are slow to apply that, several times in a row, and the network breaks. */
export const GROWING: Partial<Profile> = {
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

/** All of them: none of them may be a defect by itself. */
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
  HANGING,
  SHIFTING,
  ROTATING,
  ROAMING,
  REAPPEARING,
} as const;
