import type { ConfigChangeAction, ConfigChangeStep } from "../../src/raft/message.js";

/** What simulated clients put into the log: a write of a number that is used once, or a change of membership. */
export type Command = { readonly type: "write"; readonly key: number; readonly value: number } | { readonly type: "members"; readonly step: ConfigChangeStep };

const ACTIONS: readonly ConfigChangeAction[] = ["add_voter", "add_learner", "remove"];

export function encodeCommand(command: Command): Uint8Array {
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, command.type === "write" ? 1 : 2);
  view.setUint32(1, command.type === "write" ? command.key : ACTIONS.indexOf(command.step.action));
  view.setUint32(5, command.type === "write" ? command.value : command.step.raftId);
  return bytes;
}

/** Null for the empty entry that a new leader writes. */
export function decodeCommand(data: Uint8Array): Command | null {
  if (data.length === 0) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [first, second] = [view.getUint32(1), view.getUint32(5)];
  if (view.getUint8(0) === 1) return { type: "write", key: first, value: second };
  return { type: "members", step: { action: ACTIONS[first]!, raftId: second } };
}
