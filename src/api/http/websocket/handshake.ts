import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { badRequest, HttpError } from "../errors.js";

/** What a server proves that it speaks the protocol with (RFC 6455, section 1.3). */
const PROTOCOL_ID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * Headers of the answer that makes the connection a websocket. Throws 400 for a request that asks for none, or for another version, and 403 for a page of somebody else:
 * a browser shows its user's certificate to whoever asks.
 */
export function acceptWebSocket(request: IncomingMessage, socket: Duplex): Readonly<Record<string, string>> {
  const {
    upgrade = "",
    origin,
    host = "",
    "sec-websocket-key": key = "",
    "sec-websocket-version": version,
    "sec-websocket-protocol": offered = "",
  } = request.headers;
  if (upgrade.toLowerCase() !== "websocket") throw badRequest(NEEDS_WEBSOCKET_TEXT);
  if (version !== "13") throw badRequest(`websocket version ${version ?? "none"} is not supported: 13 is`);
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) throw badRequest(`Sec-WebSocket-Key "${key}" is not 16 bytes in base64`);
  const isForeign = origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
  if (isForeign && socket instanceof TLSSocket) throw new HttpError(403, `a page of ${origin} may not attach to containers of ${host}`);
  const accept = createHash("sha1")
    .update(key + PROTOCOL_ID)
    .digest("base64");
  // A browser that offers protocols wants one of them.
  const [protocol = ""] = offered.split(/\s*,\s*/);
  return { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Accept": accept, ...(protocol === "" ? {} : { "Sec-WebSocket-Protocol": protocol }) };
}

export const NEEDS_WEBSOCKET_TEXT = "attach/ws is for websocket clients: the request lacks Upgrade: websocket";
