import { type ClusterError, isClusterError } from "../../src/base/errors.js";
import { silentLogger } from "../../src/base/log.js";
import { integerBetween, type Random } from "../../src/base/random.js";
import type { ConfigState, RaftMessage, SnapshotMeta } from "../../src/raft/message.js";
import type { Raft } from "../../src/raft/raft.js";
import type { Disk } from "../../src/replica/disk.js";
import { DurableLog, type LogWrite } from "../../src/replica/durable-log.js";
import type { LogState } from "../../src/replica/log-state.js";
import { resume } from "../../src/replica/newest-snapshot.js";
import { SnapshotFolder } from "../../src/replica/snapshot-folder.js";
import type { SnapshotProgress } from "../../src/replica/snapshot-frames.js";
import { TailFile, type TailSizes } from "../../src/replica/tail-file.js";
import { tailRecordBytes } from "../../src/replica/tail-record.js";
import { Membership } from "../../src/replica/membership.js";
import type { OutgoingSnapshot } from "../../src/replica/transport.js";
import type { Member } from "../../src/wire/generated/raft.js";
import { isDiskError } from "./ailment.js";
import { CheckedRecords } from "./checked-records.js";
import type { Attempt, Checker } from "./checker.js";
import { memberOf, type Place } from "./command.js";
import { DATA_FOLDER, SimulatedDisk, SNAPSHOTS_PATH } from "./disk.js";
import { EMPTY_STATE, encodeState, Machine } from "./machine.js";
import type { SimulatedNetwork, Transfer } from "./network.js";
import { MemberProcess, type PendingRead, readState } from "./process.js";
import type { Stream } from "./stream.js";

/** Where a record of the tail file may begin: as small as what the disk writes at a time. */
const TAIL_BLOCK_BYTES = 128;

export interface MemberSettings {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** As it arrives: a leader that lives is not silent for longer, where no message is lost and no clock is slow. */
  readonly heartbeatMs: number;
  readonly bytesPerMessageMax: number;
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Steps that it takes to make something durable: 0 to this many. */
  readonly writeDelayMax: number;
  /** Steps that applying may take: 0 to this many, so often at a time. */
  readonly applyDelayMax: number;
  readonly applyStallsMax: number;
  /** Applied entries between snapshots. */
  readonly snapshotEvery: number;
  /** Entries kept before a snapshot, at most. */
  readonly tailMax: number;
  /** Bytes that a record of the tail file may have. */
  readonly tailBodyMax: number;
  /** Writes that the tail file may be ahead of the database. */
  readonly settledWrites: number;
}

/** What a member reaches of the world. */
export interface MemberWorld {
  readonly random: Random;
  readonly checker: Checker;
  readonly settings: MemberSettings;
  /** Of disks: 0 before it begins. */
  readonly delayMax: number;
  now(): number;
  readonly network: SimulatedNetwork;
  dial(stream: Stream): void;
  /** Without a stream, the sender has no address to send to. */
  send(from: SimulatedMember, message: RaftMessage, stream: Stream | undefined): void;
  sendSnapshot(stream: Stream, outgoing: OutgoingSnapshot): Promise<void>;
  /** The log says at this index where members are. */
  onPlaced(places: readonly Place[], index: number): void;
  /** A configuration is in force, after another. */
  onChanged(before: ConfigState | null, config: ConfigState): void;
  onApplied(member: SimulatedMember): void;
  /** The member learned, from a leader that goes on, that it is none any more. */
  onRemoved(member: SimulatedMember): void;
  /** The member does not start: its log is not what it should be. */
  onRefused(member: SimulatedMember, refusal: ClusterError): void;
  /** The member cannot start, or not go on, as long as its disk fails, and said so. */
  onDiskFailed(member: SimulatedMember, cause: unknown): void;
  /** Something that must not happen. */
  onFailed(cause: unknown): void;
  trace(line: () => string): void;
}

/** A member: its disk, what outlives a crash of it, and the process that runs, if one does. */
export class SimulatedMember {
  readonly id: number;
  readonly disk: SimulatedDisk;
  readonly #world: MemberWorld;
  #process: MemberProcess | null = null;
  /** The start that is under way. */
  #starting: object | null = null;
  machine = new Machine(EMPTY_STATE, 0);
  /** As it last knew it. */
  readonly membership = new Membership();
  /** Whom it was told when it got its place. */
  seeds: readonly Member[] = [];
  /** The host that it is on. Its address is another one there. */
  host: number;
  /** Index of the entry that said so; infinite when none did yet. */
  placedAt = 0;
  /** As of the last write that it waited for: whatever comes, it must not be less. */
  #promised: LogState | null = null;
  /** The write that is under way, or that a crash caught: it may be there or not. */
  #attempted: Attempt | null = null;
  /** Ticks of this member's clock for each of a good one's. */
  clockRate = 1;
  #pausedUntil = 0;
  /** Proposed as a member once: its id is used up, also if nothing came of it. */
  wasProposed = false;
  /** Out of the group, and never to be seen again. */
  hasLeft = false;
  /** Still of the group, and never to be seen again. */
  isLost = false;
  /** Its file of data keys: a change of it is durable at once, or did not happen. */
  keys: readonly number[] = [0];
  /** The data key that the cluster wants. */
  wantedKey = 0;
  /** It writes its state with a new key, which counts as two writes. */
  #isResealing = false;
  /** How often it takes its time to apply, of the times that it may: members differ. */
  readonly slowness: number;

  constructor(id: number, host: number, world: MemberWorld) {
    this.id = id;
    this.host = host;
    this.disk = new SimulatedDisk(world);
    this.#world = world;
    this.slowness = world.random.next() ** 2;
  }

  get self(): Member {
    return memberOf({ raftId: this.id, host: this.host });
  }

  /** Null before it knows one. */
  get config(): ConfigState | null {
    const { config } = this.membership;
    return config.voters.length === 0 ? null : config;
  }

  /** Whatever happens to it, but to its disk, it knows what the log has up to here. */
  knowsFrom(index: number): boolean {
    return this.#promised !== null && this.#promised.commit >= index;
  }

  /** Running, stalled, or about to run. */
  get isUp(): boolean {
    return this.#process !== null || this.#starting !== null;
  }

  /** Running or stalled. */
  get isAlive(): boolean {
    return this.#process !== null;
  }

  get isRunning(): boolean {
    return this.#process !== null && this.#world.now() >= this.#pausedUntil;
  }

  /** Making something durable. */
  get isWriting(): boolean {
    return this.disk.isBusy;
  }

  /** Writing down that it voted. */
  get isVoting(): boolean {
    const hardState = this.#process?.write?.hardState;
    if (!hardState || hardState.vote === 0) return false;
    return hardState.vote !== this.#promised?.vote || hardState.term !== this.#promised.term;
  }

  /** Nothing of the group has reached it. */
  get isBlank(): boolean {
    return this.#promised === null || this.#promised.last.index === 0;
  }

  get process(): MemberProcess {
    if (this.#process === null) throw new Error(`member ${this.id} is down`);
    return this.#process;
  }

  get raft(): Raft {
    return this.process.raft;
  }

  /** Whether it is not to be counted on: gone, or its disk may keep it from starting. */
  get isGone(): boolean {
    return this.hasLeft || this.isLost || this.disk.damage !== null;
  }

  /** Writes what all first members begin with. */
  async found(meta: SnapshotMeta, members: readonly Member[]): Promise<void> {
    const { log, folder } = await this.#open(this.disk.open(), this.#newCodec());
    await folder.write({ meta, members }, [encodeState({ ...EMPTY_STATE, index: meta.index })]);
    await log.create({ raftId: this.id, hardState: { term: meta.term, vote: 0, commit: meta.index }, snapshot: meta, seeds: [] });
    this.keeps(log.state);
  }

  start(): void {
    const starting = {};
    this.#starting = starting;
    this.#start(this.disk.open()).then(
      (process) => {
        if (this.#starting !== starting) return;
        this.#starting = null;
        this.#process = process;
        this.#pausedUntil = 0;
        process.run();
      },
      (cause: unknown) => {
        if (this.#starting !== starting) return;
        this.#starting = null;
        try {
          if (isDiskError(cause)) {
            this.disk.abandon();
            this.stepsDown(cause);
            return;
          }
          if (!isClusterError(cause)) throw cause;
          this.#world.onRefused(this, cause);
        } catch (failure) {
          this.#world.onFailed(failure);
        }
      },
    );
  }

  /** The machine goes off, or the process ends alone. */
  crash(what: "machine" | "process" = "machine"): void {
    this.#starting = null;
    this.#process?.end();
    this.#process = null;
    if (what === "machine") this.disk.crash();
    else this.disk.abandon();
    this.#world.trace(() => `${this.id} crashes, ${what === "machine" ? "and its machine with it" : "alone"}`);
  }

  /** It has noticed that its disk fails, and ends. */
  stepsDown(cause: unknown): void {
    this.#world.onDiskFailed(this, cause);
  }

  /** Nothing happens here for a while, as in a long collection of garbage. */
  pause(steps: number): void {
    this.#pausedUntil = this.#world.now() + steps;
    this.#world.trace(() => `${this.id} stalls for ${steps} steps`);
  }

  /** What it has waited for has happened, or it is time for something. */
  step(): void {
    if (this.#world.now() < this.#pausedUntil) return;
    this.disk.runDue();
    this.#process?.runTimers();
  }

  tick(): void {
    this.#process?.tick();
  }

  /** Told, rightly or not, that a peer's process is gone. */
  peerLost(peerId: number): void {
    this.#process?.peerLost(peerId);
  }

  /** On another host it has another address. */
  moveTo(host: number): void {
    this.host = host;
    this.placedAt = Number.POSITIVE_INFINITY;
  }

  receive(message: RaftMessage, stream: Stream): void {
    this.process.receive(message, stream);
  }

  /** How much of a snapshot is here already; null when nothing runs. */
  received(meta: SnapshotMeta): SnapshotProgress | null {
    return this.#process?.received(meta) ?? null;
  }

  receiveSnapshot(message: RaftMessage, how: { readonly stream: Stream; readonly transfer: Transfer; readonly broken: number | null }): void {
    this.process.receiveSnapshot(message, how);
  }

  /** The core was asked for something. */
  pump(): void {
    this.#process?.pump();
  }

  takeReads(): readonly PendingRead[] {
    return this.process.takeReads();
  }

  /** It is about to be waited for. */
  attempts({ hardState, entries, snapshot }: LogWrite): void {
    const promised = this.#promised;
    if (promised === null) return;
    const { term, vote, commit } = hardState ?? promised;
    this.#attempted = { term, vote, commit, last: entries.at(-1) ?? snapshot ?? promised.last };
  }

  /** It was waited for. */
  keeps(state: LogState | null): void {
    this.#promised = state;
    this.#attempted = null;
    this.#isResealing = false;
  }

  /** It says again, with another key, what it said before. */
  async reseals(log: DurableLog, job: () => Promise<void>): Promise<void> {
    const before = log.state?.sequence;
    this.#isResealing = true;
    await job();
    if (this.disk.logFailedAt !== null) return;
    this.#isResealing = false;
    if (log.state?.sequence !== before) this.keeps(log.state);
  }

  /** Replaces the state by that of a snapshot. */
  async restore(folder: SnapshotFolder, place: Pick<SnapshotMeta, "index" | "term">): Promise<SnapshotMeta> {
    const { machine, meta, members } = await readState(folder, place);
    this.machine = machine;
    this.membership.reset(members, meta.config);
    this.#world.checker.holds(this.id, machine.index, machine.digest);
    return meta;
  }

  /** As Replica does it. */
  async #start(disk: Disk): Promise<MemberProcess> {
    const world = this.#world;
    const { damage } = this.disk;
    const codec = this.#newCodec();
    const { log, folder } = await this.#open(disk, codec);
    world.checker.recovers(this.id, log.state, { promised: this.#promised, attempted: this.#attempted, isResealing: this.#isResealing });
    this.machine = new Machine(EMPTY_STATE, 0);
    if (log.state === null) {
      const seeds = [...this.seeds];
      await log.create({ raftId: this.id, hardState: { term: 0, vote: 0, commit: 0 }, snapshot: null, seeds });
      this.membership.reset(seeds, null);
    } else await this.#resume(log.state, log, folder);
    this.keeps(log.state);
    this.disk.damage = null;
    if (damage !== null) world.trace(() => `${this.id} starts although ${damage}`);
    world.trace(() => `${this.id} starts: applied ${this.machine.index}, log ends at ${log.storage.lastIndex()}, term ${log.state?.term ?? 0}`);
    return new MemberProcess(this, this.#world, { log, folder, codec });
  }

  async #resume(state: LogState, { storage }: DurableLog, folder: SnapshotFolder): Promise<void> {
    const entries = storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Number.POSITIVE_INFINITY) ?? [];
    this.#world.checker.stores(this.id, entries, state.compacted.term);
    const restore = (place: Pick<SnapshotMeta, "index" | "term">) => this.restore(folder, place);
    const snapshot = await resume(state, { directory: DATA_FOLDER, storage, folder, logger: silentLogger, restore });
    if (snapshot === null) this.membership.reset(state.seeds, null);
  }

  #newCodec(): CheckedRecords {
    return new CheckedRecords(this.keys, integerBetween(this.#world.random, 0, 2 ** 32 - 1));
  }

  async #open(disk: Disk, codec: CheckedRecords): Promise<{ readonly log: DurableLog; readonly folder: SnapshotFolder }> {
    const { tailBodyMax, settledWrites } = this.#world.settings;
    const sizes = tailSizesOf(tailBodyMax);
    const folder = await SnapshotFolder.open(SNAPSHOTS_PATH, codec, disk);
    const log = await DurableLog.open({
      directory: DATA_FOLDER,
      codec,
      openTail: (path, options) => TailFile.open(path, { ...options, disk, sizes }),
      disk,
      settledWrites,
    });
    return { log, folder };
  }
}

/** As small as may be, so that it is written round and round. */
function tailSizesOf(sealedBytesMax: number): TailSizes {
  return { bytes: 3 * tailRecordBytes(sealedBytesMax, TAIL_BLOCK_BYTES), blockBytes: TAIL_BLOCK_BYTES, sealedBytesMax };
}
