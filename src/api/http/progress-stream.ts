import type { FastifyReply, FastifyRequest } from "fastify";
import { AbortScope } from "../../base/abort.js";
import type { RouteContext } from "./context.js";
import type { Json } from "./json.js";
import { progressError, progressLine, sendStream } from "./stream.js";

/** Lines on their way to a client. Of those with the same key only the newest waits: a slow client misses steps, and nothing grows. */
class LineQueue {
  readonly #waiting: { readonly key: string; readonly line: Json }[] = [];
  #isClosed = false;
  #wake: () => void = () => undefined;

  push(line: Json, key: string): void {
    const older = key === "" ? -1 : this.#waiting.findIndex((item) => item.key === key);
    if (older >= 0) this.#waiting.splice(older, 1);
    this.#waiting.push({ key, line });
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves when there is a line, or the end. */
  async ready(): Promise<void> {
    while (this.#waiting.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Undefined at the end. */
  async next(): Promise<Json | undefined> {
    await this.ready();
    return this.#waiting.shift()?.line;
  }
}

/**
 * Answers with the progress of an operation, in lines of JSON. The stream begins with the first line: a failure before is an answer of its own, with a status. The signal aborts when the
 * client goes away or the server closes.
 */
export async function streamProgress(
  context: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
  run: (emit: (line: Json, key?: string) => void, signal: AbortSignal) => Promise<void>,
): Promise<undefined> {
  const lines = new LineQueue();
  const done = run((line, key = "") => lines.push(line, key), goneSignal(reply, context)).finally(() => lines.close());
  await Promise.race([lines.ready(), done]);
  if (lines.isEmpty) await done;
  await sendStream(context, request, reply, { contentType: "application/json", errorText: progressError }, async (writer) => {
    for (let line = await lines.next(); line !== undefined; line = await lines.next()) await writer.write(progressLine(line));
    await done;
  });
  return undefined;
}

/** Aborts when the client goes away, or has its answer, or the server closes. */
export function goneSignal(reply: FastifyReply, { closing }: RouteContext): AbortSignal {
  const gone = new AbortScope(closing);
  reply.raw.once("close", () => gone.abort());
  return gone.signal;
}
