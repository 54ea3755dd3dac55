import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { openUrlArchive, type UrlArchiveOptions } from "../../../src/runtime/images/url-archive.js";

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const OPTIONS: UrlArchiveOptions = { stallMs: 10_000, environment: {}, signal: new AbortController().signal };

async function fetched(url: string, options: Partial<UrlArchiveOptions> = {}): Promise<string> {
  const { stream } = await openUrlArchive(url, { ...OPTIONS, ...options });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

test("an archive comes, over redirects, without a scheme, and with the name and password of the URL", async () => {
  const base = await serve((request, response) => {
    if (request.url === "/first") response.writeHead(302, { Location: "/second" }).end();
    else response.end(`${request.url} ${request.headers.authorization ?? ""}`);
  });
  expect(await fetched(`${base}/first`)).toBe("/second ");
  expect(await fetched(`${base.replace("http://", "")}/x`)).toBe("/x ");
  expect(await fetched(`${base.replace("//", "//me:secret@")}/x`)).toBe(`/x Basic ${Buffer.from("me:secret").toString("base64")}`);
  expect((await openUrlArchive(`${base}/x`, OPTIONS)).sizeBytes).toBe(3);
});

test("the proxy that the environment names is asked", async () => {
  const base = await serve((request, response) => response.end(`for ${request.url}`));
  expect(await fetched("http://files.example/root.tar", { environment: { http_proxy: base } })).toBe("for http://files.example/root.tar");
});

test.each<readonly [string, RequestListener, string, Partial<UrlArchiveOptions>, object]>([
  ["a missing file", (_, response) => response.writeHead(404).end(), "/x", {}, { code: "not_found", message: /\/x: it answered 404$/ }],
  ["a server that fails", (_, response) => response.writeHead(503).end(), "/x", {}, { code: "unavailable", message: /it answered 503$/ }],
  ["what needs a login", (_, response) => response.writeHead(401).end(), "/x", {}, { code: "failed_precondition", message: /it answered 401$/ }],
  [
    "redirects for ever",
    (request, response) => response.writeHead(302, { Location: `${request.url}x` }).end(),
    "/x",
    {},
    { code: "failed_precondition", message: /redirects more than 10 times$/ },
  ],
  [
    "a redirect to another protocol",
    (_, response) => response.writeHead(302, { Location: "file:///etc/shadow" }).end(),
    "/x",
    {},
    { code: "failed_precondition", message: /redirects to "file:\/\/\/etc\/shadow", where this host does not follow$/ },
  ],
  [
    "one that promises more",
    (_, response) => {
      response.writeHead(200, { "Content-Length": 100 }).write("half");
      setImmediate(() => response.destroy());
    },
    "/x",
    {},
    { code: "unavailable", message: /broke off after \d bytes/ },
  ],
  [
    "one that stalls",
    (_, response) => void response.writeHead(200, { "Content-Length": 100 }).write("half"),
    "/x",
    { stallMs: 200 },
    { code: "unavailable", message: /broke off after 4 bytes: .*no data for 0.2 s$/ },
  ],
  ["one that never answers", () => undefined, "/x", { stallMs: 200 }, { code: "unavailable", message: /no data for 0.2 s$/ }],
  [
    "one that is too large",
    (_, response) => response.end("x".repeat(1_000)),
    "/x",
    { sizeBytesMax: 999 },
    { code: "invalid_argument", message: /more than 999 bytes$/ },
  ],
])("%s ends in an error that says so", async (_, listener, path, options, error) => {
  const base = await serve(listener);
  await expect(fetched(`${base}${path}`, options)).rejects.toMatchObject({ ...error, message: expect.stringMatching((error as { message: RegExp }).message) });
});

test.each([
  ["ftp://127.0.0.1/x.tar", 'unsupported protocol scheme "ftp"'],
  ["http://[nonsense", '"http://[nonsense" is not a URL'],
  ["http://127.0.0.1:1/x.tar", "ECONNREFUSED"],
])("%s cannot be fetched", async (url, message) => {
  await expect(fetched(url)).rejects.toThrow(message);
});
