import type { Entry } from "../../src/raft/message.js";
import { decodeCommand } from "./command.js";

/** Everything a snapshot holds. */
export interface MachineState {
  readonly index: number;
  /** Digest of all entries applied so far, in order. */
  readonly digest: number;
  readonly registers: ReadonlyMap<number, number>;
}

export const EMPTY_STATE: MachineState = { index: 0, digest: 0, registers: new Map() };

/** The replicated state: one register per key. */
export class Machine {
  #index: number;
  #digest: number;
  #registers: Map<number, number>;

  constructor(state: MachineState) {
    this.#index = state.index;
    this.#digest = state.digest;
    this.#registers = new Map(state.registers);
  }

  get index(): number {
    return this.#index;
  }

  get digest(): number {
    return this.#digest;
  }

  /** 0 when nothing was written. */
  read(key: number): number {
    return this.#registers.get(key) ?? 0;
  }

  apply(entry: Entry): void {
    const command = decodeCommand(entry.data);
    if (command?.type === "write") this.#registers.set(command.key, command.value);
    this.#index = entry.index;
    this.#digest = chain(this.#digest, entry);
  }

  state(): MachineState {
    return { index: this.#index, digest: this.#digest, registers: new Map(this.#registers) };
  }
}

/** A 32-bit digest (FNV-1a) of a log's prefix: equal prefixes give equal digests, others hardly ever. */
export function chain(digest: number, entry: Entry): number {
  let hash = digest ^ 0x811c9dc5;
  const mix = (value: number) => {
    hash = Math.imul(hash ^ value, 0x01000193);
  };
  mix(entry.index);
  mix(entry.term);
  for (const byte of entry.data) mix(byte);
  return hash >>> 0;
}
