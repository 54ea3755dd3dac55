import { ClusterError } from "../../base/errors.js";
import { Queue } from "../../base/queue.js";
import type { CallContext, ServiceHandlers } from "../../rpc/server-call.js";
import { onAbort, unlessAborted } from "../../rpc/stream.js";
import type { ControlReply, ControlRequest, ControlService, ForwardReply, ForwardRequest } from "../../wire/generated/control.js";
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
}

/** Writes of one manager that may be under way at once; the stream is not read further until one is answered. */
const CONCURRENT_MAX = 1_024;

/** Writes that other managers forward. Begun in the order in which they arrive, answered as they finish, each failure an answer of its own. */
export function controlHandlers(backend: ControlBackend): ServiceHandlers<typeof ControlService> {
  return { forward: (requests, context) => forward(requests, context, backend) };
}

async function* forward(
  requests: AsyncIterable<ForwardRequest>,
  { signal }: CallContext,
  backend: ControlBackend,
): AsyncGenerator<ForwardReply, void, undefined> {
  const replies = new Queue<ForwardReply>(CONCURRENT_MAX);
  const permits = new Permits(CONCURRENT_MAX);
  const detach = onAbort(signal, () => replies.close());
  const reading = read(requests, async ({ sequence, request }) => {
    await unlessAborted(signal, permits.acquire());
    return async () => replies.push({ sequence, reply: await answer(request, backend) });
  }).finally(() => replies.close());
  reading.catch(() => undefined); // Awaited below, unless the caller left before.
  try {
    for await (const reply of replies) {
      yield reply;
      permits.release();
    }
    await reading;
  } finally {
    detach();
  }
}

/** Resolves once all requests were read and the work that `begin` gave for each is done. */
async function read(requests: AsyncIterable<ForwardRequest>, begin: (request: ForwardRequest) => Promise<() => Promise<void>>): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for await (const request of requests) {
    const work = (await begin(request))().finally(() => underWay.delete(work));
    underWay.add(work);
  }
  await Promise.all(underWay);
}

async function answer(request: ControlRequest | null, backend: ControlBackend): Promise<ControlReply> {
  try {
    if (request === null) throw new ClusterError("invalid_argument", "forwarded write is empty");
    const control = backend.control();
    if (control === null) throw new ClusterError("no_leader", "this manager does not lead the cluster", { details: { leader: backend.leaderAddress() } });
    return await control.execute(request);
  } catch (cause) {
    const { code, message, details } = ClusterError.from(cause);
    return { type: "error", error: { code, message, details } };
  }
}
