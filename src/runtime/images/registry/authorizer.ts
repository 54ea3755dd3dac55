import type { IncomingMessage } from "node:http";
import { ClusterError } from "../../../base/errors.js";
import { inOneLine } from "../../../base/one-line.js";
import type { Credentials } from "./credentials.js";
import { type Endpoint, trustOf } from "./endpoints.js";
import { type HttpClient, readBody } from "./http-client.js";

/** What a registry wants to see, from its WWW-Authenticate header (RFC 9110 section 11.6.1). */
export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: Readonly<Record<string, string>>;
}

/** How those who give tokens know this program. */
const CLIENT_ID = "swarmd";

/** Access of one operation to one repository of a registry: proves who asks, in the way that the registry wants (distribution's token specification). */
export class Authorizer {
  readonly #http: HttpClient;
  readonly #endpoint: Endpoint;
  readonly #credentials: Credentials | null;
  /** `repository:NAME:pull` or `…:pull,push`; empty to say no more than who asks. */
  readonly #scope: string;
  #identityToken = "";
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

  /** A token that stands for name and password from now on, where the one who gives tokens gave that too; empty before. */
  get identityToken(): string {
    return this.#identityToken;
  }

  /** Does what a challenge to a request with the header `sent` asks for. Resolves with false when there is nothing more to offer than what was refused. */
  async answer(reply: IncomingMessage, sent: string, signal: AbortSignal): Promise<boolean> {
    // Another request of the same operation has answered meanwhile.
    if (this.#header !== sent) return true;
    const challenges = parseChallenges(reply.headers["www-authenticate"] ?? "");
    const bearer = challenges.find((challenge) => challenge.scheme === "bearer");
    if (bearer !== undefined) this.#header = `Bearer ${await this.#token(bearer, signal)}`;
    else if (challenges.length > 0 && this.#credentials !== null && this.#credentials.username !== "") this.#header = basic(this.#credentials);
    return this.#header !== sent;
  }

  async #token({ parameters }: Challenge, signal: AbortSignal): Promise<string> {
    const realm = parameters.realm ?? "";
    if (!URL.canParse(realm)) throw new ClusterError("permission_denied", `${this.#endpoint.base} sends for a token to "${inOneLine(realm)}", which is no URL`);
    const url = new URL(realm);
    if (url.protocol !== "https:" && url.protocol !== "http:")
      throw new ClusterError("permission_denied", `${this.#endpoint.base} sends for a token to "${inOneLine(realm)}", where this host does not follow`);
    const identityToken = this.#credentials?.identityToken ?? "";
    if (this.#credentials !== null && url.protocol !== "https:" && !this.#endpoint.isInsecure) {
      throw new ClusterError("permission_denied", `${this.#endpoint.base} sends for a token to ${url.origin}, where credentials would go unencrypted`);
    }
    const query = {
      ...(parameters.service === undefined ? {} : { service: parameters.service }),
      // Without a repository it is a login, which asks for a token that lasts.
      ...(this.#scope === "" ? { offline_token: "true", client_id: CLIENT_ID } : { scope: this.#scope }),
      ...(this.#credentials === null || this.#credentials.username === "" ? {} : { account: this.#credentials.username }),
    };
    for (const [key, value] of Object.entries(identityToken === "" ? query : {})) url.searchParams.append(key, value);
    const form = new URLSearchParams({ ...query, grant_type: "refresh_token", refresh_token: identityToken, client_id: CLIENT_ID });
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
      ...trustOf(this.#endpoint),
      signal,
    });
    const text = (await readBody(reply, url)).toString("utf8");
    const status = reply.statusCode ?? 0;
    if (status === 429 || status >= 500) throw new ClusterError("unavailable", `${url.origin} answered ${status} when asked for a token`);
    if (status !== 200) throw new ClusterError("permission_denied", `${url.origin} answered ${status} when asked for a token: wrong name or password?`);
    const { token, identityToken: given } = tokensIn(text, url);
    this.#identityToken = given;
    return token;
  }
}

/** Several challenges may stand in one header; values may be quoted and then hold commas. Takes a time in proportion to the header's length, whatever is in it. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  for (const match of header.matchAll(/(?<![^\s,])([A-Za-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|(?=\s|,|$))/g)) {
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

function tokensIn(text: string, url: URL): { readonly token: string; readonly identityToken: string } {
  try {
    const fields = JSON.parse(text) as { readonly token?: unknown; readonly access_token?: unknown; readonly refresh_token?: unknown };
    const token = fields.token ?? fields.access_token;
    if (typeof token === "string" && /^[\x21-\x7e]+$/.test(token)) {
      return { token, identityToken: typeof fields.refresh_token === "string" ? fields.refresh_token : "" };
    }
  } catch {
    // Said below: it makes no difference why there is no token in it.
  }
  throw new ClusterError("permission_denied", `${url.origin} gave no token`);
}
