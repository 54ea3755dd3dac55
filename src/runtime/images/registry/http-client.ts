import { once } from "node:events";
import { Agent as PlainAgent, type IncomingMessage, type OutgoingHttpHeaders, type RequestOptions, request as plainRequest } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { isIP, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { connect as connectTls } from "node:tls";
import { systemClock } from "../../../base/clock.js";
import { ClusterError, messageOf } from "../../../base/errors.js";
import type { RegistryCertificates } from "./certificates.js";
import { type ProxyEnvironment, proxyFor } from "./proxy.js";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH";
  readonly url: URL;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer | Readable;
  /** A certificate that nobody vouches for will do. */
  readonly isInsecure: boolean;
  readonly certificates?: RegistryCertificates | undefined;
  readonly signal: AbortSignal;
}

export interface HttpClientOptions {
  /** Without a byte for this long a connection has stalled. */
  readonly stallMs: number;
  readonly environment: ProxyEnvironment;
}

/** Bodies that are read into memory. */
const TEXT_BYTES_MAX = 4 * 1024 * 1024;
/** For one of them: a registry that sends a byte now and then has not stalled. */
const TEXT_MS_MAX = 120_000;

/**
 * Single exchanges with HTTP servers, through the proxy that the environment names. Throws ClusterError `unavailable` for everything that keeps an answer from coming,
 * with the detail `phase: connect` when there was no connection.
 */
export class HttpClient implements Disposable {
  readonly #options: HttpClientOptions;
  readonly #plain = new PlainAgent({ keepAlive: true });
  readonly #tls = new TlsAgent({ keepAlive: true });

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /** The answer with its body still to come: read it to its end or destroy it. It fails like the request when it stalls or breaks off. */
  async send(request: HttpRequest): Promise<IncomingMessage> {
    const { url, signal, body } = request;
    const options = await this.#route(request);
    const outgoing = (url.protocol === "https:" ? tlsRequest : plainRequest)({ ...options, method: request.method, signal });
    let isConnected = false;
    outgoing.once("socket", (socket: Socket) => {
      // A socket that was kept from an earlier exchange; else it has to be ready, with TLS and all.
      if (outgoing.reusedSocket) isConnected = true;
      else
        socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => {
          isConnected = true;
        });
    });
    let answer: IncomingMessage | undefined;
    outgoing.setTimeout(this.#options.stallMs, () => (answer ?? outgoing).destroy(new Error(`no data for ${this.#options.stallMs / 1000} s`)));
    const answered = once(outgoing, "response", { signal }) as Promise<[IncomingMessage]>;
    if (body === undefined || Buffer.isBuffer(body)) outgoing.end(body);
    else body.once("error", (cause) => outgoing.destroy(cause)).pipe(outgoing);
    try {
      [answer] = await answered;
      return answer;
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw failure(url, cause, isConnected);
    } finally {
      // After the answer its own stream tells of failures; before it, the promise has.
      outgoing.on("error", () => undefined);
    }
  }

  [Symbol.dispose](): void {
    this.#plain.destroy();
    this.#tls.destroy();
  }

  async #route(request: HttpRequest): Promise<RequestOptions> {
    const { url, isInsecure, certificates = {} } = request;
    const headers = { "User-Agent": "swarmd", ...request.headers };
    const proxy = proxyFor(url, this.#options.environment);
    const hostname = url.hostname.replace(/^\[|\]$/g, "");
    const target = { hostname, port: url.port || (url.protocol === "https:" ? 443 : 80), path: url.pathname + url.search, headers };
    const { ca, cert, key } = certificates;
    const tls = {
      rejectUnauthorized: !isInsecure,
      ...(ca === undefined ? {} : { ca: [...ca] }),
      ...(cert === undefined || key === undefined ? {} : { cert: [...cert], key: [...key] }),
    };
    if (proxy === null) return url.protocol === "https:" ? { ...target, ...tls, agent: this.#tls } : { ...target, agent: this.#plain };
    const through = { hostname: proxy.hostname.replace(/^\[|\]$/g, ""), port: proxy.port || 80 };
    const credentials = proxyAuthorization(proxy);
    if (url.protocol === "http:") return { ...target, ...through, path: url.href, headers: { Host: url.host, ...headers, ...credentials }, agent: this.#plain };
    const socket = await this.#tunnel(through, `${url.hostname}:${target.port}`, credentials, request);
    const secure = connectTls({ socket, ...(isIP(hostname) === 0 ? { servername: hostname } : {}), ...tls });
    return { ...target, agent: false, createConnection: () => secure };
  }

  async #tunnel(
    proxy: { readonly hostname: string; readonly port: string | number },
    target: string,
    headers: OutgoingHttpHeaders,
    { url, signal }: HttpRequest,
  ) {
    const outgoing = plainRequest({ ...proxy, method: "CONNECT", path: target, headers: { Host: target, ...headers }, agent: false, signal });
    outgoing.setTimeout(this.#options.stallMs, () => outgoing.destroy(new Error("the proxy does not answer")));
    outgoing.end();
    try {
      const [reply, socket] = (await once(outgoing, "connect", { signal })) as [IncomingMessage, Socket];
      if (reply.statusCode === 200) return socket;
      socket.destroy();
      throw new Error(`the proxy ${proxy.hostname}:${proxy.port} answered ${reply.statusCode}`);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw failure(url, cause, false);
    }
  }
}

/** The body as bytes. Throws ClusterError `unavailable` when it breaks off or takes longer than `msMax`, `invalid_argument` when it is larger than 4 MiB. */
export async function readBody(reply: IncomingMessage, url: URL, msMax = TEXT_MS_MAX): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const cancel = systemClock.after(msMax, () => void reply.destroy(new Error(`the answer is not whole after ${msMax / 1000} s`)));
  try {
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > TEXT_BYTES_MAX)
        throw new ClusterError("invalid_argument", `${url.host} answered with more than ${TEXT_BYTES_MAX} bytes where a document should be`);
    }
  } catch (cause) {
    throw cause instanceof ClusterError ? cause : failure(url, cause, true);
  } finally {
    cancel();
  }
  return Buffer.concat(chunks);
}

/** ClusterError `unavailable` with the host. `phase` says whether a connection was there: only without one may another endpoint be asked. */
export function failure(url: URL, cause: unknown, isConnected: boolean): ClusterError {
  return new ClusterError("unavailable", `${url.protocol}//${url.host}: ${messageOf(cause)}`, {
    cause,
    details: { phase: isConnected ? "exchange" : "connect" },
  });
}

function proxyAuthorization({ username, password }: URL): OutgoingHttpHeaders {
  if (username === "") return {};
  return { "Proxy-Authorization": `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}` };
}
