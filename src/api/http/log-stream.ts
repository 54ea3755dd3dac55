import type { ContainerLogOptions } from "../../runtime/container-runtime.js";
import type { Query } from "./query.js";
import { badRequest } from "./errors.js";
import { nanosecondText } from "./convert/time.js";
import type { ApiMinor } from "./version.js";

/** What a client asks of a log (swarm-surface 2.2 and 2.3). */
export interface LogQuery extends ContainerLogOptions {
  readonly timestamps: boolean;
  readonly details: boolean;
}

/** Throws 400 when neither stream is asked for. */
export function logQueryOf(query: Query): LogQuery {
  const stdout = query.flag("stdout");
  const stderr = query.flag("stderr");
  if (!stdout && !stderr) throw badRequest("Bad parameters: you must choose at least one stream");
  return {
    follow: query.flag("follow"),
    stdout,
    stderr,
    sinceNs: query.timeNs("since"),
    untilNs: query.timeNs("until"),
    tail: query.tail(),
    timestamps: query.flag("timestamps"),
    details: query.flag("details"),
  };
}

const STREAM_NUMBER = { stdout: 1, stderr: 2, systemerr: 3 } as const;

/** From this version on, a multiplexed stream says in its type that it is one. */
const MULTIPLEXED_TYPE_MINOR = 42;

export function logContentType(isTty: boolean, apiMinor: ApiMinor): string {
  return isTty || apiMinor < MULTIPLEXED_TYPE_MINOR ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream";
}

export interface LogEntry {
  readonly stream: "stdout" | "stderr";
  readonly timestampNs: bigint;
  readonly data: Uint8Array;
  /** What `details` shows. */
  readonly attributes: Readonly<Record<string, string>>;
}

const NEWLINE = 0x0a;

/** The bytes of one entry on the wire: one frame per line; of a terminal, the bytes as they are. */
export function encodeLogEntry(entry: LogEntry, query: LogQuery, options: { readonly isTty: boolean; readonly endLines: boolean }): Buffer {
  const prefix = Buffer.from((query.timestamps ? `${nanosecondText(entry.timestampNs)} ` : "") + (query.details ? `${attributesText(entry.attributes)} ` : ""));
  const parts = linesOf(Buffer.from(entry.data)).flatMap((line) => {
    const isOpen = options.endLines && !options.isTty && line.at(-1) !== NEWLINE;
    const payload = Buffer.concat([prefix, line, ...(isOpen ? [Buffer.of(NEWLINE)] : [])]);
    return options.isTty ? [payload] : [frameHeader(entry.stream, payload.length), payload];
  });
  return Buffer.concat(parts);
}

/** One frame: stream, three zero bytes, length (big-endian), payload. */
export function encodeFrame(stream: keyof typeof STREAM_NUMBER, text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([frameHeader(stream, payload.length), payload]);
}

function frameHeader(stream: keyof typeof STREAM_NUMBER, sizeBytes: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(STREAM_NUMBER[stream], 0);
  header.writeUInt32BE(sizeBytes, 4);
  return header;
}

/** Splits after each newline; what follows the last one is a line too, if there is any. */
function linesOf(data: Buffer): readonly Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < data.length; ) {
    const newline = data.indexOf(NEWLINE, start);
    const end = newline < 0 ? data.length : newline + 1;
    lines.push(data.subarray(start, end));
    start = end;
  }
  return lines;
}

/** `k=v,k2=v2`, sorted by key, escaped as in a query. */
function attributesText(attributes: Readonly<Record<string, string>>): string {
  return Object.keys(attributes)
    .sort()
    .map((key) => `${encodeURIComponent(key)}=${encodeURIComponent(attributes[key] ?? "")}`)
    .join(",");
}
