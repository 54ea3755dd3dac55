import { defined } from "../../src/base/assert.js";
import type { StoreObject } from "../../src/model/objects.js";
import type { Entry } from "../../src/raft/message.js";
import { decodeCommand, nodeIdOf } from "./command.js";

/** Everything a snapshot holds. */
export interface MachineState {
  readonly index: number;
  /** Digest of all entries applied so far, in order. */
  readonly digest: number;
  readonly registers: ReadonlyMap<number, number>;
  /** By node id, as the cluster's object has them. */
  readonly removedNodes?: Readonly<Record<string, number>>;
}

export const EMPTY_STATE: MachineState = { index: 0, digest: 0, registers: new Map() };

/** The replicated state: one register per key. */
export class Machine {
  #index: number;
  #term: number;
  #digest: number;
  #registers: Map<number, number>;
  #removedNodes: Readonly<Record<string, number>>;

  /** `term` is that of the last entry. */
  constructor(state: MachineState, term: number) {
    this.#term = term;
    this.#index = state.index;
    this.#digest = state.digest;
    this.#registers = new Map(state.registers);
    this.#removedNodes = state.removedNodes ?? {};
  }

  get index(): number {
    return this.#index;
  }

  /** Of the last entry that was applied. */
  get term(): number {
    return this.#term;
  }

  get digest(): number {
    return this.#digest;
  }

  get removedNodes(): Readonly<Record<string, number>> {
    return this.#removedNodes;
  }

  /** 0 when nothing was written. */
  read(key: number): number {
    return this.#registers.get(key) ?? 0;
  }

  apply(entry: Entry): void {
    const command = decodeCommand(entry.data);
    if (command?.type === "write") this.#registers.set(command.key, command.value);
    if (command?.type === "remove_node") this.#removedNodes = removedAtAll([...Object.keys(this.#removedNodes), nodeIdOf(command.raftId)]);
    this.#index = entry.index;
    this.#term = entry.term;
    this.#digest = chain(this.#digest, entry);
  }

  state(): MachineState {
    return { index: this.#index, digest: this.#digest, registers: new Map(this.#registers), removedNodes: this.#removedNodes };
  }
}

/** As snapshots hold it. */
export function encodeState({ index, digest, registers, removedNodes = {} }: MachineState): StoreObject {
  const data = Buffer.from(JSON.stringify({ index, digest, registers: [...registers], removedNodes: Object.keys(removedNodes) }));
  return { type: "config", config: { id: "state", meta: null, spec: { name: "state", labels: {}, data, templating: null } } };
}

export function decodeState(object: StoreObject): MachineState {
  const data = object.type === "config" ? object.config.spec?.data : undefined;
  const { index, digest, registers, removedNodes } = JSON.parse(Buffer.from(defined(data, "a snapshot holds a state")).toString());
  return { index, digest, registers: new Map(registers), removedNodes: removedAtAll(removedNodes) };
}

/** Nodes that are never forgotten. */
function removedAtAll(nodeIds: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(nodeIds.map((nodeId) => [nodeId, Number.POSITIVE_INFINITY]));
}

/** A 32-bit digest (FNV-1a) of a log's prefix: equal prefixes give equal digests, others hardly ever. */
export function chain(digest: number, entry: Entry): number {
  let hash = mixedIn(mixedIn(digest ^ 0x811c9dc5, entry.index), entry.term);
  for (const byte of entry.data) hash = mixedIn(hash, byte);
  return hash >>> 0;
}

function mixedIn(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193);
}
