import { createPrivateKey, randomUUID, sign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";

/**
 * Gives out the tokens that a registry wants (distribution's token specification), to ann, whose password is `right`. Run with the folder of its key and certificate and the
 * address to listen on; `GET /asked` says what it was asked for.
 */
const [folder = "", host = "", port = ""] = process.argv.slice(2);
const key = readFileSync(join(folder, "server.key"));
const certificate = readFileSync(join(folder, "server.crt"));
const REFRESH_TOKEN = "refresh-token-of-ann";
const asked: string[] = [];

createServer({ key, cert: certificate }, (request, reply) => {
  const url = new URL(request.url ?? "/", `https://${host}:${port}`);
  if (url.pathname === "/asked") return void reply.end(JSON.stringify(asked));
  let body = "";
  request.on("data", (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on("end", () => {
    const query = request.method === "POST" ? new URLSearchParams(body) : url.searchParams;
    asked.push(`${request.method} ${query}`);
    const isKnown =
      request.method === "POST"
        ? query.get("refresh_token") === REFRESH_TOKEN
        : request.headers.authorization === `Basic ${Buffer.from("ann:right").toString("base64")}`;
    if (!isKnown) return void reply.writeHead(401, { "content-type": "application/json" }).end("{}");
    const token = tokenFor(query.getAll("scope"));
    reply.writeHead(200, { "content-type": "application/json" });
    reply.end(JSON.stringify({ token, access_token: token, ...(query.get("offline_token") === "true" ? { refresh_token: REFRESH_TOKEN } : {}) }));
  });
}).listen(Number(port), host);

function tokenFor(scopes: readonly string[]): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const access = scopes.map((scope) => {
    const [type, name, actions = ""] = scope.split(":");
    return { type, name, actions: actions.split(",") };
  });
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = encode({ typ: "JWT", alg: "ES256", x5c: [new X509Certificate(certificate).raw.toString("base64")] });
  const claims = encode({
    iss: "token-server",
    sub: "ann",
    aud: "registry",
    exp: nowSeconds + 300,
    nbf: nowSeconds - 60,
    iat: nowSeconds,
    jti: randomUUID(),
    access,
  });
  const signature = sign("sha256", Buffer.from(`${header}.${claims}`), { key: createPrivateKey(key), dsaEncoding: "ieee-p1363" });
  return `${header}.${claims}.${signature.toString("base64url")}`;
}
