import type { ConfigChangeAction, ConfigChangeStep } from "../../src/raft/message.js";

/** What simulated clients put into the log: a write of a number that is used once, or a change of membership. */
export type Command =
  | { readonly type: "write"; readonly key: number; readonly value: number }
  | { readonly type: "members"; readonly steps: readonly ConfigChangeStep[] };

const ACTIONS: readonly ConfigChangeAction[] = ["add_voter", "add_learner", "remove"];

export function encodeCommand(command: Command): Uint8Array {
  const numbers = command.type === "write" ? [command.key, command.value] : command.steps.flatMap(({ action, raftId }) => [ACTIONS.indexOf(action), raftId]);
  const bytes = Buffer.alloc(1 + 4 * numbers.length);
  bytes[0] = command.type === "write" ? 1 : 2;
  for (let at = 0; at < numbers.length; at++) bytes.writeUInt32BE(numbers[at] ?? 0, 1 + 4 * at);
  return bytes;
}

/** Null for the core's own entries: the empty one of a new leader, and the one that ends a joint change. */
export function decodeCommand(data: Uint8Array): Command | null {
  if (data.length === 0) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint8(0) === 1) return { type: "write", key: view.getUint32(1), value: view.getUint32(5) };
  const steps = Array.from({ length: (data.length - 1) / 8 }, (_, at) => ({
    action: ACTIONS[view.getUint32(1 + 8 * at)]!,
    raftId: view.getUint32(5 + 8 * at),
  }));
  return { type: "members", steps };
}
