import { ClusterError, isClusterError } from "../../src/base/errors.js";
import { silentLogger } from "../../src/base/log.js";
import { integerBetween } from "../../src/base/random.js";
import { isMember } from "../../src/raft/config-change.js";
import type { ConfigState, Entry, RaftMessage, SnapshotMeta } from "../../src/raft/message.js";
import { Raft } from "../../src/raft/raft.js";
import { Driver } from "../../src/replica/driver.js";
import type { DurableLog, LogWrite } from "../../src/replica/durable-log.js";
import { EarlyCampaign } from "../../src/replica/early-campaign.js";
import { Peers } from "../../src/replica/peers.js";
import { reseal } from "../../src/replica/resealing.js";
import type { SnapshotFolder } from "../../src/replica/snapshot-folder.js";
import type { SnapshotProgress } from "../../src/replica/snapshot-frames.js";
import { SnapshotSender } from "../../src/replica/snapshot-sender.js";
import { Snapshotter } from "../../src/replica/snapshotter.js";
import type { Member } from "../../src/wire/generated/raft.js";
import { isDiskError } from "./ailment.js";
import type { CheckedRecords } from "./checked-records.js";
import { PropertyViolated } from "./checker.js";
import { decodeCommand, memberOf, nodeIdOf } from "./command.js";
import { Door } from "./door.js";
import { decodeState, encodeState, Machine } from "./machine.js";
import type { MemberWorld, SimulatedMember } from "./member.js";
import type { Transfer } from "./network.js";
import { STEP_MS, StepClock } from "./step-clock.js";
import type { Stream, StreamAcceptor } from "./stream.js";
import { TickClock } from "./tick-clock.js";
import { SimulatedTransport } from "./transport.js";

/** That of the entry which ends a joint change. */
const NO_CHANGE = { steps: [], places: [] };

/** How often what may be written late is written. */
const FLUSH_TICKS = 20;

/** One for all: nobody asks where it comes from, and to make one takes long. */
const ENDED = new ClusterError("unavailable", "the process ends");

export interface PendingRead {
  readonly index: number;
  readonly context: number;
}

/** What a start of a member finds on its disk, and what opens it. */
export interface ProcessParts {
  readonly log: DurableLog;
  readonly folder: SnapshotFolder;
  readonly codec: CheckedRecords;
}

/** What there is of a member between a start and a crash: the parts of src/replica around a core, put together as GroupMember does. */
export class MemberProcess implements StreamAcceptor {
  readonly #member: SimulatedMember;
  readonly #world: MemberWorld;
  readonly #log: DurableLog;
  readonly #folder: SnapshotFolder;
  readonly #codec: CheckedRecords;
  readonly raft: Raft;
  readonly #driver: Driver;
  readonly #snapshotter: Snapshotter;
  readonly #sender: SnapshotSender;
  readonly #earlyCampaign: EarlyCampaign;
  readonly #transport: SimulatedTransport;
  readonly #peers: Peers;
  readonly #door: Door;
  readonly #clock: StepClock;
  readonly #ticks: TickClock;
  /** Under way to the disk. */
  #write: LogWrite | null = null;
  /** How often what there is to apply at once may still take its time. */
  #stallsLeft = 0;
  #reads: PendingRead[] = [];
  readonly #incoming = new Set<Transfer>();
  #tickCount = 0;
  #isResealing = false;
  readonly #stopping = new AbortController();
  #isOver = false;

  constructor(member: SimulatedMember, world: MemberWorld, parts: ProcessParts) {
    const { settings, random } = world;
    const { log, folder } = parts;
    this.#member = member;
    this.#world = world;
    this.#log = log;
    this.#folder = folder;
    this.#codec = parts.codec;
    this.#clock = new StepClock(() => world.now());
    this.#ticks = new TickClock(this.#clock);
    this.raft = new Raft({ ...settings, id: member.id, storage: log.storage, random, applied: member.machine.index });
    this.#driver = new Driver({
      raft: this.raft,
      log: { append: (write) => this.#append(write), storage: log.storage },
      clock: this.#ticks,
      hooks: this.#hooks(),
      nextTurn: () => this.#applySlowly(),
    });
    const tail = integerBetween(random, 0, settings.tailMax);
    this.#snapshotter = new Snapshotter({
      machine: { snapshot: (signal) => this.#snapshot(signal) },
      log,
      folder,
      logger: silentLogger,
      config: () => ({ snapshotInterval: settings.snapshotEvery, logEntriesForSlowFollowers: tail, keepOldSnapshots: 0, heartbeatTick: 0, electionTick: 0 }),
      phase: () => (member.id % 3) / 3,
      // As hard as it can be: followers fall behind the log again and again.
      expectedOfAll: () => Number.POSITIVE_INFINITY,
      exclusively: (job) => this.#driver.exclusively(job),
    });
    const { membership, self } = member;
    this.#transport = new SimulatedTransport(self, {
      now: () => world.now(),
      dial: (stream) => world.dial(stream),
      hangUp: (stream) => world.network.hangUp(world.now(), stream),
      send: (message, stream) => world.send(member, message, stream),
      sendSnapshot: (stream, outgoing) => world.sendSnapshot(stream, outgoing),
    });
    this.#peers = new Peers({ raftId: member.id, membership, transport: this.#transport });
    this.#door = new Door({
      raftId: member.id,
      membership,
      inbox: { introduced: (other) => this.#introduced(other), deliver: (messages) => this.#deliver(messages) },
      removedNodes: () => member.machine.removedNodes,
    });
    this.#sender = new SnapshotSender({ folder, transport: this.#transport, logger: silentLogger });
    this.#earlyCampaign = new EarlyCampaign({
      raft: this.raft,
      clock: this.#clock,
      random,
      logger: silentLogger,
      heartbeatMs: () => settings.heartbeatMs,
      wake: () => this.pump(),
    });
  }

  run(): void {
    this.#driver.failure.catch((cause: unknown) => {
      if (!isDiskError(cause)) this.#fail(cause);
      else if (!this.#isOver) this.#member.stepsDown(cause);
    });
    this.#driver.start();
  }

  /** The machine is off: nothing of this goes on. */
  end(): void {
    this.#isOver = true;
    this.#stopping.abort(ENDED);
    this.#earlyCampaign.stop();
    this.#peers.stop();
    this.#transport.end();
    for (const stream of this.#door.streams) this.#world.network.redial(this.#world.now(), stream);
    void this.#driver.stop();
    for (const transfer of this.#incoming) transfer.failed(new Error("the receiver crashed"));
  }

  get storage(): DurableLog["storage"] {
    return this.#log.storage;
  }

  /** What is under way to the disk. */
  get write(): LogWrite | null {
    return this.#write;
  }

  tick(): void {
    this.#ticks.tick();
  }

  runTimers(): void {
    this.#clock.runDue();
    this.#transport.step();
  }

  /** The core was asked for something. */
  pump(): void {
    this.#driver.wake();
  }

  peerLost(peerId: number): void {
    this.#earlyCampaign.peerLost(peerId);
  }

  /** Somebody dials; false when it may not come in. */
  accepts(stream: Stream): boolean {
    if (!this.#door.open(stream)) return false;
    this.#world.network.opened(stream, this);
    return true;
  }

  loses(stream: Stream, steps: number): void {
    this.#clock.after(steps * STEP_MS, () => {
      // It may have been opened again meanwhile.
      if (stream.acceptor !== this) this.#door.close(stream);
    });
  }

  /** What a stream brings, or what has been on its way when it ended. What comes before the stream is open here opens it. */
  receive(message: RaftMessage, stream: Stream): void {
    const isWelcome = this.#door.has(stream) || (stream.isOver ? this.#door.admits(stream) : this.accepts(stream));
    if (isWelcome) this.#door.take(stream, message);
  }

  /** How much of a snapshot is here already. */
  received(meta: SnapshotMeta): SnapshotProgress {
    return this.#folder.received(meta);
  }

  /** On a connection of its own, like those of `stream`. `broken`: it ends after so many chunks. */
  receiveSnapshot(
    message: RaftMessage,
    { stream, transfer, broken }: { readonly stream: Stream; readonly transfer: Transfer; readonly broken: number | null },
  ): void {
    const meta = message.snapshot;
    if (meta === null) throw new Error("a snapshot comes with a snapshot message");
    if (!this.#door.admits(stream)) {
      transfer.failed(new ClusterError("permission_denied", "the sender was removed"));
      return;
    }
    this.#incoming.add(transfer);
    const settled = () => this.#incoming.delete(transfer);
    this.#folder.receive(meta, chunksOf(transfer, broken), transfer.after).then(
      () => {
        settled();
        this.#driver.deliver([message]);
        transfer.arrived();
      },
      (cause: unknown) => {
        settled();
        transfer.failed(cause);
        if (!isClusterError(cause) && !isDiskError(cause)) this.#fail(cause);
      },
    );
  }

  #introduced(other: Member): () => void {
    if (this.#member.membership.get(other.raftId)?.address !== other.address) this.#world.checker.counts.introduced++;
    return this.#peers.introduced(other);
  }

  #deliver(messages: readonly RaftMessage[]): void {
    for (const message of messages) {
      if (Object.hasOwn(this.#member.machine.removedNodes, nodeIdOf(message.from)))
        throw new PropertyViolated(`removal: ${this.#member.id} takes a message of ${message.from}, and knows that its node was removed`);
      this.#earlyCampaign.heard(message);
    }
    this.#driver.deliver(messages);
  }

  /** Reads that may be served now. */
  takeReads(): readonly PendingRead[] {
    const { index } = this.#member.machine;
    const due = this.#reads.filter((read) => read.index <= index);
    if (due.length > 0) this.#reads = this.#reads.filter((read) => read.index > index);
    return due;
  }

  #hooks(): ConstructorParameters<typeof Driver>[0]["hooks"] {
    return {
      send: (messages) => this.#send(messages),
      // Clients propose when they like.
      propose: () => undefined,
      ticked: () => {
        this.#peers.tick();
        if (++this.#tickCount % FLUSH_TICKS !== 0) return;
        this.#driver.exclusively(() => this.#log.flush());
        this.#keepKeys();
      },
      turned: () => undefined,
      install: async (snapshot) => {
        await this.#member.restore(this.#folder, snapshot);
        await this.#folder.retain(snapshot, 0);
        this.#peers.replaced();
        this.#reauthorize();
        this.#world.trace(() => `${this.#member.id} installs snapshot ${snapshot.index}`);
      },
      apply: (entry) => this.#apply(entry),
      applied: (index) => {
        this.#world.onApplied(this.#member);
        this.#snapshotter.applied(index);
      },
      readConfirmed: (context, index) => {
        this.#reads.push({ context, index });
        this.#world.onApplied(this.#member);
      },
    };
  }

  #send(messages: readonly RaftMessage[]): void {
    if (this.#isOver) return;
    for (const message of messages) {
      if (message.type === "snapshot" && message.snapshot !== null) {
        this.#sender.send(message, message.snapshot, (ok) => {
          this.raft.reportSnapshot(message.to, ok);
          this.pump();
        });
      } else this.#transport.send([message]);
    }
  }

  #append(write: LogWrite): Promise<void> | null {
    const first = write.entries[0];
    const { checker } = this.#world;
    this.#stallsLeft = this.#world.settings.applyStallsMax;
    if (first !== undefined) checker.stores(this.#member.id, write.entries, write.snapshot?.term ?? this.storage.term(first.index - 1) ?? 0);
    const written = this.#log.append(write);
    if (written === null) return null;
    this.#write = write;
    this.#member.attempts(write);
    return written.then(() => {
      this.#write = null;
      this.#member.keeps(this.#log.state);
    });
  }

  #apply(entry: Entry): void {
    const { checker, settings, random } = this.#world;
    const member = this.#member;
    checker.applies(member.id, entry);
    member.machine.apply(entry);
    if (entry.type === "config_change") this.#applyChange(entry);
    else if (decodeCommand(entry.data)?.type === "remove_node") this.#reauthorize();
    if (this.#stallsLeft > 0 && settings.applyDelayMax > 0 && random.next() < member.slowness) {
      this.#stallsLeft--;
      this.#ticks.spendSlice();
    }
  }

  #applyChange(entry: Entry): void {
    const { id, config: before } = this.#member;
    const command = decodeCommand(entry.data);
    const { steps, places } = command?.type === "members" ? command : NO_CHANGE;
    const config = this.raft.applyConfigChange(steps);
    this.#peers.apply({ steps, members: places.map(memberOf), proposalId: 0 }, config);
    this.#world.onPlaced(places, entry.index);
    this.#world.onChanged(before, config);
    this.#world.trace(() => `${id} applies configuration ${describeConfig(config)}`);
    const { leader } = this.raft;
    if (before !== null && isMember(before, id) && !isMember(config, id) && leader !== 0 && leader !== id) this.#world.onRemoved(this.#member);
  }

  /** A node was removed: what it has open here ends. */
  #reauthorize(): void {
    for (const stream of [...this.#door.streams]) {
      if (this.#door.admits(stream)) continue;
      this.#door.close(stream);
      this.#world.network.redial(this.#world.now(), stream);
    }
  }

  /** As KeyKeeper of src/node does it: a new key is kept before it is used, and those before until nothing is sealed with them any more. */
  #keepKeys(): void {
    const member = this.#member;
    if (this.#isResealing || (member.keys.length === 1 && member.keys[0] === member.wantedKey)) return;
    if (member.keys[0] !== member.wantedKey) member.keys = [member.wantedKey, ...member.keys];
    this.#codec.rotate(member.keys);
    this.#isResealing = true;
    this.#reseal()
      .then(() => {
        if (!this.#isOver) member.keys = member.keys.slice(0, 1);
        this.#world.trace(() => `${member.id} has sealed everything with key ${member.keys}`);
      })
      // It is tried again, like a snapshot of old that is damaged.
      .catch((cause: unknown) => {
        if (!isDiskError(cause) && !isClusterError(cause)) this.#fail(cause);
      })
      .finally(() => {
        this.#isResealing = false;
      });
  }

  #reseal(): Promise<void> {
    const log = this.#log;
    const exclusively = (job: () => Promise<void>) => this.#driver.exclusively(() => this.#member.reseals(log, job));
    return reseal({ log, folder: this.#folder, exclusively, signal: this.#stopping.signal });
  }

  /** What there is to apply takes its time, too. */
  #applySlowly(): Promise<void> {
    const steps = integerBetween(this.#world.random, 0, this.#world.settings.applyDelayMax);
    return new Promise((resolve) => {
      this.#clock.after(steps * STEP_MS, resolve);
    });
  }

  async #snapshot(signal: AbortSignal): Promise<SnapshotMeta> {
    const { machine, membership } = this.#member;
    const meta = { index: machine.index, term: machine.term, config: membership.config };
    try {
      await this.#folder.write({ meta, members: membership.members }, [encodeState(machine.state())], { clock: this.#clock, signal });
    } catch (cause) {
      if (!isDiskError(cause)) this.#fail(cause);
      throw cause;
    }
    return meta;
  }

  #fail(cause: unknown): void {
    if (!this.#isOver) this.#world.onFailed(cause);
  }
}

/** Reads a snapshot as a member's state. */
export async function readState(
  folder: SnapshotFolder,
  place: Pick<SnapshotMeta, "index" | "term">,
): Promise<{ readonly machine: Machine; readonly meta: SnapshotMeta; readonly members: readonly Member[] }> {
  let machine: Machine | null = null;
  const { meta, members } = await folder.read(place, (object) => {
    machine = new Machine(decodeState(object), place.term);
  });
  if (machine === null) throw new Error("a snapshot holds a state");
  return { machine, meta, members };
}

async function* chunksOf({ chunks }: Transfer, broken: number | null): AsyncGenerator<Uint8Array, void, undefined> {
  yield* broken === null ? chunks : chunks.slice(0, broken);
  if (broken !== null) throw new ClusterError("unavailable", "the connection broke");
}

function describeConfig({ voters, learners, votersOutgoing, learnersNext }: ConfigState): string {
  return `${voters} + ${learners}${votersOutgoing.length > 0 ? ` from ${votersOutgoing} + ${learnersNext}` : ""}`;
}
