import type { IncomingMessage } from "node:http";
import { ClusterError } from "../../../base/errors.js";
import type { Credentials } from "./credentials.js";
import type { Endpoint } from "./endpoints.js";
import { type HttpClient, readBody } from "./http-client.js";

/** What a registry wants to see, from its WWW-Authenticate header (RFC 9110 section 11.6.1). */
export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: Readonly<Record<string, string>>;
}

/** Access of one operation to one repository of a registry: proves who asks, in the way that the registry wants (distribution's token specification). */
export class Authorizer {
  readonly #http: HttpClient;
  readonly #endpoint: Endpoint;
  readonly #credentials: Credentials | null;
  /** `repository:NAME:pull` or `…:pull,push`. */
  readonly #scope: string;
  #header = "";

  constructor(options: { readonly http: HttpClient; readonly endpoint: Endpoint; readonly credentials: Credentials | null; readonly scope: string }) {
    this.#http = options.http;
    this.#endpoint = options.endpoint;
    // A mirror is somebody else: it never sees credentials of the registry that it mirrors.
    this.#credentials = options.endpoint.isMirror ? null : options.credentials;
    this.#scope = options.scope;
    if (this.#credentials !== null && this.#credentials.registryToken !== "") this.#header = `Bearer ${this.#credentials.registryToken}`;
  }

  /** Empty before the first challenge. */
  get header(): string {
    return this.#header;
  }

  /** Does what a challenge asks for. Resolves with false when there is nothing more to offer than what was refused. */
  async answer(reply: IncomingMessage, signal: AbortSignal): Promise<boolean> {
    const challenges = parseChallenges(reply.headers["www-authenticate"] ?? "");
    const before = this.#header;
    const bearer = challenges.find((challenge) => challenge.scheme === "bearer");
    if (bearer !== undefined) this.#header = `Bearer ${await this.#token(bearer, signal)}`;
    else if (challenges.length > 0 && this.#credentials !== null && this.#credentials.username !== "") this.#header = basic(this.#credentials);
    return this.#header !== before;
  }

  async #token({ parameters }: Challenge, signal: AbortSignal): Promise<string> {
    const realm = parameters.realm ?? "";
    if (!URL.canParse(realm)) throw new ClusterError("permission_denied", `${this.#endpoint.base} sends for a token to "${realm}", which is no URL`);
    const url = new URL(realm);
    const identityToken = this.#credentials?.identityToken ?? "";
    if (this.#credentials !== null && url.protocol !== "https:" && !this.#endpoint.isInsecure) {
      throw new ClusterError("permission_denied", `${this.#endpoint.base} sends for a token to ${url.origin}, where credentials would go unencrypted`);
    }
    const query = { ...(parameters.service === undefined ? {} : { service: parameters.service }), scope: this.#scope };
    for (const [key, value] of Object.entries(identityToken === "" ? query : {})) url.searchParams.append(key, value);
    const form = new URLSearchParams({ ...query, grant_type: "refresh_token", refresh_token: identityToken, client_id: "swarmd" });
    const reply = await this.#http.send({
      method: identityToken === "" ? "GET" : "POST",
      url,
      headers:
        identityToken !== ""
          ? { "Content-Type": "application/x-www-form-urlencoded" }
          : this.#credentials === null || this.#credentials.username === ""
            ? {}
            : { Authorization: basic(this.#credentials) },
      ...(identityToken === "" ? {} : { body: Buffer.from(form.toString()) }),
      isInsecure: this.#endpoint.isInsecure,
      signal,
    });
    const text = (await readBody(reply, url)).toString("utf8");
    const status = reply.statusCode ?? 0;
    if (status === 429 || status >= 500) throw new ClusterError("unavailable", `${url.origin} answered ${status} when asked for a token`);
    if (status !== 200) throw new ClusterError("permission_denied", `${url.origin} answered ${status} when asked for a token: wrong name or password?`);
    return tokenIn(text, url);
  }
}

/** Several challenges may stand in one header; values may be quoted and then hold commas. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  for (const match of header.matchAll(/(?:^|[\s,]+)([A-Za-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|(?=\s|,|$))/g)) {
    const [, name = "", quoted, plain] = match;
    const value = quoted?.replace(/\\(.)/g, "$1") ?? plain;
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: {} });
    else Object.assign(challenges.at(-1)?.parameters ?? {}, { [name.toLowerCase()]: value });
  }
  return challenges.flatMap(({ scheme, parameters }) => (scheme === "basic" || scheme === "bearer" ? [{ scheme, parameters }] : []));
}

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function tokenIn(text: string, url: URL): string {
  try {
    const { token, access_token: accessToken } = JSON.parse(text) as { readonly token?: unknown; readonly access_token?: unknown };
    const found = token ?? accessToken;
    if (typeof found === "string" && /^[\x21-\x7e]+$/.test(found)) return found;
  } catch {
    // Said below: it makes no difference why there is no token in it.
  }
  throw new ClusterError("permission_denied", `${url.origin} gave no token`);
}
