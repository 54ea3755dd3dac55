import { setMaxListeners } from "node:events";
import type { RequestListener, Server } from "node:http";
import type { Duplex } from "node:stream";
import fastify, { type FastifyInstance } from "fastify";
import type { Clock } from "../../base/clock.js";
import type { Logger } from "../../base/log.js";
import { JSON_TYPE, sendError } from "./answer.js";
import type { Backend } from "./backend.js";
import type { RouteContext } from "./context.js";
import { answerOf, isFailure, PAGE_NOT_FOUND_TEXT } from "./errors.js";
import { type ListenOptions, openListener } from "./listener.js";
import { hijackHandler } from "./hijack-handler.js";
import { attachRoutes } from "./routes/attach.js";
import { commitRoutes } from "./routes/commit.js";
import { containerFileRoutes } from "./routes/container-files.js";
import { containerLifeRoutes } from "./routes/container-life.js";
import { containerMakeRoutes } from "./routes/container-make.js";
import { containerRemovalRoutes } from "./routes/container-removal.js";
import { containerWatchRoutes } from "./routes/container-watch.js";
import { containerRoutes } from "./routes/containers.js";
import { execRoutes } from "./routes/exec.js";
import { diskUsageRoutes } from "./routes/disk-usage.js";
import { eventRoutes } from "./routes/events.js";
import { imageRoutes } from "./routes/images.js";
import { logRoutes } from "./routes/logs.js";
import { networkRoutes } from "./routes/networks.js";
import { nodeRoutes } from "./routes/nodes.js";
import { patchRoutes } from "./routes/patches.js";
import { notBuiltRoutes } from "./routes/not-built.js";
import { registryRoutes } from "./routes/registry.js";
import { serviceRoutes } from "./routes/services.js";
import { backupRoutes } from "./routes/backup.js";
import { buildRoutes } from "./routes/builds.js";
import { pluginRoutes } from "./routes/plugins.js";
import { swarmRoutes } from "./routes/swarm.js";
import { systemRoutes } from "./routes/system.js";
import { taskRoutes } from "./routes/tasks.js";
import { volumeRoutes } from "./routes/volumes.js";
import { API_VERSION, checkVersion, stripVersion } from "./version.js";

export interface HttpServerOptions {
  readonly backend: Backend;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The Docker Engine API of one node, on as many listeners as asked for. */
export interface HttpServer extends AsyncDisposable {
  /**
   * Opens one listener; may be called several times. Resolves with its path, or its host:port with the port that was chosen for 0.
   * Throws ClusterError `invalid_argument` when the address cannot be had.
   */
  listen(options: ListenOptions): Promise<string>;
  /** Ends streams, lets running requests finish for a short while, and closes everything. */
  close(): Promise<void>;
  /** The application below the listeners, for tests without a socket. */
  readonly app: FastifyInstance;
}

/** How long requests under way may take at close. */
const CLOSE_GRACE_MS = 3_000;

const ROUTES = [
  systemRoutes,
  diskUsageRoutes,
  eventRoutes,
  swarmRoutes,
  backupRoutes,
  nodeRoutes,
  patchRoutes,
  serviceRoutes,
  taskRoutes,
  volumeRoutes,
  logRoutes,
  imageRoutes,
  attachRoutes,
  execRoutes,
  containerMakeRoutes,
  containerLifeRoutes,
  containerRemovalRoutes,
  containerWatchRoutes,
  containerFileRoutes,
  commitRoutes,
  containerRoutes,
  networkRoutes,
  registryRoutes,
  buildRoutes,
  pluginRoutes,
  notBuiltRoutes,
];

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const closing = new AbortController();
  // All streams listen.
  setMaxListeners(0, closing.signal);
  const context: RouteContext = { ...options, closing: closing.signal };
  const app = createApp(context);
  const upgrade = hijackHandler(context, commonHeaders(options.backend));
  const servers: Server[] = [];

  const close = async () => {
    closing.abort();
    await Promise.all(servers.splice(0).map((server) => closeServer(server, options.clock)));
    await app.close();
  };
  return {
    app,
    close,
    [Symbol.asyncDispose]: close,
    async listen(listenOptions) {
      await app.ready();
      const handler: RequestListener = (request, response) => app.routing(request, response);
      const server = await openListener(listenOptions, handler, options.logger);
      server.on("upgrade", (request, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        upgrade(request, socket);
      });
      server.on("clientError", refuseMalformed(commonHeaders(options.backend)));
      servers.push(server);
      const address = server.address();
      return typeof address === "object" && address !== null ? `${address.address}:${address.port}` : `${address}`;
    },
  };
}

function createApp(context: RouteContext): FastifyInstance {
  const headers = commonHeaders(context.backend);
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    // Bodies are read by the routes, each with its own limit or none.
    bodyLimit: Number.MAX_SAFE_INTEGER,
    routerOptions: { maxParamLength: 4096 },
    rewriteUrl: stripVersion,
    frameworkErrors: (error, _request, reply) => {
      for (const [name, value] of Object.entries(headers)) reply.header(name, value);
      sendError(reply as Parameters<typeof sendError>[0], error.statusCode ?? 400, error.message);
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  const headerPairs = Object.entries(headers);
  // With callbacks: a promise for each hook of each request would cost more than the hooks.
  app.addHook("onRequest", (request, reply, done) => {
    for (const [name, value] of headerPairs) reply.raw.setHeader(name, value);
    checkVersion(request.raw);
    done();
  });
  app.addHook("onSend", (_request, reply, _payload, done) => {
    if (context.closing.aborted) reply.header("connection", "close");
    done();
  });
  app.setNotFoundHandler((_request, reply) => sendError(reply, 404, PAGE_NOT_FOUND_TEXT));
  app.setErrorHandler((cause, request, reply) => {
    const { status, message } = answerOf(cause);
    if (isFailure(cause)) context.logger.error({ err: cause, method: request.method, url: request.url }, "a request failed");
    // The client may still be sending: what nobody reads must pass, or it sees a broken pipe instead of this answer.
    if (!request.raw.complete) request.raw.resume();
    return sendError(reply, status, message);
  });
  for (const routes of ROUTES) routes(app, context);
  return app;
}

/** On every answer: clients negotiate by them. */
function commonHeaders(backend: Backend): Readonly<Record<string, string>> {
  return {
    "Api-Version": API_VERSION,
    "Docker-Experimental": "false",
    Ostype: "linux",
    Server: `Docker/${backend.host.version} (linux)`,
  };
}

/** What is not even HTTP gets an answer in the same form. */
function refuseMalformed(headers: Readonly<Record<string, string>>): (cause: Error, socket: Duplex) => void {
  const body = '{"message":"malformed HTTP request"}\n';
  const all = { ...headers, "Content-Type": JSON_TYPE, "Content-Length": `${body.length}`, Connection: "close" };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = `HTTP/1.1 400 Bad Request\r\n${lines.join("")}\r\n${body}`;
  return (_cause, socket) => {
    if (socket.writable) socket.end(answer);
  };
}

async function closeServer(server: Server, clock: Clock): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cancel = clock.after(CLOSE_GRACE_MS, () => server.closeAllConnections());
  await closed;
  cancel();
}
