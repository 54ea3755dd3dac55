import { isClusterError } from "../../src/base/errors.js";
import { integerBetween, type Random } from "../../src/base/random.js";
import { type Checker, PropertyViolated } from "./checker.js";
import { encodeCommand } from "./command.js";
import { linearizabilityFault, type Operation } from "./history.js";
import type { SimulatedMember } from "./member.js";

const KEY_COUNT = 4;

interface PendingWrite {
  readonly key: number;
  readonly value: number;
  readonly index: number;
  readonly start: number;
}

/** Those that wait on one member. */
interface PendingWrites {
  writes: PendingWrite[];
  /** No write has a lower index: until that is applied, nobody can be answered. */
  firstIndex: number;
}

/** Clients that write and read registers through any member, remember what they were answered, and judge it at the end. */
export class Clients {
  readonly #random: Random;
  readonly #checker: Checker;
  readonly #trace: (line: () => string) => void;
  readonly #writes = new Map<number, PendingWrites>();
  readonly #reads = new Map<number, { readonly key: number; readonly start: number; readonly memberId: number }>();
  readonly #histories = new Map<number, Operation[]>();
  /** Orders all begins and ends of operations. */
  #time = 0;
  #lastValue = 0;
  #lastContext = 0;

  constructor(options: { readonly random: Random; readonly checker: Checker; readonly trace: (line: () => string) => void }) {
    this.#random = options.random;
    this.#checker = options.checker;
    this.#trace = options.trace;
  }

  /** Proposes 1 to 3 writes at once; false when the member refused. */
  write(member: SimulatedMember): boolean {
    const writes = Array.from({ length: integerBetween(this.#random, 1, 3) }, () => {
      const key = integerBetween(this.#random, 1, KEY_COUNT);
      return { key, value: ++this.#lastValue, start: ++this.#time };
    });
    if (member.raft.role !== "leader") return false;
    const proposal = refusedAsNull(() => member.raft.propose(writes.map(({ key, value }) => encodeCommand({ type: "write", key, value }))));
    if (proposal === null) return false;
    const pending = writes.map(({ key, value, start }, position) => ({ key, value, start, index: proposal.firstIndex + position }));
    const before = this.#writes.get(member.id);
    if (before === undefined) this.#writes.set(member.id, { writes: pending, firstIndex: proposal.firstIndex });
    else {
      for (const write of pending) before.writes.push(write);
      before.firstIndex = Math.min(before.firstIndex, proposal.firstIndex);
    }
    this.#trace(() => `client proposes ${writes.map(({ key, value }) => `${key}=${value}`)} on ${member.id} at ${proposal.firstIndex}`);
    member.pump();
    return true;
  }

  read(member: SimulatedMember): void {
    const key = integerBetween(this.#random, 1, KEY_COUNT);
    // It would refuse, with an error that takes long to make.
    if (member.raft.leader === 0) return;
    const context = ++this.#lastContext;
    this.#reads.set(context, { key, start: ++this.#time, memberId: member.id });
    if (refusedAsNull(() => member.raft.readIndex(context)) === null) this.#reads.delete(context);
    else member.pump();
  }

  /** The member applied something: some of those who wait can be answered. */
  onApplied(member: SimulatedMember): void {
    const { index } = member.machine;
    const pending = this.#writes.get(member.id);
    if (pending !== undefined && pending.firstIndex <= index) {
      const { writes } = pending;
      pending.writes = writes.filter((write) => write.index > index);
      pending.firstIndex = pending.writes.reduce((first, write) => Math.min(first, write.index), Number.POSITIVE_INFINITY);
      for (const write of writes) if (write.index <= index) this.#answerWrite(write);
    }
    for (const { context } of member.takeReads()) this.#answerRead(member, context);
  }

  /** Who waited on the member learns nothing. */
  onCrash(member: SimulatedMember): void {
    for (const write of this.#writes.get(member.id)?.writes ?? []) this.#recordUnknown(write);
    this.#writes.delete(member.id);
    for (const [context, { memberId }] of this.#reads) if (memberId === member.id) this.#reads.delete(context);
  }

  /** How many wait for a read on a member. */
  readsOn(member: SimulatedMember): number {
    return [...this.#reads.values()].filter(({ memberId }) => memberId === member.id).length;
  }

  /** Whether one order of all operations on each register explains every answer. */
  finish(): void {
    for (const { writes } of this.#writes.values()) for (const write of writes) this.#recordUnknown(write);
    this.#writes.clear();
    for (const [key, operations] of this.#histories) {
      const fault = linearizabilityFault(operations);
      if (fault !== null) throw new PropertyViolated(`linearizability of register ${key}: ${fault}`);
    }
  }

  /** A write whose place was taken by another entry never happens. */
  #answerWrite({ key, value, index, start }: PendingWrite): void {
    if (this.#checker.indexOf(value) !== index) return;
    this.#checker.acknowledged(value, index);
    this.#record(key, { kind: "write", value, start, finish: ++this.#time });
  }

  #recordUnknown({ key, value, start }: PendingWrite): void {
    this.#record(key, { kind: "write", value, start, finish: Number.POSITIVE_INFINITY });
  }

  #record(key: number, operation: Operation): void {
    const history = this.#histories.get(key);
    if (history === undefined) this.#histories.set(key, [operation]);
    else history.push(operation);
  }

  #answerRead(member: SimulatedMember, context: number): void {
    const read = this.#reads.get(context);
    if (read === undefined) return;
    this.#reads.delete(context);
    const value = member.machine.read(read.key);
    const finish = ++this.#time;
    this.#trace(() => `client reads ${read.key}=${value} on ${member.id}, from ${read.start} to ${finish}`);
    this.#checker.counts.reads++;
    this.#record(read.key, { kind: "read", value, start: read.start, finish });
  }
}

/** Runs what a member may refuse for an expected reason. */
export function refusedAsNull<T>(call: () => T): T | null {
  try {
    return call();
  } catch (cause) {
    if (isClusterError(cause)) return null;
    throw cause;
  }
}
