import { type ClusterError, isClusterError } from "../../src/base/errors.js";
import { silentLogger } from "../../src/base/log.js";
import { integerBetween, type Random } from "../../src/base/random.js";
import { isMember } from "../../src/raft/config-change.js";
import type { ConfigState, RaftMessage } from "../../src/raft/message.js";
import { Raft } from "../../src/raft/raft.js";
import type { Ready } from "../../src/raft/ready.js";
import { EarlyCampaign } from "../../src/replica/early-campaign.js";
import type { Checker } from "./checker.js";
import { decodeCommand } from "./command.js";
import type { SimulatedDisk, StoredSnapshot } from "./disk.js";
import { EMPTY_STATE, Machine, type MachineState } from "./machine.js";
import { Platter } from "./platter.js";
import { StepClock } from "./step-clock.js";

export interface MemberSettings {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** As it arrives: a leader that lives is not silent for longer, where no message is lost and no clock is slow. */
  readonly heartbeatMs: number;
  readonly bytesPerMessageMax: number;
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Steps that a synced write takes: 0 to this many. */
  readonly writeDelayMax: number;
  /** Steps that applying may take: 0 to this many. */
  readonly applyDelayMax: number;
  /** Applied entries between snapshots. */
  readonly snapshotEvery: number;
  /** Entries kept before a snapshot, at most. */
  readonly tailMax: number;
  /** Bytes of entries that a batch may have to be kept in the tail file. */
  readonly keptBytesMax: number;
}

/** What a member reaches of the world. */
export interface MemberWorld {
  readonly random: Random;
  readonly checker: Checker;
  readonly settings: MemberSettings;
  now(): number;
  send(from: SimulatedMember, messages: readonly RaftMessage[]): void;
  onApplied(member: SimulatedMember): void;
  /** The member learned, from a leader that goes on, that it is none any more. */
  onRemoved(member: SimulatedMember): void;
  /** The member does not start: its log is not what it should be. */
  onRefused(member: SimulatedMember, refusal: ClusterError): void;
  trace(line: () => string): void;
}

export interface PendingRead {
  readonly index: number;
  readonly context: number;
}

/** A member with its driver: the smallest that keeps the obligations of src/raft/README.md. */
export class SimulatedMember {
  readonly id: number;
  readonly disk: SimulatedDisk;
  readonly platter: Platter;
  readonly #world: MemberWorld;
  incarnation = 0;
  /** Ticks of this member's clock for each of a good one's. */
  clockRate = 1;
  #raft: Raft | null = null;
  #machine = new Machine(EMPTY_STATE);
  #config: ConfigState | null = null;
  #write: { readonly ready: Ready; readonly doneAt: number } | null = null;
  /** Durable, and not applied yet: what there is to apply takes its time, too. */
  #applying: { readonly ready: Ready; readonly doneAt: number } | null = null;
  /** Contents of snapshots that arrived and are not installed yet. */
  #staged = new Map<number, MachineState>();
  #reads: PendingRead[] = [];
  #pausedUntil = 0;
  /** Proposed as a member once: its id is used up, also if nothing came of it. */
  wasProposed = false;
  /** Out of the group, and never to be seen again. */
  hasLeft = false;
  /** Still of the group, and never to be seen again. */
  isLost = false;
  #clock: StepClock;
  /** How often it takes its time to apply, of the times that it may: members differ. */
  readonly #slowness: number;
  #earlyCampaign: EarlyCampaign | null = null;

  constructor(id: number, disk: SimulatedDisk, world: MemberWorld) {
    this.id = id;
    this.disk = disk;
    this.platter = new Platter(id, {
      hardState: disk.hardState,
      origin: disk.storedSnapshot?.meta ?? { index: 0, term: 0 },
      keptBytesMax: world.settings.keptBytesMax,
    });
    this.#world = world;
    this.#slowness = world.random.next() ** 2;
    this.#clock = new StepClock(() => world.now());
  }

  get isAlive(): boolean {
    return this.#raft !== null;
  }

  /** Alive and not stalled. */
  get isRunning(): boolean {
    return this.#raft !== null && this.#world.now() >= this.#pausedUntil;
  }

  get isWriting(): boolean {
    return this.#write !== null;
  }

  /** Writing down that it voted. */
  get isVoting(): boolean {
    const vote = this.#write?.ready.hardState?.vote ?? 0;
    return vote !== 0 && (vote !== this.disk.hardState.vote || this.#write?.ready.hardState?.term !== this.disk.hardState.term);
  }

  get raft(): Raft {
    if (this.#raft === null) throw new Error(`member ${this.id} is down`);
    return this.#raft;
  }

  get machine(): Machine {
    return this.#machine;
  }

  /** As it last knew it. */
  get config(): ConfigState | null {
    return this.#config;
  }

  /** Whether it is not to be counted on: gone, or its disk may keep it from starting. */
  get isGone(): boolean {
    return this.hasLeft || this.isLost || this.platter.damage !== null;
  }

  start(): void {
    const { settings, random, checker } = this.#world;
    if (!this.#recover()) return;
    this.incarnation++;
    this.#pausedUntil = 0;
    const snapshot = this.disk.storedSnapshot;
    this.#machine = new Machine(snapshot?.state ?? EMPTY_STATE);
    this.#config = snapshot?.meta.config ?? null;
    checker.holds(this.id, this.#machine.index, this.#machine.digest);
    this.#raft = new Raft({ ...settings, id: this.id, storage: this.disk, random, applied: this.#machine.index });
    this.#earlyCampaign = new EarlyCampaign({
      raft: this.#raft,
      clock: this.#clock,
      random,
      logger: silentLogger,
      heartbeatMs: () => settings.heartbeatMs,
      wake: () => this.pump(),
    });
    this.#world.trace(() => `${this.id} starts: applied ${this.#machine.index}, log ends at ${this.disk.lastIndex()}, term ${this.disk.hardState.term}`);
    this.pump();
  }

  /** False when it is refused. */
  #recover(): boolean {
    const { platter } = this;
    const { promised, attempted, damage } = platter;
    try {
      const found = platter.open();
      this.#world.checker.recovers(this.id, found.state, { promised, attempted });
      if (found.entries.length > 0)
        this.#world.checker.stores(
          this.id,
          found.entries.map(({ entry }) => entry),
          found.state.compacted.term,
        );
      if (damage !== null) this.#world.trace(() => `${this.id} starts although ${damage}`);
      this.disk.restart(found);
      return true;
    } catch (cause) {
      if (!isClusterError(cause)) throw cause;
      this.#world.onRefused(this, cause);
      return false;
    }
  }

  crash(): void {
    this.#raft = null;
    this.#write = null;
    this.#applying = null;
    this.#staged = new Map();
    this.#reads = [];
    this.#earlyCampaign?.stop();
    this.platter.crash(this.#world.random);
    this.#world.trace(() => `${this.id} crashes`);
  }

  /** Nothing happens here for a while, as in a long collection of garbage. */
  pause(steps: number): void {
    this.#pausedUntil = this.#world.now() + steps;
    this.#world.trace(() => `${this.id} stalls for ${steps} steps`);
  }

  tick(): void {
    this.raft.tick();
    this.pump();
  }

  /** Told, rightly or not, that a peer's process is gone. */
  peerLost(peerId: number): void {
    this.#earlyCampaign?.peerLost(peerId);
  }

  /** Does what it has put off until now. */
  runTimers(): void {
    this.#clock.runDue();
  }

  receive(message: RaftMessage, content: MachineState | null): void {
    if (message.snapshot !== null && content !== null) this.#staged.set(message.snapshot.index, content);
    this.#earlyCampaign?.heard(message);
    this.raft.step(message);
    this.pump();
  }

  /** Takes up work until a write has to be waited for. */
  pump(): void {
    const { raft } = this;
    this.#world.send(this, raft.takeMessages());
    while (this.#write === null && this.#applying === null && raft.hasReady()) {
      this.#begin(raft.ready());
      this.#maybeFinish();
    }
  }

  /** Completes the write under way when its time has come. */
  maybeFinishWrite(): void {
    if (this.#maybeFinish()) this.pump();
  }

  #maybeFinish(): boolean {
    const now = this.#world.now();
    if (this.#write !== null && this.#write.doneAt <= now) {
      const { ready } = this.#write;
      this.#write = null;
      this.#persisted(ready);
      this.#applying = { ready, doneAt: now + this.#applyDelay(ready) };
    }
    if (this.#applying === null || this.#applying.doneAt > now) return false;
    const { ready } = this.#applying;
    this.#applying = null;
    this.#finish(ready);
    return true;
  }

  #applyDelay({ committed }: Ready): number {
    const { random, settings } = this.#world;
    if (settings.applyDelayMax === 0 || committed.length === 0 || random.next() > this.#slowness) return 0;
    return integerBetween(random, 0, settings.applyDelayMax);
  }

  #begin(ready: Ready): void {
    this.#world.send(this, ready.messages);
    const first = ready.entries[0];
    if (first !== undefined) this.#world.checker.stores(this.id, ready.entries, ready.snapshot?.term ?? this.disk.term(first.index - 1) ?? 0);
    const snapshot = ready.snapshot === null ? null : this.#stagedSnapshot(ready.snapshot.index, ready);
    this.disk.begin(ready, snapshot);
    this.platter.begin(ready);
    const needsDisk = ready.entries.length > 0 || ready.snapshot !== null || ready.hardState !== null;
    const delay = needsDisk ? integerBetween(this.#world.random, 0, this.#world.settings.writeDelayMax) : 0;
    this.#write = { ready, doneAt: this.#world.now() + delay };
  }

  #persisted(ready: Ready): void {
    this.disk.complete();
    this.platter.complete();
    this.raft.persisted(ready);
    this.#world.send(this, [...ready.messagesAfterPersist, ...this.raft.takeMessages()]);
  }

  #finish(ready: Ready): void {
    if (ready.snapshot !== null) this.#install(this.disk.storedSnapshot!);
    this.#apply(ready);
    this.#reads.push(...ready.readStates);
    this.#world.onApplied(this);
  }

  /** Reads that may be served now. */
  takeReads(): readonly PendingRead[] {
    const due = this.#reads.filter((read) => read.index <= this.#machine.index);
    if (due.length > 0) this.#reads = this.#reads.filter((read) => read.index > this.#machine.index);
    return due;
  }

  #install(snapshot: StoredSnapshot): void {
    this.#machine = new Machine(snapshot.state);
    this.#config = snapshot.meta.config;
    for (const index of this.#staged.keys()) if (index <= snapshot.meta.index) this.#staged.delete(index);
    this.#world.checker.holds(this.id, this.#machine.index, this.#machine.digest);
    this.#world.trace(() => `${this.id} installs snapshot ${snapshot.meta.index}`);
    this.raft.applied(snapshot.meta.index);
  }

  #apply(ready: Ready): void {
    for (const entry of ready.committed) {
      this.#world.checker.applies(this.id, entry);
      this.#machine.apply(entry);
      if (entry.type === "config_change") {
        const command = decodeCommand(entry.data);
        const wasMember = this.#config !== null && isMember(this.#config, this.id);
        this.#config = this.raft.applyConfigChange(command?.type === "members" ? command.steps : []);
        this.#world.trace(() => `${this.id} applies configuration ${describeConfig(this.#config!)}`);
        const { leader } = this.raft.status();
        if (wasMember && !isMember(this.#config, this.id) && leader !== 0 && leader !== this.id) this.#world.onRemoved(this);
      }
      this.raft.applied(entry.index);
    }
    if (ready.committed.length > 0) this.#maybeCompact();
  }

  #maybeCompact(): void {
    const { settings, random } = this.#world;
    const { index } = this.#machine;
    if (this.#config === null || index - (this.disk.storedSnapshot?.meta.index ?? 0) < settings.snapshotEvery) return;
    const tail = integerBetween(random, 0, settings.tailMax);
    this.disk.compact({ meta: { index, term: this.disk.term(index)!, config: this.#config }, state: this.#machine.state() }, tail);
    this.platter.compact(this.disk.firstIndex() - 1);
  }

  #stagedSnapshot(index: number, ready: Ready): StoredSnapshot {
    const state = this.#staged.get(index);
    const config = ready.snapshot?.config;
    if (state === undefined || !config) throw new Error(`member ${this.id} was not given the content of snapshot ${index}`);
    return { meta: { ...ready.snapshot!, config }, state };
  }
}

function describeConfig({ voters, learners, votersOutgoing, learnersNext }: ConfigState): string {
  return `${voters} + ${learners}${votersOutgoing.length > 0 ? ` from ${votersOutgoing} + ${learnersNext}` : ""}`;
}
