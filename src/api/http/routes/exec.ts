import type { FastifyInstance } from "fastify";
import { messageOf } from "../../../base/errors.js";
import type { TerminalSize } from "../../../runtime/container-runtime.js";
import { sendEmpty, sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import type { ById, RouteContext } from "../context.js";
import { Fields } from "../convert/fields.js";
import { unlessEmpty } from "../convert/zero-values.js";
import { parseDetachKeys } from "../detach-keys.js";
import { badRequest, HttpError } from "../errors.js";
import { acceptHijack, answerWithNothing, beginRawStream, type HijackedRequest, rawClient, readHijackBody } from "../hijack.js";
import { joinStreams } from "../join-streams.js";
import { parseJson } from "../json.js";
import { encodeFrame, logContentType } from "../log-stream.js";
import { findContainer } from "../lookup.js";
import { Query } from "../query.js";
import { terminalSizeOf } from "../terminal-size.js";
import { apiMinorOf } from "../version.js";

/** Docker's answer about a program that ended before anything was heard of it goes to where its output would. */
const LINE_END = "\r\n";

/** Programs that are run in containers: made first, then started. */
export function execRoutes(app: FastifyInstance, context: RouteContext): void {
  const { containers, engine } = context.backend;

  app.post<ById>("/containers/:id/exec", async (request, reply) => {
    const container = findContainer(containers, request.params.id);
    const fields = new Fields(await requireJsonBody(request), "");
    const args = fields.strings("Cmd");
    if (args.length === 0) throw badRequest("No exec command specified");
    const settings = {
      containerId: container.config.id,
      args,
      env: fields.strings("Env"),
      workingDir: fields.string("WorkingDir"),
      user: fields.string("User"),
      isPrivileged: fields.boolean("Privileged"),
      isTerminal: fields.boolean("Tty"),
      streams: { stdin: fields.boolean("AttachStdin"), stdout: fields.boolean("AttachStdout"), stderr: fields.boolean("AttachStderr") },
      detachKeys: fields.string("DetachKeys"),
    };
    // The command line sends it with the start as well.
    fields.ignore("Detach", "ConsoleSize");
    fields.end();
    parseDetachKeys(settings.detachKeys);
    if (container.state !== "running") throw new HttpError(409, `Container ${container.config.id} is not running`);
    if (container.isPaused) throw new HttpError(409, `Container ${container.config.id} is paused, unpause the container before exec`);
    return sendJson(reply, { Id: engine.execs.create(settings) }, 201);
  });

  /** For clients whose connection stays HTTP: a body that was read to its end has no input to give. */
  app.post<ById>("/exec/:id/start", async (request, reply) => {
    const start = startOf(new Fields((await requireJsonBody(request)) ?? {}, ""));
    const { id } = request.params;
    const { settings } = engine.execs.claim(id);
    if (start.isDetached) {
      await engine.execs.start(id, start);
      return sendEmpty(reply, 200);
    }
    const { raw } = reply;
    reply.hijack();
    beginRawStream(raw, logContentType(settings.isTerminal, apiMinorOf(request.raw)));
    try {
      const { stream } = await engine.execs.start(id, start);
      stream?.end();
      if (stream === null) raw.end();
      else await joinStreams(rawClient(raw), stream, { hasInput: false, detachKeys: null, onDetach: () => undefined });
    } catch (cause) {
      raw.end(failureOf(cause, settings.isTerminal));
    }
    return reply;
  });

  app.post<ById>("/exec/:id/resize", async (request, reply) => {
    await engine.execs.resize(request.params.id, terminalSizeOf(new Query(request)));
    return sendEmpty(reply, 200);
  });

  app.get<ById>("/exec/:id/json", async (request, reply) => {
    const { id, settings, isRunning, pid, exitCode } = engine.execs.inspect(request.params.id);
    const { isTerminal, args, isPrivileged, user, streams } = settings;
    const [entrypoint = "", ...rest] = args;
    return sendJson(reply, {
      ID: id,
      Running: isRunning,
      ExitCode: exitCode,
      ProcessConfig: { tty: isTerminal, entrypoint, arguments: rest, privileged: isPrivileged, user: unlessEmpty(user) },
      OpenStdin: streams.stdin,
      OpenStderr: streams.stderr,
      OpenStdout: streams.stdout,
      CanRemove: exitCode !== null,
      ContainerID: settings.containerId,
      DetachKeys: settings.detachKeys,
      Pid: pid,
    });
  });
}

/** `POST /exec/{id}/start` over a connection that becomes the program's streams. */
export async function startHijackedExec({ backend: { engine } }: RouteContext, id: string, { request, socket, headers }: HijackedRequest): Promise<void> {
  const text = await readHijackBody(request, socket);
  const start = startOf(new Fields(text === "" ? {} : parseJson(text), ""));
  const { settings } = engine.execs.claim(id);
  const keys = parseDetachKeys(settings.detachKeys);
  if (start.isDetached) {
    await engine.execs.start(id, start);
    answerWithNothing(socket, headers);
    return;
  }
  acceptHijack(socket, logContentType(settings.isTerminal, apiMinorOf(request)), headers);
  try {
    const { stream } = await engine.execs.start(id, start);
    if (stream === null) socket.end();
    else await joinStreams(socket, stream, { hasInput: settings.streams.stdin, detachKeys: settings.isTerminal ? keys : null, onDetach: () => undefined });
  } catch (cause) {
    socket.end(failureOf(cause, settings.isTerminal));
  }
}

/** Where the program's output would be. */
function failureOf(cause: unknown, isTerminal: boolean): Buffer {
  const text = `OCI runtime exec failed: exec failed: ${messageOf(cause)}${LINE_END}`;
  return isTerminal ? Buffer.from(text) : encodeFrame("stdout", text);
}

function startOf(fields: Fields): { readonly isDetached: boolean; readonly size: TerminalSize | null } {
  const isDetached = fields.boolean("Detach");
  const [rows, columns] = fields.numbers("ConsoleSize");
  // Whether there is a terminal was said when it was made; SDKs send options of their own beside.
  return { isDetached, size: rows === undefined || columns === undefined ? null : { rows, columns } };
}
