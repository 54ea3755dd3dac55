import type { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import type { FastifyInstance } from "fastify";
import { messageOf } from "../../../base/errors.js";
import type { TerminalSize } from "../../../runtime/container-runtime.js";
import { sendEmpty, sendJson } from "../answer.js";
import { requireJsonBody } from "../body.js";
import { openAttachment, writeLog } from "../attachment.js";
import type { RouteContext } from "../context.js";
import { Fields } from "../convert/fields.js";
import { unlessEmpty } from "../convert/zero-values.js";
import { parseDetachKeys } from "../detach-keys.js";
import { badRequest, HttpError, notFound, notSupported } from "../errors.js";
import { acceptHijack, readHijackBody, refuseHijack } from "../hijack.js";
import { joinStreams } from "../join-streams.js";
import { parseJson } from "../json.js";
import { encodeFrame, logContentType } from "../log-stream.js";
import { Query } from "../query.js";
import { NEEDS_WEBSOCKET_TEXT } from "../websocket/handshake.js";
import { attachWebSocket } from "./attach-websocket.js";
import { apiMinorOf, checkVersion, stripVersion } from "../version.js";

interface ById {
  Params: { readonly id: string };
}

/** Answers a connection that asked to become a stream. */
export type HijackHandler = (request: IncomingMessage, socket: Duplex) => Promise<void>;

/** Docker's answer about a program that ended before anything was heard of it goes to where its output would. */
const LINE_END = "\r\n";

/** Attaching to containers and running programs in them, over connections that become streams. */
export function hijackHandler(context: RouteContext, headers: Readonly<Record<string, string>>): HijackHandler {
  const { engine } = context.backend;

  return async (request, socket) => {
    try {
      // Whatever becomes of it, an error of the connection is no error of ours.
      socket.on("error", () => socket.destroy());
      const url = new URL(stripVersion(request), "http://api");
      checkVersion(request);
      const viaWebSocket = /^\/containers\/([^/]+)\/attach\/ws$/.exec(url.pathname)?.[1];
      if (request.method === "GET" && viaWebSocket !== undefined) {
        await attachWebSocket(context, { reference: decodeURIComponent(viaWebSocket), request, url, socket });
        return;
      }
      const match = /^\/(?:containers\/([^/]+)\/attach|exec\/([^/]+)\/start)$/.exec(url.pathname);
      if (request.method !== "POST" || match === null) throw notSupported(`${url.pathname} is not supported over a connection that becomes a stream`);
      const body = await readHijackBody(request, socket);
      if (match[1] !== undefined) await attach(decodeURIComponent(match[1]), request, url, socket);
      else await startExec(decodeURIComponent(match[2] ?? ""), request, body, socket);
    } catch (cause) {
      refuseHijack(socket, headers, cause);
    }
  };

  async function attach(reference: string, request: IncomingMessage, url: URL, socket: Duplex): Promise<void> {
    const query = Query.of(url.searchParams);
    const { container, streams, detachKeys, attachment } = openAttachment(context, reference, query);
    const { isTerminal } = container.config.terminal;
    acceptHijack(socket, headers, logContentType(isTerminal, apiMinorOf(request)));
    engine.tell("attach", container.config.id);
    const cancel = () => attachment?.cancel();
    socket.once("close", cancel);
    if (query.flag("logs")) await writeLog(context, container, streams, socket);
    if (attachment === null) {
      socket.end();
      return;
    }
    try {
      const onDetach = () => engine.tell("detach", container.config.id);
      await joinStreams(socket, await attachment.stream, { hasInput: streams.stdin, detachKeys: isTerminal ? detachKeys : null, onDetach });
    } catch (cause) {
      // It did not start, or is gone: who started or removed it was told why.
      context.logger.debug({ err: cause, container: container.config.id }, "an attachment came to nothing");
      socket.end();
    }
  }

  async function startExec(id: string, request: IncomingMessage, body: string, socket: Duplex): Promise<void> {
    const start = startOf(new Fields(body === "" ? {} : parseJson(body), ""));
    const { settings } = engine.execs.claim(id);
    const keys = parseDetachKeys(settings.detachKeys);
    if (start.isDetached) {
      await engine.execs.start(id, start);
      refuseHijackWithNothing(socket);
      return;
    }
    acceptHijack(socket, headers, logContentType(settings.isTerminal, apiMinorOf(request)));
    try {
      const { stream } = await engine.execs.start(id, start);
      if (stream === null) socket.end();
      else await joinStreams(socket, stream, { hasInput: settings.streams.stdin, detachKeys: settings.isTerminal ? keys : null, onDetach: () => undefined });
    } catch (cause) {
      socket.end(failureOf(cause, settings.isTerminal));
    }
  }

  function refuseHijackWithNothing(socket: Duplex): void {
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  }
}

/** The same for clients whose connection stays HTTP, and what else there is about programs in containers. */
export function execRoutes(app: FastifyInstance, context: RouteContext): void {
  const { containers, engine } = context.backend;

  app.post<ById>("/containers/:id/exec", async (request, reply) => {
    const container = containers.inspect(request.params.id);
    if (container === undefined) throw notFound(`No such container: ${request.params.id}`);
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

  /** Without an upgrade: the body is the program's input, unless it is the JSON that SDKs repeat their query in; the answer is its output. */
  app.post<ById>("/containers/:id/attach", async (request, reply) => {
    const query = new Query(request);
    const { container, streams, attachment } = openAttachment(context, request.params.id, query);
    const { raw } = reply;
    raw.once("close", () => attachment?.cancel());
    reply.hijack();
    raw.writeHead(200, { "Content-Type": logContentType(container.config.terminal.isTerminal, apiMinorOf(request.raw)) });
    raw.flushHeaders();
    engine.tell("attach", container.config.id);
    if (query.flag("logs")) await writeLog(context, container, streams, raw);
    try {
      const program = await attachment?.stream;
      const hasInput = streams.stdin && !(request.headers["content-type"] ?? "").includes("json");
      const options = { hasInput, detachKeys: null, onDetach: () => undefined };
      if (program === undefined) raw.end();
      else await joinStreams(Duplex.from({ readable: request.raw, writable: raw }), program, options);
    } catch (cause) {
      context.logger.debug({ err: cause, container: container.config.id }, "an attachment came to nothing");
      raw.end();
    }
    return reply;
  });

  app.get<ById>("/containers/:id/attach/ws", async (request) => {
    if (containers.inspect(request.params.id) === undefined) throw notFound(`No such container: ${request.params.id}`);
    throw badRequest(NEEDS_WEBSOCKET_TEXT);
  });

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
    raw.writeHead(200, { "Content-Type": logContentType(settings.isTerminal, apiMinorOf(request.raw)) });
    raw.flushHeaders();
    try {
      const { stream } = await engine.execs.start(id, start);
      // A body that was read to its end has no input to give.
      stream?.end();
      if (stream === null) raw.end();
      else stream.pipe(raw);
      raw.once("close", () => stream?.destroy());
    } catch (cause) {
      raw.end(failureOf(cause, settings.isTerminal));
    }
    return reply;
  });

  app.post<ById>("/exec/:id/resize", async (request, reply) => {
    await engine.execs.resize(request.params.id, sizeOf(new Query(request)));
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

/** Where the program's output would be. */
function failureOf(cause: unknown, isTerminal: boolean): Buffer {
  const text = `OCI runtime exec failed: exec failed: ${messageOf(cause)}${LINE_END}`;
  return isTerminal ? Buffer.from(text) : encodeFrame("stdout", text);
}

/** Rows and columns of a `resize`. */
export function sizeOf(query: Query): TerminalSize {
  const number = (name: string) => {
    const value = Number(query.text(name));
    if (!Number.isInteger(value) || value < 0 || value > 65_535) throw badRequest(`invalid terminal size ${name}=${query.text(name)}`);
    return value;
  };
  return { rows: number("h"), columns: number("w") };
}

function startOf(fields: Fields): { readonly isDetached: boolean; readonly size: TerminalSize | null } {
  const isDetached = fields.boolean("Detach");
  const [rows, columns] = fields.numbers("ConsoleSize");
  // Whether there is a terminal was said when it was made; SDKs send options of their own beside.
  return { isDetached, size: rows === undefined || columns === undefined ? null : { rows, columns } };
}
