import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { RouteContext } from "./context.js";
import { badRequest, notSupported } from "./errors.js";
import { type HijackedRequest, refuseHijack } from "./hijack.js";
import { attachHijacked } from "./routes/attach.js";
import { attachWebSocket } from "./routes/attach-websocket.js";
import { startHijackedExec } from "./routes/exec.js";
import { checkVersion, stripVersion } from "./version.js";

/** Answers a connection that asked to become a stream. */
export type HijackHandler = (request: IncomingMessage, socket: Duplex) => Promise<void>;

type HijackRoute = (context: RouteContext, id: string, hijacked: HijackedRequest) => Promise<void>;

const ROUTES: readonly (readonly [method: string, path: RegExp, route: HijackRoute])[] = [
  ["GET", /^\/containers\/([^/]+)\/attach\/ws$/, attachWebSocket],
  ["POST", /^\/containers\/([^/]+)\/attach$/, attachHijacked],
  ["POST", /^\/exec\/([^/]+)\/start$/, startHijackedExec],
];

/** Routes of connections that become streams; `headers` are those of every answer. What goes wrong is answered in the form of any other error. */
export function hijackHandler(context: RouteContext, headers: Readonly<Record<string, string>>): HijackHandler {
  return async (request, socket) => {
    try {
      // Whatever becomes of it, an error of the connection is no error of ours.
      socket.on("error", () => socket.destroy());
      const url = urlOf(stripVersion(request));
      checkVersion(request);
      for (const [method, path, route] of ROUTES) {
        const id = path.exec(url.pathname)?.[1];
        if (request.method === method && id !== undefined) return await route(context, decodeURIComponent(id), { request, url, socket, headers });
      }
      throw notSupported(`${url.pathname} is not supported over a connection that becomes a stream`);
    } catch (cause) {
      refuseHijack(socket, headers, cause);
    }
  };
}

/** Throws 400 for what is no path, or holds what is no name, as the routes do whose connection stays HTTP. */
function urlOf(path: string): URL {
  try {
    const url = new URL(`http://api${path}`);
    decodeURIComponent(url.pathname);
    return url;
  } catch {
    throw badRequest(`'${path}' is not a valid url component`);
  }
}
