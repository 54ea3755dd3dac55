import type { ConfigChangeAction, ConfigChangeStep } from "../../src/raft/message.js";
import type { Member } from "../../src/wire/generated/raft.js";

/**
 * What simulated clients put into the log: a write of a number that is used once; a change of membership, or of where members are; the removal of the node of a member that
 * is none any more.
 */
export type Command =
  | { readonly type: "write"; readonly key: number; readonly value: number }
  | { readonly type: "members"; readonly steps: readonly ConfigChangeStep[]; readonly places: readonly Place[] }
  | { readonly type: "remove_node"; readonly raftId: number };

/** Where a member is. */
export interface Place {
  readonly raftId: number;
  readonly host: number;
}

const ACTIONS: readonly ConfigChangeAction[] = ["add_voter", "add_learner", "remove"];
const TYPES: readonly Command["type"][] = ["write", "members", "remove_node"];

/** The same text for the same member each time: it is asked for with every message. */
const NODE_IDS = new Map<number, string>();

/** Each member is a node of its own. */
export function nodeIdOf(raftId: number): string {
  const nodeId = NODE_IDS.get(raftId) ?? `n${raftId}`;
  NODE_IDS.set(raftId, nodeId);
  return nodeId;
}

export function memberOf({ raftId, host }: Place): Member {
  return { raftId, nodeId: nodeIdOf(raftId), address: `h${host}:1` };
}

export function encodeCommand(command: Command): Uint8Array {
  const numbers = numbersOf(command);
  // Not from the pool: an entry stays for long, and would keep a whole block of it.
  const bytes = Buffer.alloc(1 + 4 * numbers.length);
  bytes[0] = 1 + TYPES.indexOf(command.type);
  for (let at = 0; at < numbers.length; at++) bytes.writeUInt32BE(numbers[at] ?? 0, 1 + 4 * at);
  return bytes;
}

function numbersOf(command: Command): readonly number[] {
  if (command.type === "write") return [command.key, command.value];
  if (command.type === "remove_node") return [command.raftId];
  const steps = command.steps.flatMap(({ action, raftId }) => [ACTIONS.indexOf(action), raftId]);
  return [command.steps.length, ...steps, ...command.places.flatMap(({ raftId, host }) => [raftId, host])];
}

/** Null for the core's own entries: the empty one of a new leader, and the one that ends a joint change. */
export function decodeCommand(data: Uint8Array): Command | null {
  if (data.length === 0) return null;
  if (data[0] === 1) return { type: "write", key: numberAt(data, 1), value: numberAt(data, 5) };
  if (data[0] === 3) return { type: "remove_node", raftId: numberAt(data, 1) };
  const stepCount = numberAt(data, 1);
  const pairs = Array.from({ length: (data.length - 5) / 8 }, (_, at) => [numberAt(data, 5 + 8 * at), numberAt(data, 9 + 8 * at)] as const);
  return {
    type: "members",
    steps: pairs.slice(0, stepCount).map(([action, raftId]) => ({ action: ACTIONS[action]!, raftId })),
    places: pairs.slice(stepCount).map(([raftId, host]) => ({ raftId, host })),
  };
}

/** Big-endian, 32 bits. */
function numberAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
