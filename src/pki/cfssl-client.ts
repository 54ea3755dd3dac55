import type { IncomingMessage } from "node:http";
import { type RequestOptions, request as httpsRequest } from "node:https";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import { inOneLine } from "../base/one-line.js";
import type { ExternalCa } from "../model/objects.js";
import type { NodeCredentials } from "./identity-files.js";
import { encodePem } from "./pem.js";
import { certificatesIn } from "./trust.js";

/** What an external authority is asked to certify: the body of CFSSL's `POST /api/v1/cfssl/sign` (cfssl: doc/api/endpoint_sign.txt). */
export interface SigningRequest {
  /** PEM of a PKCS#10 request. */
  readonly certificate_request: string;
  /** Alternative names. */
  readonly hosts: readonly string[];
  readonly subject: { readonly CN: string; readonly names?: readonly Readonly<Record<string, string>>[] };
  /** Of the authority's configuration; its default when absent. */
  readonly profile?: string;
}

/** Asks authorities outside of the cluster. Every failure is a ClusterError `unavailable` with the URL. */
export interface ExternalSigner {
  /** The certificate, PEM, as it came: the caller checks it. */
  sign(authority: ExternalCa, request: SigningRequest): Promise<string>;
  /** Resolves when it answers at all. */
  reach(authority: ExternalCa): Promise<void>;
}

/** As Swarm has it (swarm-surface 3.11). */
const TIMEOUT_MS = 5_000;
const REPLY_BYTES_MAX = 64 * 1024;

/** Speaks the CFSSL protocol over HTTPS; this node's certificate says who asks. Believes a server that the cluster's roots or the authority's own vouch for. */
export class CfsslClient implements ExternalSigner {
  readonly #credentials: () => NodeCredentials;
  readonly #clock: Clock;

  constructor(options: { readonly credentials: () => NodeCredentials; readonly clock: Clock }) {
    this.#credentials = options.credentials;
    this.#clock = options.clock;
  }

  async sign(authority: ExternalCa, request: SigningRequest): Promise<string> {
    const reply = parsed(await this.#send(authority, JSON.stringify(request)));
    if (reply.certificate === undefined)
      throw unavailable(authority, `answered ${reply.status}${reply.error === "" ? " without a certificate" : `: ${reply.error}`}`);
    return reply.certificate;
  }

  async reach(authority: ExternalCa): Promise<void> {
    await this.#send(authority, null);
  }

  /** Posts the body, or only looks whether anybody answers. */
  async #send(authority: ExternalCa, body: string | null): Promise<Answer> {
    const { rootCertificate, certificate, key } = this.#credentials();
    const timeout = new AbortController();
    const cancel = this.#clock.after(TIMEOUT_MS, () => timeout.abort());
    try {
      const ask = (ca: readonly string[]) => exchange(authority.url, body, { ca: [...ca], cert: certificate, key, signal: timeout.signal });
      return await byOneOf(rootsIn(rootCertificate, authority.rootCertificate), ask);
    } catch (cause) {
      throw unavailable(authority, timeout.signal.aborted ? `gave no answer within ${TIMEOUT_MS / 1_000} s` : `cannot be asked: ${messageOf(cause)}`, cause);
    } finally {
      cancel();
    }
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** PEM, each once. */
function rootsIn(...bundles: readonly string[]): readonly string[] {
  return [...new Set(bundles.flatMap((bundle) => certificatesIn(bundle).map(({ raw }) => encodePem("CERTIFICATE", raw))))];
}

/**
 * Asks a server that one of the roots vouches for. Where two have one name and the server's certificate does not say which key issued it, OpenSSL looks at one of them only, and
 * nothing is sent when that is the wrong one: then each is tried alone.
 */
async function byOneOf(roots: readonly string[], ask: (roots: readonly string[]) => Promise<Answer>): Promise<Answer> {
  try {
    return await ask(roots);
  } catch (cause) {
    if (systemCodeOf(cause) !== "CERT_SIGNATURE_FAILURE" || roots.length === 1) throw cause;
    return await Promise.any(roots.map((root) => ask([root]))).catch(() => {
      throw cause;
    });
  }
}

function exchange(url: string, body: string | null, options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = body === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const all = { ...options, method: body === null ? "HEAD" : "POST", headers, agent: false } as const;
    const outgoing = httpsRequest(url, all, (reply) => read(reply).then(resolve, reject));
    outgoing.on("error", reject);
    outgoing.end(body ?? undefined);
  });
}

async function read(reply: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of reply) {
    size += (chunk as Buffer).length;
    if (size > REPLY_BYTES_MAX) throw new ClusterError("out_of_range", `its answer is longer than ${REPLY_BYTES_MAX} bytes`);
    chunks.push(chunk as Buffer);
  }
  return { status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() };
}

/** `{"success": true, "result": {"certificate": "…"}, "errors": [{"code": 1, "message": "…"}]}` */
function parsed({ status, text }: Answer): { readonly status: number; readonly certificate: string | undefined; readonly error: string } {
  const reply = record(jsonIn(text));
  const certificate = record(reply.result).certificate;
  const errors = Array.isArray(reply.errors) ? reply.errors.map((error) => record(error).message).filter((message) => typeof message === "string") : [];
  const isGood = status === 200 && reply.success === true && typeof certificate === "string";
  return { status, certificate: isGood ? certificate : undefined, error: inOneLine(errors.join("; ")) };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // The caller says what came instead of a certificate.
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function unavailable({ url }: ExternalCa, what: string, cause?: unknown): ClusterError {
  return new ClusterError("unavailable", `the external CA at ${url} ${what}`, { cause });
}
