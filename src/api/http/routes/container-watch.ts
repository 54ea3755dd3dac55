import { readFile } from "node:fs/promises";
import type { FastifyInstance } from "fastify";
import { hostProcessTable } from "../../../engine/host-process-table.js";
import { ownProcessTable } from "../../../engine/own-process-table.js";
import { sendJson } from "../answer.js";
import type { ById, RouteContext } from "../context.js";
import { type StatsSample, statsToDocker } from "../convert/stats.js";
import { HttpError } from "../errors.js";
import { stringifyJson } from "../json.js";
import { findContainer } from "../lookup.js";
import { Query } from "../query.js";
import { sendStream } from "../stream.js";

const STATS_INTERVAL_MS = 1_000;
/** Parts of a second that the kernel counts processor time in (sysconf _SC_CLK_TCK, on every architecture of Linux that Node.js runs on). */
const TICKS_PER_SECOND = 100;

/** What a container uses, and its processes. */
export function containerWatchRoutes(app: FastifyInstance, context: RouteContext): void {
  const { backend, clock } = context;
  const { containers } = backend;

  app.get<ById>("/containers/:id/stats", async (request, reply) => {
    const query = new Query(request);
    const { config } = findContainer(containers, request.params.id);
    const isStream = query.text("stream") === "" || query.flag("stream");
    const take = async (): Promise<StatsSample> => ({ usage: await containers.usage(config.id), atMs: clock.now(), systemNs: await systemNs() });
    await sendStream(context, request, reply, { contentType: "application/json" }, async (writer, signal) => {
      let before: StatsSample | null = null;
      for (;;) {
        let now: StatsSample;
        try {
          now = await take();
        } catch (cause) {
          if (containers.inspect(config.id) === undefined) return;
          throw cause;
        }
        const container = containers.inspect(config.id);
        if (container === undefined) return;
        // One that is asked for once is compared with a moment ago, unless asked not to be.
        if (isStream || before !== null || query.flag("one-shot"))
          await writer.write(`${stringifyJson(statsToDocker(container, backend.host, now, before))}\n`);
        if (!isStream && (before !== null || query.flag("one-shot"))) return;
        before = now;
        await clock.sleep(STATS_INTERVAL_MS, signal);
      }
    });
    return reply;
  });

  app.get<ById>("/containers/:id/top", async (request, reply) => {
    const text = new Query(request).text("ps_args").trim();
    const container = findContainer(containers, request.params.id);
    const { id } = container.config;
    if (container.state !== "running") throw new HttpError(409, `Container ${id} is not running`);
    const pids = await containers.processes(id);
    const { titles, rows } = ["", "-ef"].includes(text) ? await ownProcessTable(pids, clock.now()) : await hostProcessTable(text.split(/\s+/), pids);
    backend.engine.tell("top", id);
    return sendJson(reply, { Titles: titles, Processes: rows });
  });
}

/** Time of all processors together (proc_stat(5)). */
async function systemNs(): Promise<bigint> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n", 1);
  const ticks = line
    .split(/\s+/)
    .slice(1, 9)
    .reduce((total, field) => total + Number(field), 0);
  return (BigInt(ticks) * 1_000_000_000n) / BigInt(TICKS_PER_SECOND);
}
