import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Task } from "../../../model/objects.js";
import type { LogBatch, LogMessage, LogSelector } from "../../../wire/generated/dispatcher.js";
import type { ById, RouteContext } from "../context.js";
import { badRequest } from "../errors.js";
import { findService, findTask } from "../lookup.js";
import { encodeFrame, encodeLogEntry, logContentType, type LogQuery, logQueryOf } from "../log-stream.js";
import { Query } from "../query.js";
import { sendStream } from "../stream.js";
import { readSwarm } from "../swarm-access.js";
import { apiMinorOf } from "../version.js";

type LogOrigin = Pick<LogMessage, "nodeId" | "serviceId" | "taskId">;

interface LogSource {
  readonly selector: LogSelector;
  readonly isTty: boolean;
  /** The tasks that can have written the log. */
  readonly origins: readonly LogOrigin[];
}

/** Logs of services and of single tasks, gathered from the nodes that run them. */
export function logRoutes(app: FastifyInstance, context: RouteContext): void {
  const { backend } = context;

  app.get<ById>("/services/:id/logs", async (request, reply) => {
    const query = logQueryOf(new Query(request));
    const view = await readSwarm(backend);
    const service = findService(view, request.params.id);
    const isTty = service.spec?.task?.container?.tty ?? false;
    const origins = originsOf(view.tasks.byService(service.id));
    await send(request, reply, query, { selector: { serviceIds: [service.id], taskIds: [], nodeIds: [] }, isTty, origins });
  });

  app.get<ById>("/tasks/:id/logs", async (request, reply) => {
    const query = logQueryOf(new Query(request));
    const task = findTask(await readSwarm(backend), request.params.id);
    const isTty = task.spec?.container?.tty ?? false;
    await send(request, reply, query, { selector: { serviceIds: [], taskIds: [task.id], nodeIds: [] }, isTty, origins: originsOf([task]) });
  });

  async function send(request: FastifyRequest, reply: FastifyReply, query: LogQuery, source: LogSource): Promise<void> {
    const { isTty } = source;
    if (isTty && query.details) throw badRequest("details of the log of a task with a terminal cannot be shown");
    const options = {
      contentType: logContentType(isTty, apiMinorOf(request.raw)),
      errorText: (message: string) => (isTty ? `${message}\n` : encodeFrame("systemerr", `${message}\n`)),
    };
    await sendStream(context, request, reply, options, async (writer, signal) => {
      const { follow, stdout, stderr, sinceNs, untilNs, tail } = query;
      const subscription = { selector: source.selector, options: { follow, stdout, stderr, sinceNs, untilNs, tail: BigInt(tail) } };
      for await (const batch of backend.swarm.subscribeLogs(subscription, signal)) {
        await writer.write(encodeBatch(batch, query, source, context.clock.now()));
      }
    });
  }
}

/** Nodes that did not answer are named on the error stream: a log with holes must not look whole. */
function encodeBatch(batch: LogBatch, query: LogQuery, source: LogSource, nowMs: number): Buffer {
  const lines = batch.messages.map((message) =>
    encodeLogEntry({ ...message, attributes: attributesOf(message, message.attributes) }, query, { isTty: source.isTty, endLines: true }),
  );
  return Buffer.concat([...lines, ...batch.missing.map((reason) => encodeMissing(reason, query, source, nowMs))]);
}

/** The docker CLI looks up the task that each line's details name, so this line names one: of the node in question where there is one. */
function encodeMissing(reason: string, query: LogQuery, source: LogSource, nowMs: number): Buffer {
  const text = `warning: incomplete log stream: ${reason}\n`;
  const origin = source.origins.find((candidate) => reason.includes(candidate.nodeId)) ?? source.origins[0];
  if (origin === undefined) return source.isTty ? Buffer.from(text) : encodeFrame("systemerr", text);
  const entry = { stream: "stderr", timestampNs: BigInt(nowMs) * 1_000_000n, data: Buffer.from(text), attributes: attributesOf(origin, {}) } as const;
  return encodeLogEntry(entry, query, { isTty: source.isTty, endLines: true });
}

function attributesOf(origin: LogOrigin, more: LogMessage["attributes"]): LogMessage["attributes"] {
  return {
    ...more,
    "com.docker.swarm.node.id": origin.nodeId,
    "com.docker.swarm.service.id": origin.serviceId,
    "com.docker.swarm.task.id": origin.taskId,
  };
}

function originsOf(tasks: readonly Task[]): readonly LogOrigin[] {
  return tasks.filter((task) => task.nodeId !== "").map((task) => ({ nodeId: task.nodeId, serviceId: task.serviceId, taskId: task.id }));
}
