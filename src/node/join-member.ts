import type { Clock } from "../base/clock.js";
import { ClusterError, isClusterError } from "../base/errors.js";
import { createClient } from "../rpc/client.js";
import { Connection } from "../rpc/connection.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import { type ControlReply, type ControlRequest, ControlService, ForwardReplyCodec, ForwardRequestCodec } from "../wire/generated/control.js";
import type { ManagerStart } from "./manager-role.js";

interface JoinMemberOptions {
  /** host:port of managers. */
  readonly addresses: readonly string[];
  readonly identity: LiveIdentity;
  readonly advertiseAddress: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A leader that moves while it is asked for is followed this many times. */
const HINTS_MAX = 5;

/**
 * Asks the leader for a place in the raft group, beginning at any manager. Asking again is safe: a node has one place. Throws what the last manager
 * answered.
 */
export async function joinAsMember(options: JoinMemberOptions): Promise<ManagerStart> {
  const { nodeId } = options.identity;
  return startOf(await askLeader({ type: "joinMember", joinMember: { nodeId, address: options.advertiseAddress } }, options));
}

/** Gives that place back. Throws like `joinAsMember`. */
export async function leaveAsMember(options: JoinMemberOptions): Promise<void> {
  await askLeader({ type: "leaveMember", leaveMember: { nodeId: options.identity.nodeId } }, options);
}

async function askLeader(request: ControlRequest, options: JoinMemberOptions): Promise<ControlReply> {
  let failure: unknown = new ClusterError("unavailable", "no manager is known");
  for (const address of options.addresses) {
    let next = address;
    for (let hint = 0; hint < HINTS_MAX; hint++) {
      try {
        return repliedTo(await askFor(next, request, options));
      } catch (cause) {
        failure = cause;
        const leader = isClusterError(cause, "no_leader") ? (cause.details.leader ?? "") : "";
        if (leader === "" || leader === next) break;
        next = leader;
      }
    }
  }
  throw failure;
}

async function askFor(address: string, request: ControlRequest, { identity, clock, signal }: JoinMemberOptions): Promise<ControlReply | null> {
  using connection = new Connection({ address, clock, security: { type: "mutual", identity } });
  for await (const { replies } of createClient(connection, ControlService).forward(once(request), { signal, timeoutMs: 15_000 })) {
    for (const bytes of replies) return ForwardReplyCodec.decode(bytes).reply;
  }
  throw new ClusterError("unavailable", `the manager at ${address} ended the call without an answer`);
}

async function* once(request: ControlRequest) {
  yield { requests: [ForwardRequestCodec.encode({ sequence: 1, request })] };
}

function repliedTo(reply: ControlReply | null): ControlReply {
  if (reply === null) throw new ClusterError("internal", "a manager sent an empty reply");
  if (reply.type !== "error") return reply;
  const { code, message, details } = reply.error;
  throw new ClusterError(code === "no_leader" ? "no_leader" : "unavailable", message, { details });
}

function startOf(reply: ControlReply): ManagerStart {
  if (reply.type !== "joinMember") throw new ClusterError("internal", "a manager answered a request to join with something else");
  const { raftId, members, incarnation } = reply.joinMember;
  return { type: "join", raftId, members, incarnation };
}
