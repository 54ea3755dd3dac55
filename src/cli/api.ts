import { readFileSync } from "node:fs";
import { type ClientRequest, type IncomingMessage, type RequestOptions, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { stringify as stringifyLossless } from "lossless-json";
import { messageOf, systemCodeOf } from "../base/errors.js";
import { socketPathFault } from "../base/socket-path.js";
import { parseExact } from "./exact-json.js";
import { CommandFailure, EXIT, misuse } from "./failure.js";

const API_VERSION = "v1.47";

export interface ApiRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** Without the version: `/services`. */
  readonly path: string;
  /** What is sent has fields that are newer than the version which is asked otherwise: the daemon takes all that it knows. */
  readonly isUnversioned?: boolean;
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** A value sent as JSON, or a stream sent as it is. */
  readonly body?: unknown;
  readonly stream?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Files with the certificates for a TCP host, where they are not those of the folder DOCKER_CERT_PATH. */
export interface CertificateFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** The HTTP API of one daemon. Every failure is a CommandFailure with the daemon's own words. */
export class Api {
  readonly #host: string;
  readonly #certificates: CertificateFiles;

  /** `unix:///path`, or `tcp://host:port` with a client certificate. */
  constructor(host: string, certificates: CertificateFiles = {}) {
    this.#host = host;
    this.#certificates = certificates;
  }

  /** The answer as JSON, integers beyond 2^53 as bigint; undefined when the answer is empty. */
  async call<T>(request: ApiRequest): Promise<T> {
    const text = await this.text(request);
    return (text === "" ? undefined : parseExact(text)) as T;
  }

  async text(request: ApiRequest): Promise<string> {
    const reply = await this.open(request);
    const chunks: Buffer[] = [];
    for await (const chunk of reply) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  }

  /** The answer as a stream, once its status is known to be good. */
  async open(request: ApiRequest): Promise<IncomingMessage> {
    let outgoing: ClientRequest | undefined;
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing = this.#send(request, reject).on("response", resolve);
    });
    const status = reply.statusCode ?? 0;
    // 304: it was so already.
    if (status < 300 || status === 304) return reply;
    const refused = await refusal(reply);
    // What it did not want to read to the end would keep this process waiting.
    request.stream?.destroy();
    outgoing?.destroy();
    throw refused;
  }

  /** A connection that has become a stream in both directions (swarm-surface 2.2): its end is the end of what the program reads. */
  async upgrade(request: ApiRequest): Promise<{ readonly socket: Duplex; readonly reply: IncomingMessage }> {
    const headers = { ...request.headers, connection: "Upgrade", upgrade: "tcp" };
    return await new Promise((resolve, reject) => {
      const outgoing = this.#send({ ...request, headers }, reject);
      outgoing.on("upgrade", (reply: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (head.length > 0) socket.unshift(head);
        resolve({ socket, reply });
      });
      outgoing.on("response", (reply: IncomingMessage) => refusal(reply).then(reject, reject));
    });
  }

  #send(request: ApiRequest, onError: (cause: unknown) => void): ClientRequest {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(request.query ?? {})) for (const item of value === undefined ? [] : [value].flat()) query.append(key, item);
    const path = `${request.isUnversioned === true ? "" : `/${API_VERSION}`}${request.path}${query.size > 0 ? `?${query}` : ""}`;
    const body = request.body === undefined ? undefined : stringifyLossless(request.body);
    const headers: Record<string, string | number> =
      body === undefined ? { ...request.headers } : { ...request.headers, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    if (request.stream !== undefined) headers["content-type"] = "application/x-tar";
    const { send, options } = this.#transport();
    const outgoing = send({ ...options, method: request.method, path, headers, ...(request.signal === undefined ? {} : { signal: request.signal }) });
    outgoing.on("error", (cause) => onError(request.signal?.aborted ? request.signal.reason : this.#unreachable(cause)));
    if (request.stream === undefined) outgoing.end(body);
    else {
      const { stream } = request;
      // The daemon waits for the rest, and would keep this process waiting.
      stream.on("error", (cause) => {
        onError(cause instanceof CommandFailure ? cause : new CommandFailure(EXIT.refused, `cannot read what is to be sent: ${messageOf(cause)}`, { cause }));
        outgoing.destroy();
      });
      stream.pipe(outgoing);
    }
    return outgoing;
  }

  #transport(): { readonly send: typeof plainRequest; readonly options: RequestOptions } {
    if (this.#host.startsWith("unix://")) {
      const socketPath = this.#host.slice("unix://".length);
      const fault = socketPathFault(socketPath);
      if (fault !== undefined) throw misuse(`host "${this.#host}" ${fault}`);
      return { send: plainRequest, options: { socketPath } };
    }
    const url = URL.canParse(this.#host) ? new URL(this.#host) : undefined;
    if (url?.protocol !== "tcp:") throw new CommandFailure(EXIT.misuse, `host "${this.#host}" is neither unix:///path nor tcp://host:port`);
    const files = { ca: this.#certificate("ca"), cert: this.#certificate("cert"), key: this.#certificate("key") };
    return { send: tlsRequest, options: { host: url.hostname, port: url.port, ...files } as RequestOptions };
  }

  #certificate(name: keyof CertificateFiles): Buffer {
    const folder = process.env.DOCKER_CERT_PATH || undefined;
    const path = this.#certificates[name] ?? (folder === undefined ? undefined : join(folder, `${name}.pem`));
    if (path === undefined)
      throw misuse(
        "a tcp host needs a client certificate: set DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem, or give --tlscacert, --tlscert and --tlskey",
      );
    try {
      return readFileSync(path);
    } catch (cause) {
      throw misuse(`cannot read the certificate ${path}: ${messageOf(cause)}`);
    }
  }

  #unreachable(cause: Error): CommandFailure {
    const code = systemCodeOf(cause);
    const reason =
      code === "ENOENT" || code === "ECONNREFUSED" ? "is swarmd running?" : code === "EACCES" ? "you need to be root or in the group swarm" : cause.message;
    return new CommandFailure(EXIT.unreachable, `cannot reach the daemon at ${this.#host}: ${reason}`, { cause });
  }
}

async function refusal(reply: IncomingMessage): Promise<CommandFailure> {
  const chunks: Buffer[] = [];
  for await (const chunk of reply) chunks.push(chunk as Buffer);
  const status = reply.statusCode ?? 0;
  const message = messageIn(Buffer.concat(chunks).toString()) ?? `the daemon answered ${status}`;
  return new CommandFailure(EXIT.refused, inOurWords(message), { status });
}

/** The daemon speaks to users of docker; who has this command line is told its commands, and spared the codes that scripts look for. */
export function inOurWords(message: string): string {
  return message
    .replace(/^rpc error: code = \w+ desc = /, "")
    .replace(/\bdocker swarm (init|join-token|join|leave|unlock-key|unlock|update|ca)\b/g, "swarm $1")
    .replace(
      /\bdocker (service|node|image|container|volume|system|login|logout|run|exec|pull|push|import|load|save|tag|rmi|rm|start|stop|inspect|info)\b/g,
      "swarm $1",
    );
}

function messageIn(text: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null && "message" in parsed ? String(parsed.message) : undefined;
  } catch {
    // Not our daemon's way of saying it; whatever it says is better than nothing.
    return text.trim() === "" ? undefined : text.trim();
  }
}
