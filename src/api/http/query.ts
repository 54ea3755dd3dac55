import type { FastifyRequest } from "fastify";
import { ClusterError } from "../../base/errors.js";
import { badRequest, controlError } from "./errors.js";

/** Query parameters of one request, read as Docker reads them (swarm-surface 2.1). */
export class Query {
  readonly #values: Readonly<Record<string, string | readonly string[] | undefined>>;

  constructor(request: Pick<FastifyRequest, "query">) {
    this.#values = request.query as Record<string, string | readonly string[] | undefined>;
  }

  /** Of a request that did not come through the router. */
  static of(parameters: URLSearchParams): Query {
    return new Query({ query: Object.fromEntries([...parameters.keys()].map((name) => [name, parameters.getAll(name)])) });
  }

  /** The first value; empty when absent. */
  text(name: string): string {
    return this.all(name)[0] ?? "";
  }

  all(name: string): readonly string[] {
    const value = this.#values[name];
    if (value === undefined) return [];
    return typeof value === "string" ? [value] : value;
  }

  /** "", 0, no, false and none are false; anything else is true. */
  flag(name: string): boolean {
    return !["", "0", "no", "false", "none"].includes(this.text(name).trim().toLowerCase());
  }

  /** The version of the object that an update is based on. Throws 400 when it is missing or not a number. */
  version(kind: string): number {
    const text = this.text("version");
    if (!/^\d{1,20}$/.test(text)) throw badRequest(`invalid ${kind} version '${text}': not a number`);
    const version = Number(text);
    // No object has such a version: the index of the log stays below 2^53.
    if (!Number.isSafeInteger(version)) throw controlError(new ClusterError("conflict", "update out of sequence"));
    return version;
  }

  /** Seconds since the epoch with up to nine decimals, or an RFC 3339 time, as nanoseconds; 0n when absent. */
  timeNs(name: string): bigint {
    const text = this.text(name).trim();
    if (text === "") return 0n;
    const match = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
    if (match !== null) return BigInt(match[1] ?? "0") * 1_000_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
    const timeMs = Date.parse(text);
    if (Number.isNaN(timeMs)) throw badRequest(`invalid value for ${name}: "${text}" is not a timestamp`);
    return BigInt(timeMs) * 1_000_000n;
  }

  /** `all` (or absent) is -1. */
  tail(): number {
    const text = this.text("tail");
    if (text === "" || text === "all") return -1;
    // Docker takes what it cannot read for "all".
    return /^\d{1,9}$/.test(text) ? Number(text) : -1;
  }
}
