import { request } from "node:http";

/** What a call to a daemon's API came to. */
export type Answer =
  | { readonly type: "answered"; readonly status: number; readonly text: string }
  /** Nothing reached the daemon: its socket refused. */
  | { readonly type: "not_sent"; readonly reason: string }
  /** It was sent and no whole answer came. */
  | { readonly type: "lost"; readonly reason: string };

/** One call over a unix socket on a connection of its own, given up after `timeoutMs`. Never rejects. */
export function call(
  socketPath: string,
  method: "GET" | "POST",
  path: string,
  options: { readonly timeoutMs: number; readonly body?: unknown },
): Promise<Answer> {
  return new Promise((resolve) => {
    const text = options.body === undefined ? "" : JSON.stringify(options.body);
    const headers = text === "" ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const outgoing = request({ socketPath, method, path, headers, agent: false, signal: AbortSignal.timeout(options.timeoutMs) }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on("data", (chunk: Buffer) => chunks.push(chunk));
      reply.on("error", (cause) => resolve({ type: "lost", reason: cause.message }));
      reply.on("end", () => resolve({ type: "answered", status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    outgoing.on("error", (cause: NodeJS.ErrnoException) => {
      const isRefused = cause.code === "ECONNREFUSED" || cause.code === "ENOENT";
      resolve({ type: isRefused ? "not_sent" : "lost", reason: cause.name === "AbortError" ? `no answer within ${options.timeoutMs} ms` : cause.message });
    });
    outgoing.end(text);
  });
}

/** The JSON of a 2xx answer; throws with everything known about any other. */
export function bodyOf<T>(answer: Answer, what: string): T {
  if (answer.type !== "answered") throw new Error(`${what}: ${answer.reason}`);
  if (answer.status < 200 || answer.status >= 300) throw new Error(`${what}: ${answer.status} ${answer.text}`);
  return JSON.parse(answer.text) as T;
}
