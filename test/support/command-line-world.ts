import { createServer, type Server } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";

interface Seen {
  readonly method: string;
  /** With the version and the query. */
  readonly url: string;
  readonly body: string;
}

/** The command line in this process, and a daemon that answers it from a table: the real one is met in the lab tests. */
export class CommandLineWorld implements AsyncDisposable {
  /** For files of the test, too. */
  readonly folder = mkdtempSync(join(tmpdir(), "cli-"));
  readonly answers = new Map<string, { readonly status: number; readonly body: unknown }>();
  readonly seen: Seen[] = [];
  out = "";
  err = "";
  readonly #listeners: ((seen: Seen) => void)[] = [];
  readonly #server: Server;

  private constructor() {
    const writing = (add: (text: string) => void) => (text: string | Uint8Array) => {
      add(typeof text === "string" ? text : Buffer.from(text).toString());
      return true;
    };
    vi.spyOn(process.stdout, "write").mockImplementation(writing((text) => (this.out += text)));
    vi.spyOn(process.stderr, "write").mockImplementation(writing((text) => (this.err += text)));
    this.#server = createServer(async (request, reply) => {
      let body = "";
      try {
        for await (const chunk of request) body += chunk;
      } catch {
        return; // The command line broke off: nobody waits for an answer.
      }
      const { method = "", url = "" } = request;
      const seen = { method, url, body };
      this.seen.push(seen);
      for (const listener of this.#listeners) listener(seen);
      const found = this.answers.get(`${method} ${url.replace(/^\/v1\.47/, "").replace(/\?.*/, "")}`);
      reply
        .writeHead(found?.status ?? 404, { "content-type": "application/json" })
        .end(typeof found?.body === "string" && found.body !== "" ? found.body : JSON.stringify(found?.body ?? { message: "page not found" }));
    });
  }

  static async open(): Promise<CommandLineWorld> {
    const world = new CommandLineWorld();
    await new Promise<void>((done) => world.#server.listen(join(world.folder, "s.sock"), done));
    return world;
  }

  /** `route` is `GET /services`, without version and query; what has no answer is not found. */
  answer(route: string, body: unknown, status = 200): void {
    this.answers.set(route, { status, body });
  }

  /** Called with each request before it is answered: it may change the answers. */
  onSeen(listener: (seen: Seen) => void): void {
    this.#listeners.push(listener);
  }

  /** Runs one command line; resolves with its exit code. What it wrote is added to `out` and `err`. */
  swarm(...args: readonly string[]): Promise<number> {
    return runCommandLine(["node", "swarm", "-H", `unix://${join(this.folder, "s.sock")}`, ...args], "1.2.3");
  }

  /** The same, with what it wrote to standard output alone. Throws when it fails. */
  async output(...args: readonly string[]): Promise<string> {
    this.out = "";
    const code = await this.swarm(...args);
    if (code !== 0) throw new Error(`swarm ${args.join(" ")} ended with ${code}: ${this.err}`);
    return this.out;
  }

  /** The parameters of the last request. */
  get lastQuery(): URLSearchParams {
    return new URL(this.seen.at(-1)?.url ?? "", "http://daemon").searchParams;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    vi.restoreAllMocks();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
    rmSync(this.folder, { recursive: true });
  }
}
