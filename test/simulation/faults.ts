import { integerBetween, type Random } from "../../src/base/random.js";
import { planConfigChange } from "../../src/raft/config-change.js";
import type { ConfigChangeStep, ConfigState } from "../../src/raft/message.js";
import { isVoter, voteResult } from "../../src/raft/quorum.js";
import type { Checker } from "./checker.js";
import { refusedAsNull } from "./clients.js";
import { encodeCommand, type Place } from "./command.js";
import type { SimulatedMember } from "./member.js";
import type { SimulatedNetwork } from "./network.js";
import type { Profile } from "./profile.js";

/** What the faults act upon. */
export interface FaultyWorld {
  readonly random: Random;
  /** For faults that were added later. */
  readonly later: Random;
  readonly profile: Profile;
  readonly network: SimulatedNetwork;
  readonly members: ReadonlyMap<number, SimulatedMember>;
  /** The newest term whose leader's fate was drawn, and whether it is to be short. */
  fate: { readonly term: number; readonly isFleeting: boolean };
  leader(): SimulatedMember | null;
  /** A machine with an empty disk, and not one of these. */
  addBlank(except: readonly number[]): SimulatedMember;
  /** The machine, or the process alone; by itself it draws which. */
  crash(member: SimulatedMember, what?: "machine" | "process"): void;
  now(): number;
  /** A member that is down goes to another host, if the others can do without it until all know where it is. */
  move(member: SimulatedMember): void;
  /** Members that were removed, and whose nodes were not. */
  readonly removed: Set<number>;
  /** Changes of membership that were proposed. */
  readonly proposed: { readonly index: number; readonly config: ConfigState }[];
  readonly checker: Checker;
  /** Whether the others can decide, by every configuration that any of them knows or may hear of, and by this one. */
  canGoOnWithout(member: SimulatedMember | null, config?: ConfigState): boolean;
  /** Whether there is somebody whom the others have to do without. */
  readonly hasLosses: boolean;
  /** Something was done that may cost a leader its place. */
  disturbed(): void;
  trace(line: () => string): void;
}

/** Does to the world, now and then, what the profile says. */
export function injectFaults(world: FaultyWorld): void {
  const { random, profile, members } = world;
  sometimes(world, profile.crashRate, crashSome);
  sometimes(world, profile.lossRate, loseWrite);
  if (profile.fleetingRate > 0) fleet(world);
  for (const member of members.values()) if (member.isVoting) sometimes(world, profile.crashInVoteRate, () => world.crash(member));
  sometimes(world, profile.damageRate, damageSome);
  sometimes(world, profile.ailRate, ailSome);
  if (profile.hangRate > 0) hang(world);
  sometimes(world, profile.rotateRate, rotate);
  for (const member of members.values())
    if (!member.isUp && !member.hasLeft && !member.isLost) sometimes(world, profile.restartRate, () => restart(world, member));
  sometimes(world, profile.stallRate, () => pick(random, running(world))?.pause(integerBetween(random, 5, 60)));
  if (profile.slowClock < 1) sometimes(world, 0.02, drift);
  sometimes(world, profile.partitionRate, partition);
  if (!world.network.isBroken) sometimes(world, profile.strandRate, strand);
  if (world.network.isBroken) sometimes(world, profile.healRate, heal);
  sometimes(world, profile.membershipRate, changeMembership);
  if (profile.removeNodeRate > 0 && world.later.next() < profile.removeNodeRate) removeNode(world);
  sometimes(world, profile.nudgeRate, nudge);
  sometimes(world, profile.rushRate, rush);
  if (random.next() < profile.flapRate) flap(world);
}

function sometimes(world: FaultyWorld, rate: number, fault: (world: FaultyWorld) => void): void {
  if (world.random.next() >= rate) return;
  world.disturbed();
  fault(world);
}

/** A clock begins to run slow, or well again. */
function drift(world: FaultyWorld): void {
  const { random, profile, members } = world;
  const member = members.get(integerBetween(random, 1, members.size));
  if (member !== undefined) member.clockRate = random.next() < 0.5 ? 1 : profile.slowClock;
}

function heal(world: FaultyWorld): void {
  world.network.heal();
  world.trace(() => "the network heals");
}

/**
 * The flapper's connection from the leader breaks for a moment and it believes, wrongly, that the leader's process is gone; or the leader renews
 * its certificate: then all its connections break for a moment, with a goodbye.
 */
function flap(world: FaultyWorld): void {
  const { random, network, profile } = world;
  const leader = world.leader();
  if (leader === null) return;
  const { heartbeatTicks, electionTicks } = profile.settings;
  if (random.next() < 0.1) {
    const until = world.now() + integerBetween(random, 0, heartbeatTicks);
    for (const id of world.members.keys()) network.flap(leader.id, id, until);
    world.trace(() => `${leader.id} renews its certificate, connected again at ${until}`);
    return;
  }
  if (profile.isAlarmWide && random.next() < 0.3) {
    alarm(world, leader);
    return;
  }
  const flapper = world.members.get(profile.flapperId);
  if (flapper === undefined || flapper === leader || !flapper.isRunning) return;
  const until = world.now() + integerBetween(random, 0, random.next() < 0.5 ? heartbeatTicks + 4 : electionTicks);
  network.flap(leader.id, flapper.id, until);
  world.trace(() => `the connection of ${flapper.id} from ${leader.id} breaks until ${until}`);
  flapper.peerLost(leader.id);
}

/**
 * Several members at once cannot reach the leader by the connections that they made, and believe, wrongly, that its process is gone, again and
 * again. What the leader sends goes its own way.
 */
function alarm(world: FaultyWorld, leader: SimulatedMember): void {
  const { random, network, profile } = world;
  const until = world.now() + integerBetween(random, 0, profile.settings.heartbeatTicks);
  const alarmed = running(world).filter((member) => member !== leader && random.next() < 0.8);
  for (const member of alarmed) {
    network.flapOneWay(member.id, leader.id, until);
    member.peerLost(leader.id);
  }
  world.trace(() => `${alarmed.map(({ id }) => id)} believe that ${leader.id} is gone`);
}

/** Usually one member, with a taste for those in the middle of a write; sometimes all at once, as in a power cut. */
function crashSome(world: FaultyWorld): void {
  const { random } = world;
  const alive = [...world.members.values()].filter((member) => member.isUp);
  const writing = alive.filter((member) => member.isWriting);
  const victim = pick(random, writing.length > 0 && random.next() < 0.7 ? writing : alive);
  const victims = random.next() < 0.15 || victim === undefined ? alive : [victim];
  for (const member of victims) world.crash(member);
}

/** Something happens to the disk of a member that is, or is made to be, down: of a minority at most, which the others need not have. */
function damageSome(world: FaultyWorld): void {
  const { random, members, profile } = world;
  const member = pick(random, [...members.values()]);
  const gone = [...members.values()].filter(({ isLost, disk }) => isLost || disk.damage !== null).length;
  if (member === undefined || member.isGone || gone >= Math.floor((profile.memberCount - 1) / 2) || !world.canGoOnWithout(member)) return;
  world.crash(member, "machine");
  member.disk.corrupt();
  world.checker.counts.damaged++;
  world.trace(() => `the disk of ${member.id} is damaged: ${member.disk.damage}`);
}

/** A disk is full for a while, or some of what is written to it fails. */
function ailSome(world: FaultyWorld): void {
  const { random } = world;
  const member = pick(random, [...world.members.values()]);
  if (member === undefined) return;
  const kind = random.next() < 0.4 ? "full" : "errors";
  const until = world.now() + integerBetween(random, 1, 100);
  member.disk.ailment = { kind, rate: random.next(), until };
  world.trace(() => `the disk of ${member.id} ${kind === "full" ? "is full" : "fails"} until ${until}`);
}

/** A disk answers nothing for a while. Until it does, its member may give way to others. */
function hang(world: FaultyWorld): void {
  const { random, profile, members } = world;
  sometimes(world, profile.hangRate, () => {
    const member = (random.next() < 0.5 ? world.leader() : null) ?? pick(random, [...members.values()]);
    if (member === undefined) return;
    const { electionTicks } = profile.settings;
    member.disk.hangsUntil = world.now() + integerBetween(random, 1, random.next() < 0.5 ? electionTicks : 15 * electionTicks);
    world.trace(() => `the disk of ${member.id} hangs until ${member.disk.hangsUntil}`);
  });
  for (const { disk } of members.values()) if (disk.hangsUntil > world.now()) world.disturbed();
}

function restart(world: FaultyWorld, member: SimulatedMember): void {
  if (world.profile.moveRate > 0 && world.later.next() < world.profile.moveRate) world.move(member);
  member.start();
}

/** The node of somebody who is no member any more is removed from the cluster: whoever knows refuses it. */
function removeNode(world: FaultyWorld): void {
  const leader = world.leader();
  const raftId = pick(world.later, [...world.removed]);
  if (leader === null || raftId === undefined) return;
  const data = encodeCommand({ type: "remove_node", raftId });
  if (refusedAsNull(() => leader.raft.propose([data])) === null) return;
  world.disturbed();
  world.trace(() => `the removal of the node of ${raftId} is proposed on ${leader.id}`);
  leader.pump();
}

/** The cluster wants other data keys: each member sees to it when it looks next. */
function rotate(world: FaultyWorld): void {
  for (const member of world.members.values()) member.wantedKey++;
  world.trace(() => "new data keys are wanted");
}

/** The leader crashes in the middle of a write, and somebody who may have what it loses is out of reach when it comes back. */
function loseWrite(world: FaultyWorld): void {
  const leader = world.leader();
  if (leader?.isWriting !== true) return;
  world.crash(leader);
  const others = [...world.members.keys()].filter((id) => id !== leader.id);
  const witness = pick(world.random, others);
  if (witness !== undefined) isolate(world, witness);
}

/**
 * A new leader reaches two other members at most, and crashes soon: what it wrote is then on few, and older than what the next ones write
 * (the situation of figure 8 of the Raft paper).
 */
function fleet(world: FaultyWorld): void {
  const { random, profile, network } = world;
  const leader = world.leader();
  if (leader === null) return;
  const { term } = leader.raft;
  if (world.fate.term !== term) {
    world.fate = { term, isFleeting: random.next() < profile.fleetingRate };
    if (!world.fate.isFleeting) return;
    world.disturbed();
    const others = [...world.members.keys()].filter((id) => id !== leader.id);
    const reached = Array.from({ length: integerBetween(random, 0, 2) }, () => pick(random, others));
    for (const id of others) {
      if (reached.includes(id)) continue;
      network.block(leader.id, id);
      network.block(id, leader.id);
    }
    world.trace(() => `${leader.id} will lead in term ${term} for a moment, and reaches ${reached}`);
  } else if (world.fate.isFleeting && random.next() < 0.15) {
    world.disturbed();
    world.crash(leader);
    network.heal();
  }
}

/** Somebody who learned of its removal is gone: the leader that told of it may crash, and must not forget it. */
export function bereave(world: FaultyWorld): void {
  if (world.random.next() >= world.profile.bereaveRate) return;
  world.disturbed();
  const leader = world.leader();
  if (leader !== null) world.crash(leader);
}

function isolate(world: FaultyWorld, lonely: number): void {
  for (const id of world.members.keys()) {
    if (id === lonely) continue;
    world.network.block(id, lonely);
    world.network.block(lonely, id);
  }
  world.trace(() => `${lonely} is cut off`);
}

/** Two sides that do not hear each other, one member that hears but is not heard, or single broken links. */
function partition(world: FaultyWorld): void {
  const { random, network } = world;
  const ids = [...world.members.keys()];
  const kind = integerBetween(random, 0, 3);
  const side = new Set(ids.filter(() => random.next() < 0.5));
  const lonely = kind === 3 ? (world.leader()?.id ?? ids[0]) : pick(random, ids);
  const isCut = (from: number, to: number) => {
    if (kind === 0) return side.has(from) !== side.has(to);
    if (kind === 1) return from === lonely;
    if (kind === 2) return random.next() < 0.3;
    return from === lonely || to === lonely;
  };
  for (const from of ids) for (const to of ids) if (from !== to && isCut(from, to)) network.block(from, to);
  world.trace(() => `the network breaks, kind ${kind}, side ${[...side]}, lonely ${lonely}`);
}

/**
 * Who has not applied what the leader has, or is about to apply, is cut off together with as many voters as would elect it by its old configuration, where those left
 * are enough by the new voters. Whoever counts by a configuration that it knows to be old, or by the new voters alone, goes on beside them.
 */
function strand(world: FaultyWorld): void {
  const leader = world.leader();
  if (leader === null) return;
  const { commit, config: inForce } = leader.raft.status();
  const { voters } = world.proposed.findLast(({ index }) => index <= commit)?.config ?? inForce;
  const config = { voters, votersOutgoing: [] };
  for (const member of running(world)) {
    const old = member.config;
    if (member === leader || old === null || !isVoter(old, member.id)) continue;
    const side = new Set([member.id]);
    for (const id of old.voters) {
      if (id !== leader.id && voteResult(config, (voter) => !side.has(voter) && voter !== id) === "won") side.add(id);
    }
    if (voteResult(old, (voter) => side.has(voter)) !== "won" || side.has(leader.id)) continue;
    for (const from of world.members.keys()) for (const to of world.members.keys()) if (side.has(from) !== side.has(to)) world.network.block(from, to);
    world.trace(() => `${member.id} is behind and cut off with ${[...side]}`);
    return;
  }
}

/** Adds, promotes, demotes or removes a member, or several at once, where the leader allows it. */
function changeMembership(world: FaultyWorld): void {
  const { random, profile } = world;
  const leader = world.leader();
  if (leader === null) return;
  const { config } = leader.raft;
  const count = random.next() < profile.jointRate ? integerBetween(random, 2, 4) : 1;
  const steps: ConfigChangeStep[] = [];
  for (let left = count; left > 0; left--) steps.push(...drawStep(world, config, steps));
  const next = steps.length === 0 ? null : refusedAsNull(() => planConfigChange(config, steps));
  if (next === null || !isBearable(world, next)) return;
  const proposal = refusedAsNull(() => leader.raft.proposeConfigChange(encodeCommand({ type: "members", steps, places: placesOf(world, steps) })));
  if (proposal === null) return;
  world.proposed.push({ index: proposal.lastIndex, config: next });
  for (const { raftId } of steps) world.members.get(raftId)!.wasProposed = true;
  world.trace(() => `${steps.map(({ action, raftId }) => `${action} ${raftId}`)} proposed on ${leader.id} at ${proposal.lastIndex}`);
  leader.pump();
}

/** Who comes says where it is. */
function placesOf(world: FaultyWorld, steps: readonly ConfigChangeStep[]): readonly Place[] {
  const ids = new Set(steps.filter(({ action }) => action !== "remove").map(({ raftId }) => raftId));
  return [...ids].map((raftId) => ({ raftId, host: world.members.get(raftId)!.host }));
}

/** Where members are lost for good, or not to be found for now, a change must not make a majority of them. */
function isBearable(world: FaultyWorld, next: ConfigState): boolean {
  return !world.hasLosses || world.canGoOnWithout(null, next);
}

/** One step, or none, of a change that has others already. */
function drawStep(world: FaultyWorld, { voters, learners }: ConfigState, others: readonly ConfigChangeStep[]): readonly ConfigChangeStep[] {
  const { random } = world;
  const choice = random.next();
  if (choice < 0.5) {
    if (voters.length + learners.length >= world.profile.membersMax || world.members.size >= world.profile.membersEverMax) return [];
    const action = random.next() < 0.5 ? "add_voter" : "add_learner";
    return [{ action, raftId: world.addBlank(others.map(({ raftId }) => raftId)).id }];
  }
  const learner = pick(random, learners);
  if (choice < 0.7 && learner !== undefined) return [{ action: "add_voter", raftId: learner }];
  const member = pick(random, [...voters, ...learners]);
  return member === undefined ? [] : [{ action: choice < 0.8 ? "add_learner" : "remove", raftId: member }];
}

/** Things that an operator or the transport asks for. */
function nudge(world: FaultyWorld): void {
  const { random } = world;
  const member = pick(random, running(world));
  if (member === undefined) return;
  const other = pick(random, [...world.members.keys()]);
  const kind = integerBetween(random, 0, 2);
  if (kind === 0) member.raft.campaign();
  if (kind === 1) member.raft.forgetLeader();
  const leader = kind === 2 ? world.leader() : null;
  if (leader !== null && other !== undefined) refusedAsNull(() => leader.raft.transferLeadership(other));
  world.trace(() => `nudge ${kind} of ${leader?.id ?? member.id} towards ${other}`);
  (leader ?? member).pump();
}

/** Nobody trusts the leader any more and all stand at once: the votes split. */
function rush(world: FaultyWorld): void {
  for (const member of running(world)) member.raft.forgetLeader();
  for (const member of running(world)) {
    if (world.random.next() < 0.7) member.raft.campaign();
    member.pump();
  }
}

function running(world: FaultyWorld): readonly SimulatedMember[] {
  return [...world.members.values()].filter((member) => member.isRunning);
}

function pick<T>(random: Random, items: readonly T[]): T | undefined {
  return items[integerBetween(random, 0, items.length - 1)];
}
