import type { FastifyInstance } from "fastify";
import type { AppliedChanges } from "../../../store/change-history.js";
import type { RouteContext } from "../context.js";
import type { EngineEvent } from "../../../engine/events.js";
import { type DockerEvent, EVENT_KINDS, engineEvent, eventToDocker, swarmEvents } from "../convert/event.js";
import { badRequest } from "../errors.js";
import { eventFilter } from "../event-filter.js";
import { stringifyJson } from "../json.js";
import { Query } from "../query.js";
import { sendStream } from "../stream.js";
import { readSwarm } from "../swarm-access.js";

/** Milliseconds since the epoch; undefined is no bound. */
interface Window {
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
}

/** What happened in the swarm and what happens next. Beside Docker's parameters, `revision` goes on after an event that any manager told of. */
export function eventRoutes(app: FastifyInstance, context: RouteContext): void {
  const { backend, clock } = context;

  app.get("/events", async (request, reply) => {
    const query = new Query(request);
    const [window, after, isWanted] = [windowOf(query), revisionOf(query), eventFilter(query)];
    // What the revision is of must have come to this manager before it is looked for.
    if (after !== undefined) await readSwarm(backend);
    const stop = new AbortController();
    const { changes } = backend.swarm;
    const past = after === undefined && isBounded(window) ? changes.past(EVENT_KINDS) : [];
    const pastOfHost = isBounded(window) ? backend.engine.events.past() : [];
    const next = changes.follow({ kinds: EVENT_KINDS, signal: stop.signal, ...(after === undefined ? {} : { after }) });
    const nextOfHost = backend.engine.events.follow(stop.signal);
    await sendStream(context, request, reply, { contentType: "application/json" }, async (writer, signal) => {
      const write = async (change: AppliedChanges) => {
        for (const event of swarmEvents(change).filter(isWanted)) await writer.write(lineOf(event));
      };
      const writeOwn = async (event: EngineEvent) => {
        const own = engineEvent(event);
        if (isWithin(event.timeMs, { ...window, sinceMs: undefined }) && isWanted(own)) await writer.write(lineOf(own));
      };
      const tell = async () => {
        for (const change of past) if (isWithin(change.atMs, window)) await write(change);
        for (const event of pastOfHost) if (isWithin(event.timeMs, window)) await writeOwn(event);
      };
      const tellOfSwarm = async () => {
        for await (const change of next) if (change.atMs <= (window.untilMs ?? Number.POSITIVE_INFINITY)) await write(change);
      };
      const tellOfHost = async () => {
        for await (const event of nextOfHost) await writeOwn(event);
      };
      await untilOver(window, signal, stop, async () => {
        await tell();
        const failed = (cause: unknown) => {
          stop.abort();
          throw cause;
        };
        // Both have ended when this settles: nothing may be written after the end.
        const outcomes = await Promise.allSettled([tellOfSwarm().catch(failed), tellOfHost().catch(failed)]);
        for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
      });
    });
  });

  /** Until the window's end or the client's, or the first failure. Nothing is followed any more when it settles. */
  async function untilOver({ untilMs }: Window, signal: AbortSignal, stop: AbortController, tell: () => Promise<void>): Promise<void> {
    const end = () => stop.abort();
    const cancel = untilMs === undefined ? () => undefined : clock.after(Math.max(untilMs - clock.now(), 0), end);
    signal.addEventListener("abort", end, { once: true });
    try {
      if (signal.aborted || (untilMs !== undefined && untilMs <= clock.now())) end();
      await tell();
    } finally {
      signal.removeEventListener("abort", end);
      cancel();
      end();
    }
  }
}

function lineOf(event: DockerEvent): string {
  return `${stringifyJson(eventToDocker(event))}\n`;
}

function isBounded({ sinceMs, untilMs }: Window): boolean {
  return sinceMs !== undefined || untilMs !== undefined;
}

function isWithin(timeMs: number, { sinceMs, untilMs }: Window): boolean {
  return timeMs >= (sinceMs ?? 0) && timeMs <= (untilMs ?? Number.POSITIVE_INFINITY);
}

function windowOf(query: Query): Window {
  const [since, until] = [query.timeNs("since"), query.timeNs("until")];
  if (until !== 0n && until < since) throw badRequest(`since (${query.text("since")}) cannot be after until (${query.text("until")})`);
  const msOf = (timeNs: bigint) => (timeNs === 0n ? undefined : Number(timeNs / 1_000_000n));
  return { sinceMs: msOf(since), untilMs: msOf(until) };
}

function revisionOf(query: Query): number | undefined {
  const text = query.text("revision");
  if (text === "") return undefined;
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text))) throw badRequest(`invalid revision '${text}': not the revision of an event`);
  if (query.text("since") !== "") throw badRequest("since and revision cannot both be given");
  return Number(text);
}
