import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { ClusterError } from "../../base/errors.js";
import { failure, HttpClient, type HttpClientOptions } from "./registry/http-client.js";

const REDIRECTS_MAX = 10;
/** More than this is no root file system, but a server that does not end. */
const ARCHIVE_BYTES_MAX = 256 * 2 ** 30;

export interface UrlArchiveOptions extends HttpClientOptions {
  readonly signal: AbortSignal;
  readonly sizeBytesMax?: number;
}

/** An archive on its way from a web server. */
export interface UrlArchive {
  /** Read it to its end or destroy it. Fails with ClusterError `unavailable` when it stalls or breaks off, `invalid_argument` when it is too large. */
  readonly stream: Readable;
  /** As the server says; null when it does not. */
  readonly sizeBytes: number | null;
}

/**
 * Fetches an archive by its URL (`http` or `https`), through the proxy that the environment names. Resolves when it begins to come. Throws ClusterError `invalid_argument` for what is no
 * such URL, `unavailable` when the server cannot be reached or fails, `failed_precondition` when it answers something else or redirects for ever.
 */
export async function openUrlArchive(text: string, options: UrlArchiveOptions): Promise<UrlArchive> {
  const http = new HttpClient(options);
  try {
    const { reply, url } = await follow(http, archiveUrl(text), options.signal);
    const length = reply.headers["content-length"];
    const stream = Readable.from(bounded(reply, url, options), { objectMode: false });
    stream.once("close", () => http[Symbol.dispose]());
    return { stream, sizeBytes: length === undefined ? null : Number(length) };
  } catch (cause) {
    http[Symbol.dispose]();
    throw cause;
  }
}

/** Docker's rule: without a scheme it is a host. */
function archiveUrl(text: string): URL {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(withScheme)) throw new ClusterError("invalid_argument", `"${text}" is not a URL`);
  const url = new URL(withScheme);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new ClusterError("invalid_argument", `cannot import from "${text}": unsupported protocol scheme "${url.protocol.slice(0, -1)}"`);
  }
  return url;
}

async function follow(http: HttpClient, first: URL, signal: AbortSignal): Promise<{ readonly reply: IncomingMessage; readonly url: URL }> {
  let url = first;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const reply = await http.send({ method: "GET", url, headers: authorizationOf(url), isInsecure: false, signal });
    const status = reply.statusCode ?? 0;
    if (status === 200) return { reply, url };
    reply.destroy();
    const { location } = reply.headers;
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) throw refused(url, status);
    const next = URL.canParse(location, url.href) ? new URL(location, url) : null;
    const isFollowed = next?.protocol === "https:" || (next?.protocol === "http:" && url.protocol === "http:");
    if (next === null || !isFollowed)
      throw new ClusterError("failed_precondition", `${url.origin} redirects to "${location}", where this host does not follow`);
    url = next;
  }
  throw new ClusterError("failed_precondition", `${shown(first)} redirects more than ${REDIRECTS_MAX} times`);
}

function refused(url: URL, status: number): ClusterError {
  const code = status === 404 || status === 410 ? "not_found" : status >= 500 || status === 429 ? "unavailable" : "failed_precondition";
  return new ClusterError(code, `${shown(url)}: it answered ${status}`);
}

/** A password in a URL is for its server, and for no message. */
function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function authorizationOf({ username, password }: URL): { readonly Authorization?: string } {
  if (username === "") return {};
  return { Authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}` };
}

async function* bounded(
  reply: IncomingMessage,
  url: URL,
  { signal, sizeBytesMax = ARCHIVE_BYTES_MAX }: UrlArchiveOptions,
): AsyncGenerator<Buffer, void, undefined> {
  let sizeBytes = 0;
  try {
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > sizeBytesMax) throw new ClusterError("invalid_argument", `${shown(url)} sends more than ${sizeBytesMax} bytes`);
      yield chunk;
    }
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw cause instanceof ClusterError
      ? cause
      : new ClusterError("unavailable", `${shown(url)} broke off after ${sizeBytes} bytes: ${failure(url, cause, true).message}`, { cause });
  } finally {
    reply.destroy();
  }
}
