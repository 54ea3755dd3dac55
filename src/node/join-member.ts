import { type Clock, pause } from "../base/clock.js";
import { ClusterError, isClusterError } from "../base/errors.js";
import { createClient } from "../rpc/client.js";
import { Connection } from "../rpc/connection.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import { fromFailure } from "../rpc/status.js";
import { type ControlReply, type ControlRequest, ControlService, ForwardReplyCodec, ForwardRequestCodec } from "../wire/generated/control.js";
import type { ManagerStart } from "./manager-role.js";

interface JoinMemberOptions {
  /** host:port of managers. */
  readonly addresses: readonly string[];
  readonly identity: LiveIdentity;
  readonly advertiseAddress: string;
  /** Of the member that this node has been: managers of another one refuse it, and say what to do. Absent for a node that begins. */
  readonly incarnation?: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A leader that moves while it is asked for is followed this many times. */
const HINTS_MAX = 5;
/** A leader that is gone has a successor after this time, where there is a quorum. */
const SUCCESSION_MS = 5_000;
const PERIOD_MS = 200;

/**
 * Asks the leader for a place in the raft group, beginning at any manager. Asking again is safe: a node has one place. Throws what the last manager
 * answered.
 */
export async function joinAsMember(options: JoinMemberOptions): Promise<ManagerStart> {
  return startOf(await askLeader(requestOf(options), options));
}

/** The same, for as long as a leader that is gone may have no successor. */
export async function joinUnderNextLeader(options: JoinMemberOptions): Promise<ManagerStart> {
  return startOf(await askNextLeader(requestOf(options), options));
}

/** Gives that place back. Throws like `joinUnderNextLeader`. */
export async function leaveAsMember(options: JoinMemberOptions): Promise<void> {
  await askNextLeader({ type: "leaveMember", leaveMember: { nodeId: options.identity.nodeId } }, options);
}

function requestOf({ identity, advertiseAddress }: JoinMemberOptions): ControlRequest {
  return { type: "joinMember", joinMember: { nodeId: identity.nodeId, address: advertiseAddress } };
}

async function askNextLeader(request: ControlRequest, options: JoinMemberOptions): Promise<ControlReply> {
  const { clock, signal } = options;
  const until = clock.monotonic() + SUCCESSION_MS;
  for (;;) {
    try {
      return await askLeader(request, options);
    } catch (cause) {
      if (signal.aborted || clock.monotonic() >= until || !mayPass(cause)) throw cause;
      await pause(clock, PERIOD_MS, signal);
      if (signal.aborted) throw cause;
    }
  }
}

/** What a change of leaders looks like to who asks the managers. */
function mayPass(cause: unknown): boolean {
  return isClusterError(cause) && ["no_leader", "unavailable", "outcome_unknown"].includes(cause.code);
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
        if (isClusterError(cause) && cause.details.foundedAnew !== undefined) throw cause; // Whoever else answers, or does not, that is the last word.
        const leader = isClusterError(cause, "no_leader") ? (cause.details.leader ?? "") : "";
        if (leader === "" || leader === next) break;
        next = leader;
      }
    }
  }
  throw failure;
}

async function askFor(
  address: string,
  request: ControlRequest,
  { identity, incarnation = "", clock, signal }: JoinMemberOptions,
): Promise<ControlReply | null> {
  using connection = new Connection({ address, clock, security: { type: "mutual", identity } });
  for await (const { replies } of createClient(connection, ControlService).forward(once(ForwardRequestCodec.encode({ sequence: 1, request, incarnation })), {
    signal,
    timeoutMs: 15_000,
  })) {
    for (const bytes of replies) return ForwardReplyCodec.decode(bytes).reply;
  }
  throw new ClusterError("unavailable", `the manager at ${address} ended the call without an answer`);
}

async function* once(request: Uint8Array) {
  yield { requests: [request] };
}

function repliedTo(reply: ControlReply | null): ControlReply {
  if (reply === null) throw new ClusterError("internal", "a manager sent an empty reply");
  if (reply.type === "error") throw fromFailure(reply.error);
  return reply;
}

function startOf(reply: ControlReply): ManagerStart {
  if (reply.type !== "joinMember") throw new ClusterError("internal", "a manager answered a request to join with something else");
  const { raftId, members, incarnation } = reply.joinMember;
  return { type: "join", raftId, members, incarnation };
}
