import { ClusterError, messageOf } from "../../src/base/errors.js";
import { integerBetween, SeededRandom } from "../../src/base/random.js";
import { isJoint, memberIds } from "../../src/raft/config-change.js";
import type { ConfigState, RaftMessage, SnapshotMeta } from "../../src/raft/message.js";
import { voteResult } from "../../src/raft/quorum.js";
import { NOTHING_RECEIVED } from "../../src/replica/snapshot-frames.js";
import type { OutgoingSnapshot } from "../../src/replica/transport.js";
import { nextTurn } from "../../src/base/next-turn.js";
import { Checker, PropertyViolated } from "./checker.js";
import { Clients, refusedAsNull } from "./clients.js";
import { encodeCommand, type Place } from "./command.js";
import { bereave, type FaultyWorld, injectFaults } from "./faults.js";
import { describeMessage } from "./describe-message.js";
import { LeaderHealth } from "./leader-health.js";
import { EMPTY_STATE } from "./machine.js";
import { type MemberWorld, SimulatedMember } from "./member.js";
import { type Hello, type Letter, SimulatedNetwork, type Transfer } from "./network.js";
import { drawProfile, type Profile } from "./profile.js";
import type { Stream } from "./stream.js";

export interface SimulationOptions {
  readonly seed: number;
  /** Steps with faults; then everything heals and must make progress. */
  readonly steps: number;
  /** Replaces parts of the seed's profile, for a test that wants to see something often. */
  readonly profile?: Partial<Profile>;
  readonly onTrace?: (line: string) => void;
}

export interface SimulationResult {
  readonly seed: number;
  /** Null when every property held. */
  readonly failure: { readonly step: number; readonly message: string; readonly kind: string } | null;
  readonly counts: Checker["counts"] & {
    readonly messages: number;
    /** Steps during which a leader had to stay leader. */
    readonly stable: number;
  };
}

/** By then, every run must have come to rest. */
const HEALING_STEPS_MAX = 20_000;
/** Between a leader and those who hear it. */
const IN_TOUCH: ReadonlySet<RaftMessage["type"]> = new Set(["append", "heartbeat", "append_reply", "heartbeat_reply"]);
/** Draws of what was added later: the runs of the seeds that have none of it stay what they were. */
const LATER_SEEDS = 2 ** 31;
/** How often a member that has moved tells the leader so, until the log says it. */
const REPORT_STEPS = 20;
const NO_FAULTS = { dropRate: 0, duplicateRate: 0, delayMax: 1 };

/** Runs one seed: the same options give the same result and the same trace. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const world = new World(options);
  let failure: SimulationResult["failure"] = null;
  try {
    await world.run(options.steps);
  } catch (cause) {
    failure = { step: world.now(), message: messageOf(cause), kind: cause instanceof Error ? cause.name : typeof cause };
    options.onTrace?.(`${world.now()} FAILED ${cause instanceof Error ? cause.stack : String(cause)}`);
  }
  return { seed: options.seed, failure, counts: { ...world.checker.counts, messages: world.messageCount, stable: world.stableSteps } };
}

class World implements MemberWorld, FaultyWorld {
  readonly random: SeededRandom;
  readonly later: SeededRandom;
  readonly profile: Profile;
  readonly checker: Checker;
  readonly network: SimulatedNetwork;
  readonly members = new Map<number, SimulatedMember>();
  readonly removed = new Set<number>();
  /** By address: whoever is there. */
  readonly #hosts = new Map<string, SimulatedMember>();
  #hostCount = 0;
  readonly #clients: Clients;
  readonly #health: LeaderHealth;
  readonly #onTrace: ((line: string) => void) | undefined;
  #now = 0;
  #isBegun = false;
  #failure: { readonly cause: unknown } | null = null;
  messageCount = 0;
  fate = { term: 0, isFleeting: false };
  readonly proposed: { readonly index: number; readonly config: ConfigState }[] = [];

  constructor(options: SimulationOptions) {
    this.random = new SeededRandom(options.seed);
    this.later = new SeededRandom(options.seed + LATER_SEEDS);
    this.profile = { ...drawProfile(this.random, this.later), ...options.profile };
    this.#onTrace = options.onTrace;
    this.checker = new Checker(1, 1, EMPTY_STATE.digest);
    this.network = new SimulatedNetwork(this.random, this.later, this.profile.network);
    this.#clients = new Clients({ random: this.random, checker: this.checker, trace: (line) => this.trace(line) });
    this.#health = new LeaderHealth(healthLimits(this.profile));
    this.trace(() => `profile ${JSON.stringify(this.profile)}`);
  }

  /** Of disks. */
  get delayMax(): number {
    return this.#isBegun ? this.profile.settings.writeDelayMax : 0;
  }

  get settings() {
    return this.profile.settings;
  }

  get stableSteps(): number {
    return this.#health.watched;
  }

  now(): number {
    return this.#now;
  }

  trace(line: () => string): void {
    this.#onTrace?.(`${this.#now} ${line()}`);
  }

  async run(steps: number): Promise<void> {
    await this.#begin();
    while (this.#now < steps) {
      await this.#step(this.profile.tickRate);
      injectFaults(this);
      // Only there, for the sake of speed.
      if (this.profile.flapRate > 0) this.#health.check(this.members, this.leader(), this.#now);
      if (this.random.next() < this.profile.writeRate) this.#write();
      if (this.random.next() < this.profile.readRate) this.#read();
    }
    this.#heal();
    await this.#awaitProgress();
    if (this.profile.hangRate > 0) await this.#awaitSuccession();
    this.checker.finish();
    this.#clients.finish();
  }

  dial(stream: Stream): void {
    if (this.#hosts.get(stream.peer.address)?.isAlive === true) this.network.dial(this.#now, stream);
    else this.network.redial(this.#now, stream);
  }

  send(from: SimulatedMember, message: RaftMessage, stream: Stream | undefined): void {
    this.messageCount++;
    this.checker.sends(message, from.disk.logFailedAt, this.#now);
    if (message.type === "append" || message.type === "heartbeat") this.checker.leads(from.id, message.term, from.process.storage);
    if (stream !== undefined) this.network.send(this.#now, message, { stream, transfer: null });
    else this.trace(() => `${from.id} does not know where ${message.to} is: ${message.type} not sent`);
  }

  /** What is read while the sender lives arrives, if at all, later and at once. */
  async sendSnapshot(stream: Stream, { message, after }: OutgoingSnapshot): Promise<void> {
    const meta = snapshotIn(message);
    const rest = await after(this.#receiverOf(stream)?.received(meta) ?? NOTHING_RECEIVED);
    const chunks: Uint8Array[] = [];
    for await (const chunk of rest.chunks()) chunks.push(chunk);
    this.messageCount++;
    await new Promise<void>((arrived, failed) => {
      const transfer: Transfer = { chunks, after: rest.received, arrived, failed };
      this.network.send(this.#now, message, { stream, transfer });
    });
  }

  onFailed(cause: unknown): void {
    this.#failure ??= { cause };
  }

  onApplied(member: SimulatedMember): void {
    this.#clients.onApplied(member);
  }

  onRemoved(member: SimulatedMember): void {
    const wantsToLeave = this.random.next() < this.profile.departRate;
    member.hasLeft = wantsToLeave && (!this.hasLosses || this.canGoOnWithout(member));
  }

  onPlaced(places: readonly Place[], index: number): void {
    for (const { raftId, host } of places) {
      const member = this.members.get(raftId);
      if (member?.host === host) member.placedAt = Math.min(member.placedAt, index);
    }
  }

  onChanged(before: ConfigState | null, config: ConfigState): void {
    if (before === null) return;
    const left = memberIds(config);
    for (const id of memberIds(before)) if (!left.includes(id)) this.removed.add(id);
  }

  onDiskFailed(member: SimulatedMember, cause: unknown): void {
    this.checker.stepsDown(member.id, cause);
    this.trace(() => `${member.id} ends: ${messageOf(cause)}`);
    this.crash(member);
    this.disturbed();
  }

  onRefused(member: SimulatedMember, refusal: ClusterError): void {
    this.checker.refuses(member.id, refusal, member.disk.damage);
    member.isLost = true;
    this.trace(() => `${member.id} refuses to start: ${refusal.message}`);
  }

  canGoOnWithout(member: SimulatedMember | null, config?: ConfigState): boolean {
    const gone = [...this.members.values()].filter((other) => other === member || other.isGone || this.#isAstray(other)).map(({ id }) => id);
    const known = [...this.members.values()].filter((other) => other === member || !other.isGone).map((other) => other.config);
    const configs = [...known, ...this.#pendingConfigs, config].filter((one) => one !== null && one !== undefined);
    return configs.every((one) => voteResult(one, (id) => !gone.includes(id)) === "won");
  }

  /** The newest that may be committed counts, too, when all who applied it are gone. */
  get #pendingConfigs(): readonly ConfigState[] {
    const { committedMax } = this.checker;
    const settled = this.proposed.findLast(({ index }) => index <= committedMax);
    return this.proposed.filter((change) => change === settled || change.index > committedMax).map((change) => change.config);
  }

  get hasLosses(): boolean {
    return [...this.members.values()].some((member) => member.isLost || member.disk.damage !== null || this.#isAstray(member));
  }

  /** It has moved, and not everybody in the group knows where to for good. */
  #isAstray({ id, placedAt }: SimulatedMember): boolean {
    if (placedAt === 0) return false;
    const pending = this.#pendingConfigs;
    const group = new Set(pending.length > 0 ? pending.flatMap(memberIds) : this.members.keys());
    return [...this.members.values()].some((other) => other.id !== id && group.has(other.id) && !other.hasLeft && !other.isLost && !other.knowsFrom(placedAt));
  }

  move(member: SimulatedMember): void {
    if (!this.canGoOnWithout(member)) return;
    this.#hosts.delete(member.self.address);
    member.moveTo(++this.#hostCount);
    this.#hosts.set(member.self.address, member);
    this.trace(() => `${member.id} has moved to ${member.self.address}`);
  }

  /**
   * As AddressKeeper and PlaceKeeper of src/node do it: who is not where its own copy of the log says tells the leader, until that has it. They find it by managers of whom
   * the node keeps a list of its own, so here it is enough that the network is whole between the two.
   */
  #reportMoves(): void {
    for (const member of this.members.values()) {
      if (!member.isRunning || (this.#now + member.id) % REPORT_STEPS !== 0 || isWhere(member, member)) continue;
      const leader = this.leader();
      if (leader?.membership.get(member.id) === undefined || isWhere(member, leader) || this.network.isCut(this.#now, member.id, leader.id)) continue;
      const data = encodeCommand({ type: "members", steps: [], places: [{ raftId: member.id, host: member.host }] });
      const proposal = refusedAsNull(() => leader.raft.proposeConfigChange(data));
      if (proposal === null) continue;
      this.trace(() => `${member.id} tells ${leader.id} that it is at ${member.self.address}, at ${proposal.lastIndex}`);
      leader.pump();
    }
  }

  /** The running member that leads in the highest term. */
  leader(): SimulatedMember | null {
    let found: SimulatedMember | null = null;
    for (const member of this.members.values()) {
      if (member.isRunning && member.raft.role === "leader" && member.raft.term > (found?.raft.term ?? 0)) found = member;
    }
    return found;
  }

  addBlank(except: readonly number[]): SimulatedMember {
    const unused = [...this.members.values()].find((member) => !member.wasProposed && member.isBlank && !except.includes(member.id));
    if (unused !== undefined) return unused;
    const member = this.#newMember();
    const leader = this.leader();
    // Not the whole group, which a record of the tail file, as small as it is here, could not hold.
    member.seeds = leader === null ? [member.self] : [leader.self, member.self];
    member.start();
    return member;
  }

  #newMember(): SimulatedMember {
    const member = new SimulatedMember(this.members.size + 1, ++this.#hostCount, this);
    this.members.set(member.id, member);
    this.#hosts.set(member.self.address, member);
    return member;
  }

  crash(member: SimulatedMember, what: "machine" | "process" = this.random.next() < this.profile.killShare ? "process" : "machine"): void {
    if (!member.isUp) return;
    member.crash(what);
    this.#clients.onCrash(member);
    for (const other of this.members.values()) if (other.isRunning && this.random.next() < this.profile.noticeRate) other.peerLost(member.id);
  }

  disturbed(): void {
    this.#health.disturbed();
  }

  /** All first members know each other by the same snapshot. */
  async #begin(): Promise<void> {
    const voters = Array.from({ length: this.profile.memberCount }, (_, position) => position + 1);
    const config: ConfigState = { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
    const founders = voters.map(() => this.#newMember());
    for (const member of founders) {
      await member.found(
        { index: 1, term: 1, config },
        founders.map(({ self }) => self),
      );
      member.start();
    }
    await this.#settled();
    this.#isBegun = true;
  }

  async #step(tickRate: number): Promise<void> {
    this.#now++;
    this.network.wear(this.#now);
    for (const envelope of this.network.take(this.#now)) {
      if (envelope.type === "hello") this.#greet(envelope);
      else this.#deliver(envelope);
    }
    if (this.profile.moveRate > 0) this.#reportMoves();
    for (const member of this.members.values()) {
      member.step();
      if (member.isRunning && this.random.next() < tickRate * member.clockRate) member.tick();
    }
    await this.#settled();
    for (const member of this.members.values()) {
      if (!member.hasLeft || !member.isUp) continue;
      this.crash(member);
      bereave(this);
    }
  }

  /** All that follows from what has happened has happened: nothing in a simulation waits for anything but promises of its own. */
  async #settled(): Promise<void> {
    await nextTurn();
    if (this.#failure !== null) throw this.#failure.cause;
  }

  /** Who is where a stream leads, if it is the member that is meant: whoever dials checks that. */
  #receiverOf({ peer }: Stream): SimulatedMember | null {
    const found = this.#hosts.get(peer.address);
    return found?.isAlive === true && found.id === peer.raftId ? found : null;
  }

  #greet(envelope: Hello): void {
    const { stream } = envelope;
    if (stream.isOver || stream.acceptor !== null) return;
    const receiver = this.#receiverOf(stream);
    if (receiver?.isRunning === false) this.network.postpone(this.#now, envelope);
    else if (receiver?.process.accepts(stream) !== true) this.network.redial(this.#now, stream);
    else this.trace(() => `${stream.self.raftId} is connected to ${stream.peer.raftId}`);
  }

  #deliver(envelope: Letter): void {
    const { message, transfer, stream } = envelope;
    const receiver = this.#receiverOf(stream);
    if (receiver === null) {
      transfer?.failed(new ClusterError("unavailable", "nobody answers"));
    } else if (!receiver.isRunning && !envelope.isLost) {
      this.network.postpone(this.#now, envelope);
    } else {
      if (this.#onTrace !== undefined) this.trace(() => `${describeMessage(message)}${envelope.isLost ? ", in part" : ""}`);
      if (transfer !== null)
        receiver.receiveSnapshot(message, { stream, transfer, broken: envelope.isLost ? integerBetween(this.random, 0, transfer.chunks.length) : null });
      else this.#receive(receiver, message, stream);
    }
  }

  #receive(receiver: SimulatedMember, message: RaftMessage, stream: Stream): void {
    if (this.profile.flapRate > 0 && IN_TOUCH.has(message.type)) this.#health.heard(message, message.term, this.#now);
    receiver.receive(message, stream);
  }

  #write(): void {
    const leader = this.random.next() < 0.9 ? this.members.get(this.checker.latestLeader) : this.#anyMember();
    if (leader?.isRunning) this.#clients.write(leader);
  }

  #read(): void {
    const member = this.#anyMember();
    if (member.isRunning) this.#clients.read(member);
  }

  #anyMember(): SimulatedMember {
    return this.members.get(integerBetween(this.random, 1, this.members.size))!;
  }

  #heal(): void {
    this.trace(() => "everything heals");
    this.network.heal();
    this.network.faults = NO_FAULTS;
    for (const member of this.members.values()) {
      member.clockRate = 1;
      member.disk.ailment = null;
      member.disk.hangsUntil = 0;
    }
    this.#startAll();
  }

  #startAll(): void {
    for (const member of this.members.values()) if (!member.isUp && !member.hasLeft && !member.isLost) member.start();
  }

  /** Once all faults are over, a write commits and every member of the group applies it; logs and states advance all the while. */
  async #awaitProgress(): Promise<void> {
    const { electionTicks } = this.settings;
    const patience = this.#patience;
    const target = this.checker.committedMax + 5;
    let [seen, seenAt] = ["", this.#now];
    for (const end = this.#now + HEALING_STEPS_MAX; this.#now < Math.min(end, seenAt + patience); ) {
      await this.#step(1);
      // Somebody may have yet to notice that its disk failed before.
      this.#startAll();
      const leader = this.leader();
      if (leader === null) continue;
      if (this.checker.committedMax >= target && this.#hasCaughtUp(leader)) return;
      if (this.checker.committedMax < target && this.#now % electionTicks === 0) this.#clients.write(leader);
      const advance = this.#advance(leader);
      if (advance !== seen) [seen, seenAt] = [advance, this.#now];
    }
    const states = [...this.members.values()]
      .filter((member) => member.isAlive)
      .map((member) => ({ ...member.raft.status(), applied: member.machine.index, reads: this.#clients.readsOn(member) }));
    const texts = states.map(
      ({ id, role, term, applied, config, reads }) =>
        `${id}:${role}@${term}/${applied}{${config.voters}+${config.learners}${config.votersOutgoing.length > 0 ? `<${config.votersOutgoing}` : ""}}${reads > 0 ? `, ${reads} reads wait` : ""}`,
    );
    throw new PropertyViolated(
      `progress: ${this.#now - seenAt} steps without any, all faults healed, committed up to ${this.checker.committedMax}: ${texts.join(" ")}`,
    );
  }

  /** A leader whose disk answers nothing any more is succeeded by one who acknowledges writes, where the others can decide, as soon as they have all of its log. */
  async #awaitSuccession(): Promise<void> {
    const hung = this.leader();
    if (hung === null || !this.canGoOnWithout(hung)) return;
    hung.disk.hangsUntil = Number.POSITIVE_INFINITY;
    this.trace(() => `the disk of ${hung.id} hangs for ever`);
    this.#clients.write(hung);
    let { acknowledged } = this.checker.counts;
    let [seen, seenAt] = ["", this.#now];
    while (this.#now < seenAt + this.#patience) {
      await this.#step(1);
      const leader = this.leader();
      if (leader === hung) ({ acknowledged } = this.checker.counts);
      else if (leader !== null && this.#now % this.settings.electionTicks === 0) this.#clients.write(leader);
      if (this.checker.counts.acknowledged > acknowledged) return;
      const advance = leader === hung ? this.#advance(hung) : seen;
      if (advance !== seen) [seen, seenAt] = [advance, this.#now];
    }
    throw new PropertyViolated(`progress: the disk of the leader ${hung.id} hangs, and ${this.#patience} steps later no write was acknowledged`);
  }

  /** Steps without any progress, when all is well, that are too many. */
  get #patience(): number {
    const { electionTicks, writeDelayMax, applyDelayMax, applyStallsMax } = this.settings;
    return 20 * electionTicks + 20 * (writeDelayMax + 1) + 4 * applyDelayMax * applyStallsMax;
  }

  /** How far all members are: it changes as long as there is progress. */
  #advance(leader: SimulatedMember): string {
    const matches = [...leader.raft.status().progress.values()].map((progress) => progress.match);
    return [...matches, ...[...this.members.values()].map((member) => member.machine.index)].join(" ");
  }

  #hasCaughtUp(leader: SimulatedMember): boolean {
    const { config } = leader.raft;
    return (
      !isJoint(config) &&
      memberIds(config).every((id) => {
        const member = this.members.get(id)!;
        if (member.isLost) return true;
        this.checker.holds(id, member.machine.index, member.machine.digest);
        return member.machine.index >= this.checker.committedMax && this.#clients.readsOn(member) === 0;
      })
    );
  }
}

/** Whether a member is where somebody's copy of the log says. */
function isWhere(member: SimulatedMember, by: SimulatedMember): boolean {
  return by.membership.get(member.id)?.address === member.self.address;
}

function snapshotIn({ snapshot }: RaftMessage): SnapshotMeta {
  if (snapshot === null) throw new Error("a snapshot comes with a snapshot message");
  return snapshot;
}

/** Half an election timeout of silence is far from one; what was under way is over after a few of them, writes, delays and stalls. */
function healthLimits({ settings, network, flapperId, stallRate }: Profile): ConstructorParameters<typeof LeaderHealth>[0] {
  const { electionTicks, writeDelayMax } = settings;
  return {
    patience: 4 * electionTicks + 8 * (writeDelayMax + network.delayMax) + (stallRate > 0 ? 120 : 0),
    touchMax: Math.floor(electionTicks / 2),
    flapperId,
  };
}
