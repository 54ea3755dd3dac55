import type { ConfigChangeAction, ConfigChangeStep } from "../../src/raft/message.js";

/** What simulated clients put into the log: a write of a number that is used once, or a change of membership. */
export type Command =
  | { readonly type: "write"; readonly key: number; readonly value: number }
  | { readonly type: "members"; readonly steps: readonly ConfigChangeStep[] };

const ACTIONS: readonly ConfigChangeAction[] = ["add_voter", "add_learner", "remove"];

export function encodeCommand(command: Command): Uint8Array {
  const numbers = command.type === "write" ? [command.key, command.value] : command.steps.flatMap(({ action, raftId }) => [ACTIONS.indexOf(action), raftId]);
  // Not from the pool: an entry stays for long, and would keep a whole block of it.
  const bytes = Buffer.alloc(1 + 4 * numbers.length);
  bytes[0] = command.type === "write" ? 1 : 2;
  for (let at = 0; at < numbers.length; at++) bytes.writeUInt32BE(numbers[at] ?? 0, 1 + 4 * at);
  return bytes;
}

/** Null for the core's own entries: the empty one of a new leader, and the one that ends a joint change. */
export function decodeCommand(data: Uint8Array): Command | null {
  if (data.length === 0) return null;
  if (data[0] === 1) return { type: "write", key: numberAt(data, 1), value: numberAt(data, 5) };
  const steps = Array.from({ length: (data.length - 1) / 8 }, (_, at) => ({
    action: ACTIONS[numberAt(data, 1 + 8 * at)]!,
    raftId: numberAt(data, 5 + 8 * at),
  }));
  return { type: "members", steps };
}

/** Big-endian, 32 bits. */
function numberAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
