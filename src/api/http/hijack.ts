import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { Duplex } from "node:stream";
import { answerOf, HttpError } from "./errors.js";
import { JSON_TYPE } from "./answer.js";

/** Largest body of a request whose connection becomes a stream. */
const BODY_BYTES_MAX = 1024 * 1024;

/** A request whose connection becomes a stream. */
export interface HijackedRequest {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly socket: Duplex;
  /** Of every answer. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads the body of a request that asked for another protocol; what comes after it stays in the socket. Throws 400 for one without a length. */
export async function readHijackBody(request: IncomingMessage, socket: Duplex): Promise<string> {
  if (request.headers["transfer-encoding"] !== undefined) throw new HttpError(400, "the body of a request with Upgrade must have a Content-Length");
  const sizeBytes = Number(request.headers["content-length"] ?? 0);
  if (!Number.isInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > BODY_BYTES_MAX) throw new HttpError(400, `invalid Content-Length: ${sizeBytes}`);
  if (sizeBytes === 0) return "";
  const chunks: Buffer[] = [];
  for (let missing = sizeBytes; missing > 0; ) {
    const chunk = (socket.read(Math.min(missing, socket.readableLength || 1)) as Buffer | null) ?? (await nextReadable(socket));
    if (chunk === null) continue;
    chunks.push(chunk);
    missing -= chunk.length;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Null when there is something to read now. */
function nextReadable(socket: Duplex): Promise<null> {
  return new Promise((resolve, reject) => {
    const settle = (call: () => void) => {
      socket.off("readable", onReadable).off("close", onClose).off("end", onClose);
      call();
    };
    const onReadable = () => settle(() => resolve(null));
    const onClose = () => settle(() => reject(new HttpError(400, "the client went away before it had sent everything")));
    socket.once("readable", onReadable).once("close", onClose).once("end", onClose);
  });
}

/** The answer after which the connection is a stream: byte by byte Docker's, whose clients look for it in many ways. */
export function acceptHijack(socket: Duplex, contentType: string, headers: Readonly<Record<string, string>> = {}): void {
  writeHead(socket, "101 UPGRADED", { "Content-Type": contentType, Connection: "Upgrade", Upgrade: "tcp", ...headers });
}

/**
 * The same for a client whose connection stays HTTP: what follows is the stream as it is, to the connection's end, in no chunks, which clients that read bytes alone would
 * take for output. A client that has closed its side has no more to say, and still reads; one that did so in the middle of its request is gone.
 */
export function beginRawStream(raw: ServerResponse, contentType: string): void {
  for (const name of ["Content-Length", "Transfer-Encoding"]) raw.removeHeader(name);
  raw.writeHead(200, { "Content-Type": contentType, Connection: "close" });
  raw.flushHeaders();
  const { req, socket } = raw;
  // Node's server ends a connection as soon as its client has closed its side, and what the program says from then on would be lost.
  socket?.removeAllListeners("end").once("end", () => {
    if (!req.complete) socket.destroy();
  });
}

/** A client of `beginRawStream` as one stream, which is closed when the client has gone, before as after. Without an input it says nothing. */
export function rawClient(raw: ServerResponse, input?: IncomingMessage): Duplex {
  const client = Duplex.from(input === undefined ? { writable: raw } : { readable: input, writable: raw });
  if (raw.destroyed) client.destroy();
  return client;
}

/** Ends the connection without a stream: there is none. */
export function answerWithNothing(socket: Duplex, headers: Readonly<Record<string, string>>): void {
  writeHead(socket, "200 OK", { ...headers, Date: new Date().toUTCString(), "Content-Length": "0", Connection: "close" });
  socket.end();
}

/** Ends the connection with an error in the form of any other. */
export function refuseHijack(socket: Duplex, headers: Readonly<Record<string, string>>, cause: unknown): void {
  const { status, message } = answerOf(cause);
  const body = `${JSON.stringify({ message })}\n`;
  const sorted = Object.entries({ ...headers, "Content-Type": JSON_TYPE }).toSorted(([one], [other]) => (one < other ? -1 : 1));
  writeHead(socket, `${status} ${STATUS_CODES[status] ?? ""}`, {
    ...Object.fromEntries(sorted),
    Date: new Date().toUTCString(),
    "Content-Length": `${Buffer.byteLength(body)}`,
    Connection: "close",
  });
  socket.end(body);
}

/** The head of an answer, by hand: the connection is no longer the HTTP server's. */
export function writeHead(socket: Duplex, status: string, headers: Readonly<Record<string, string>>): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status}\r\n${lines.join("")}\r\n`);
}
