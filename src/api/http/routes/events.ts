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
    const changes = backend.swarm.changes();
    const past = after === undefined && isBounded(window) ? (changes?.past(EVENT_KINDS) ?? []) : [];
    const pastOfHost = isBounded(window) ? backend.engine.events.past() : [];
    const next = changes?.follow({ kinds: EVENT_KINDS, signal: stop.signal, ...(after === undefined ? {} : { after }) });
    await sendStream(context, request, reply, { contentType: "application/json" }, async (writer, signal) => {
      const write = async (change: AppliedChanges) => {
        for (const event of swarmEvents(change).filter(isWanted)) await writer.write(lineOf(event));
      };
      for (const change of past) if (isWithin(change.atMs, window)) await write(change);
      const writeOwn = async (event: EngineEvent) => {
        const own = engineEvent(event);
        if (isWithin(event.timeMs, { ...window, sinceMs: undefined }) && isWanted(own)) await writer.write(lineOf(own));
      };
      for (const event of pastOfHost) if (isWithin(event.timeMs, window)) await writeOwn(event);
      // One after the other; a client that does not read holds up none but its own.
      let last = Promise.resolve();
      const unsubscribe = backend.engine.events.subscribe((event) => {
        last = last.then(() => writeOwn(event));
      });
      stop.signal.addEventListener("abort", unsubscribe, { once: true });
      await untilOver(window, signal, stop, async () => {
        for await (const change of next ?? []) if (change.atMs <= (window.untilMs ?? Number.POSITIVE_INFINITY)) await write(change);
      });
    });
  });

  /** Goes on until the window's end or the client's. */
  async function untilOver({ untilMs }: Window, signal: AbortSignal, stop: AbortController, goOn: () => Promise<void>): Promise<void> {
    const end = () => stop.abort();
    const cancel = untilMs === undefined ? end : clock.after(Math.max(untilMs - clock.now(), 0), end);
    const isOver = new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve(), { once: true })); // Without a swarm, nothing else ends.
    signal.addEventListener("abort", end, { once: true });
    try {
      if (signal.aborted || (untilMs !== undefined && untilMs <= clock.now())) end();
      await goOn();
      await isOver;
    } finally {
      signal.removeEventListener("abort", end);
      cancel();
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
