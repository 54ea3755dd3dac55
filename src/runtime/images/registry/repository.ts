import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { ClusterError } from "../../../base/errors.js";
import { inOneLine } from "../../../base/one-line.js";
import { digestOf, isDigest } from "../digest.js";
import { parseJson } from "../parse-json.js";
import { type Descriptor, type EncodedManifest, MANIFEST_TYPES } from "../manifest.js";
import { Authorizer } from "./authorizer.js";
import type { Credentials } from "./credentials.js";
import { type Endpoint, trustOf } from "./endpoints.js";
import { type HttpClient, type HttpRequest, readBody } from "./http-client.js";

const REDIRECTS_MAX = 10;
const TAGS_PER_ANSWER = 1_000;
const TAGS_MAX = 20_000;
/** A registry may say fewer tags at a time than it is asked for. */
const TAG_ANSWERS_MAX = 200;
/** Refused again after it was told who asks: that often, and no more. */
const CHALLENGES_MAX = 2;

export interface RepositoryOptions {
  readonly http: HttpClient;
  readonly endpoint: Endpoint;
  readonly path: string;
  readonly credentials: Credentials | null;
  readonly access: "pull" | "pull,push";
}

/** One repository of one registry (OCI distribution specification). Every call is one attempt; `unavailable` is worth another. */
export class Repository {
  readonly endpoint: Endpoint;
  readonly #path: string;
  readonly #http: HttpClient;
  readonly #authorizer: Authorizer;

  constructor({ http, endpoint, path, credentials, access }: RepositoryOptions) {
    this.endpoint = endpoint;
    this.#path = path;
    this.#http = http;
    this.#authorizer = new Authorizer({ http, endpoint, credentials, scope: path === "" ? "" : `repository:${path}:${access}` });
  }

  /** By tag or digest. Throws `not_found`; `invalid_argument` when what came does not have the digest that was asked for. */
  async manifest(reference: string, signal: AbortSignal): Promise<EncodedManifest> {
    const url = this.#url(`manifests/${reference}`);
    const reply = await this.#exchange({ method: "GET", url, headers: { Accept: MANIFEST_TYPES.join(", ") }, signal });
    const bytes = await readBody(reply, url);
    expectStatus(reply, bytes, [200], url);
    const digest = digestOf(bytes);
    if (isDigest(reference) && digest !== reference)
      throw new ClusterError("invalid_argument", `${url.origin} answered with the manifest ${digest} where ${reference} was asked for`);
    const mediaType = (reply.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
    if (mediaType === "text/html")
      throw new ClusterError("invalid_argument", `${url.host} answered with a web page where a manifest was asked for: is it a registry?`);
    return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
  }

  /** The bytes of a blob from an offset on, and the offset at which they begin: 0 when the registry cannot do parts. */
  async blob(
    { digest }: Descriptor,
    fromByte: number,
    signal: AbortSignal,
  ): Promise<{ readonly reply: IncomingMessage; readonly fromByte: number; readonly url: URL }> {
    const url = this.#url(`blobs/${digest}`);
    const reply = await this.#exchange({ method: "GET", url, headers: fromByte > 0 ? { Range: `bytes=${fromByte}-` } : {}, signal });
    if (reply.statusCode === 206) {
      const start = Number(/^bytes (\d+)-/.exec(reply.headers["content-range"] ?? "")?.[1] ?? Number.NaN);
      if (start === fromByte) return { reply, fromByte, url };
      reply.destroy();
      throw new ClusterError("unavailable", `${url.origin} was asked for bytes from ${fromByte} on and sent "${reply.headers["content-range"] ?? ""}"`);
    }
    if (reply.statusCode !== 200) expectStatus(reply, await readBody(reply, url), [], url);
    return { reply, fromByte: 0, url };
  }

  async hasBlob(digest: string, signal: AbortSignal): Promise<boolean> {
    const url = this.#url(`blobs/${digest}`);
    const reply = await this.#exchange({ method: "HEAD", url, signal });
    const text = await readBody(reply, url);
    if (reply.statusCode === 404) return false;
    expectStatus(reply, text, [200], url);
    return true;
  }

  /** Uploads a blob in one piece; `open` is asked for its content once for every attempt to send it. */
  async putBlob(blob: Descriptor, open: () => Readable, signal: AbortSignal): Promise<void> {
    const start = this.#url("blobs/uploads/");
    const begun = await this.#exchange({ method: "POST", url: start, headers: { "Content-Length": 0 }, signal });
    expectStatus(begun, await readBody(begun, start), [202], start);
    const url = this.#redirected(start, begun.headers.location ?? "");
    url.searchParams.append("digest", blob.digest);
    const headers = { "Content-Type": "application/octet-stream", "Content-Length": blob.size };
    const reply = await this.#exchange({ method: "PUT", url, headers, open, signal });
    expectStatus(reply, await readBody(reply, url), [201], url);
  }

  async putManifest({ bytes, descriptor }: EncodedManifest, tag: string, signal: AbortSignal): Promise<void> {
    const url = this.#url(`manifests/${tag}`);
    const reply = await this.#exchange({ method: "PUT", url, headers: { "Content-Type": descriptor.mediaType }, body: bytes, signal });
    expectStatus(reply, await readBody(reply, url), [201], url);
  }

  /** All tags, however many answers they come in. */
  async tags(signal: AbortSignal): Promise<readonly string[]> {
    const tags: string[] = [];
    let url: URL | null = this.#url(`tags/list?n=${TAGS_PER_ANSWER}`);
    for (let answers = 1; url !== null; answers++) {
      if (answers > TAG_ANSWERS_MAX)
        throw new ClusterError("failed_precondition", `${url.host} has more than ${TAG_ANSWERS_MAX} answers for the tags of ${this.#path}`);
      const reply = await this.#exchange({ method: "GET", url, signal });
      const body = await readBody(reply, url);
      expectStatus(reply, body, [200], url);
      tags.push(...tagsIn(body, url));
      if (tags.length > TAGS_MAX) throw new ClusterError("failed_precondition", `${url.host} has more than ${TAGS_MAX} tags of ${this.#path}`);
      // RFC 8288, as the distribution specification has it.
      const next = /<([^<>]+)>\s*;\s*rel="?next"?/.exec(String(reply.headers.link ?? ""))?.[1];
      url = next === undefined ? null : this.#redirected(url, next);
    }
    return tags;
  }

  /** Shows the registry who asks, without asking for anything. Resolves with the token that it gave to be kept; empty when it gave none. */
  async introduce(signal: AbortSignal): Promise<string> {
    const url = new URL(`${this.endpoint.base}/v2/`);
    const reply = await this.#exchange({ method: "GET", url, signal });
    expectStatus(reply, await readBody(reply, url), [200], url);
    return this.#authorizer.identityToken;
  }

  #url(path: string): URL {
    return new URL(`${this.endpoint.base}/v2/${this.#path}/${path}`);
  }

  /** Answers challenges and follows redirects, both a bounded number of times. Whom a redirect leads to learns nothing of who asks. */
  async #exchange(
    request: Omit<HttpRequest, "isInsecure" | "certificates" | "headers"> & { readonly headers?: OutgoingHttpHeaders; readonly open?: () => Readable },
  ): Promise<IncomingMessage> {
    let { url } = request;
    for (let redirects = 0, challenges = 0; ; ) {
      const isOwn = url.origin === new URL(this.endpoint.base).origin;
      const sent = this.#authorizer.header;
      const authorization = isOwn && sent !== "" ? { Authorization: sent } : {};
      const { open, ...rest } = request;
      const body = open === undefined ? {} : { body: open() };
      const reply = await this.#http.send({ ...rest, ...body, url, headers: { ...request.headers, ...authorization }, ...trustOf(this.endpoint) });
      const status = reply.statusCode ?? 0;
      if (status === 401 && isOwn && challenges++ < CHALLENGES_MAX && (await this.#authorizer.answer(reply, sent, request.signal))) {
        reply.resume();
      } else if ([301, 302, 303, 307, 308].includes(status) && reply.headers.location !== undefined && ["GET", "HEAD"].includes(request.method)) {
        reply.resume();
        if (++redirects > REDIRECTS_MAX) throw new ClusterError("failed_precondition", `${request.url.href} redirects more than ${REDIRECTS_MAX} times`);
        url = this.#redirected(url, reply.headers.location);
      } else {
        return reply;
      }
    }
  }

  #redirected(from: URL, location: string): URL {
    const url = URL.canParse(location, from.href) ? new URL(location, from) : null;
    const isAllowed = url?.protocol === "https:" || (url?.protocol === "http:" && this.endpoint.isInsecure);
    if (url === null || !isAllowed)
      throw new ClusterError("failed_precondition", `${from.origin} redirects to "${inOneLine(location)}", where this host does not follow`);
    return url;
  }
}

/** What a registry said instead of what was asked for, as an error with its own words. */
function expectStatus(reply: IncomingMessage, body: Buffer, good: readonly number[], url: URL): void {
  const status = reply.statusCode ?? 0;
  if (good.includes(status)) return;
  const words = errorsIn(body) || `it answered ${status}`;
  const text = `${url.host}: ${words}`;
  if (status === 404) throw new ClusterError("not_found", text);
  if (status === 401) throw new ClusterError("unauthenticated", text);
  if (status === 403) throw new ClusterError("permission_denied", text);
  if (status === 429 || status === 408 || status >= 500) {
    throw new ClusterError("unavailable", `${text}${errorsIn(body) === "" ? "" : ` (${status})`}`, {
      details: { retryAfter: reply.headers["retry-after"] ?? "" },
    });
  }
  throw new ClusterError("failed_precondition", status === 416 ? `${text}: it has less than it was asked for` : text, { details: { status: String(status) } });
}

function tagsIn(body: Buffer, url: URL): readonly string[] {
  const list = parseJson(body, `the list of tags of ${url.host}`);
  const tags: unknown = typeof list === "object" && list !== null && "tags" in list ? (list.tags ?? []) : undefined;
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string"))
    throw new ClusterError("invalid_argument", `${url.host} answered with no list of tags`);
  return tags;
}

function errorsIn(body: Buffer): string {
  try {
    const { errors } = JSON.parse(body.toString("utf8")) as { readonly errors?: readonly { readonly code?: string; readonly message?: string }[] };
    return inOneLine((errors ?? []).map(({ code, message }) => message || (code ?? "").toLowerCase().replaceAll("_", " ")).join("; "));
  } catch {
    // Not every server on the way speaks the registry's language: its status says enough.
    return "";
  }
}
