import { onAbort, unlessAborted } from "../../base/abort.js";
import { ClusterError } from "../../base/errors.js";
import { assertSameIncarnation, type Incarnation } from "../../model/incarnation.js";
import type { Caller } from "../../rpc/caller.js";
import { FrameQueue } from "../../rpc/frame-queue.js";
import type { CallContext, ServiceHandlers } from "../../rpc/server-call.js";
import {
  type ControlReply,
  type ControlRequest,
  type ControlService,
  ForwardReplyCodec,
  type ForwardReplies,
  type ForwardRequest,
  ForwardRequestCodec,
  type ForwardRequests,
} from "../../wire/generated/control.js";
import { Permits } from "./permits.js";

/** Carries out writes while this member leads. */
export interface Control {
  execute(request: ControlRequest): Promise<ControlReply>;
}

export interface ControlBackend {
  /** Null while this member does not lead. */
  control(): Control | null;
  /** host:port of the leader, for a joiner to ask instead; "" when none is known. */
  leaderAddress(): string;
  /** Of the cluster, as this member has it. */
  incarnation(): Incarnation;
}

/** Writes of one manager that may be under way at once; the stream is not read further until one is answered. */
const CONCURRENT_MAX = 1_024;

/** Writes that other managers forward. Begun in the order in which they arrive, answered as they finish, each failure an answer of its own. */
export function controlHandlers(backend: ControlBackend): ServiceHandlers<typeof ControlService> {
  return { forward: (requests, context) => forward(requests, context, backend) };
}

async function* forward(
  frames: AsyncIterable<ForwardRequests>,
  { signal, caller }: CallContext,
  backend: ControlBackend,
): AsyncGenerator<ForwardReplies, void, undefined> {
  const replies = new FrameQueue();
  const permits = new Permits(CONCURRENT_MAX);
  let isOver = signal.aborted;
  const end = () => {
    isOver = true;
    replies.wake();
  };
  const detach = onAbort(signal, end);
  const reply = async (forwarded: ForwardRequest) =>
    replies.push(ForwardReplyCodec.encode({ sequence: forwarded.sequence, reply: await answer(forwarded, caller, backend) }));
  const reading = read(frames, reply, permits, signal).finally(end);
  reading.catch(() => undefined); // Awaited below, unless the caller left before.
  try {
    for (;;) {
      if (!replies.isEmpty) {
        const frame = replies.take();
        yield { replies: frame };
        permits.release(frame.length);
      } else if (isOver) break;
      else await replies.changed();
    }
    await reading;
  } finally {
    detach();
  }
}

/** Resolves once all requests were read and answered. */
async function read(
  frames: AsyncIterable<ForwardRequests>,
  reply: (request: ForwardRequest) => Promise<void>,
  permits: Permits,
  signal: AbortSignal,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for await (const { requests } of frames) {
    for (const bytes of requests) {
      const request = ForwardRequestCodec.decode(bytes);
      if (!permits.take()) await unlessAborted(signal, permits.acquire());
      const work = reply(request).finally(() => underWay.delete(work));
      underWay.add(work);
    }
  }
  await Promise.all(underWay);
}

async function answer({ request, incarnation }: ForwardRequest, caller: Caller, backend: ControlBackend): Promise<ControlReply> {
  try {
    if (request === null) throw new ClusterError("invalid_argument", "forwarded write is empty");
    assertSameIncarnation(backend.incarnation(), incarnation ?? "");
    assertOwnPlace(request, caller);
    const control = backend.control();
    if (control === null) throw new ClusterError("no_leader", "this manager does not lead the cluster", { details: { leader: backend.leaderAddress() } });
    return await control.execute(request);
  } catch (cause) {
    const { code, message, details } = ClusterError.from(cause);
    return { type: "error", error: { code, message, details } };
  }
}

/** A place among the managers, its address and its end are a node's own affair: its certificate says whose. */
function assertOwnPlace(request: ControlRequest, { nodeId }: Caller): void {
  const named = request.type === "joinMember" ? request.joinMember.nodeId : request.type === "leaveMember" ? request.leaveMember.nodeId : nodeId;
  if (named !== nodeId) throw new ClusterError("permission_denied", `node ${nodeId} cannot ask for the place of node ${named}`);
}
