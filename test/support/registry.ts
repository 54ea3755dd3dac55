import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, createServer, type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { until } from "./until.js";

const PROGRAM = join(resolve(import.meta.dirname, "../.."), ".tools/registry/docker-registry");

/** Deals with a request instead of the registry, or returns false to let it pass. */
export type Fault = (request: IncomingMessage, reply: ServerResponse) => boolean;

interface Descriptor {
  readonly digest: string;
  readonly mediaType: string;
}

interface Manifest {
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
}

/** Debian's docker-registry behind a port of 127.0.0.1 where tests get between it and its clients. */
export class TestRegistry implements AsyncDisposable {
  readonly folder: string;
  readonly #process: ChildProcess;
  readonly #server: Server;
  readonly #socket: string;
  /** Method and path of every request that came, in order. */
  readonly requests: string[] = [];
  fault: Fault = () => false;

  private constructor(folder: string) {
    this.folder = folder;
    this.#socket = join(folder, "socket");
    writeFileSync(
      join(folder, "config.yml"),
      `version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ${folder}/data\nhttp:\n  net: unix\n  addr: ${this.#socket}\n`,
    );
    this.#process = spawn(PROGRAM, ["serve", join(folder, "config.yml")], { stdio: "ignore" });
    this.#server = createServer((request, reply) => {
      this.requests.push(`${request.method} ${request.url}`);
      if (!this.fault(request, reply)) this.forward(request, reply);
    });
  }

  static async start(host = "127.0.0.1"): Promise<TestRegistry> {
    const registry = new TestRegistry(mkdtempSync(join(tmpdir(), "registry-")));
    await new Promise<void>((done) => registry.#server.listen(0, host, done));
    await until("the registry listens", () => existsSync(registry.#socket), 30);
    return registry;
  }

  /** host:port. */
  get address(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `${address}:${port}`;
  }

  /** The registry's own answer, its body through `change`. */
  forward(
    request: IncomingMessage,
    reply: ServerResponse,
    change: (from: IncomingMessage, to: ServerResponse) => void = (from, to) => void from.pipe(to),
  ): void {
    const { method = "GET", url = "/", headers } = request;
    // A connection each: one that was kept may be closed by the time it is used.
    const route = { socketPath: this.#socket, method, path: url, headers: headers as OutgoingHttpHeaders, agent: new Agent() };
    const outgoing = httpRequest(route, (answer) => {
      reply.writeHead(answer.statusCode ?? 500, answer.headers);
      change(answer, reply);
    });
    outgoing.on("error", () => reply.destroy());
    request.pipe(outgoing);
  }

  /** Puts the image, or the index, of an OCI layout into the registry as `name:v1`. */
  async publish(layout: string, name: string): Promise<void> {
    const read = (digest: string) => readFileSync(join(layout, "blobs", digest.replace(":", "/")));
    const base = `http://${this.address}/v2/${name}`;
    const expectCreated = async (reply: Response) => {
      if (reply.status !== 201) throw new Error(`the registry answered ${reply.status}: ${await reply.text()}`);
    };
    const putBlob = async ({ digest }: Descriptor) => {
      const { headers } = await fetch(`${base}/blobs/uploads/`, { method: "POST" });
      await expectCreated(await fetch(`${headers.get("location")}&digest=${digest}`, { method: "PUT", body: read(digest) }));
    };
    const putManifest = async ({ digest, mediaType }: Descriptor, tag: string) => {
      const { manifests = [], config, layers = [] } = JSON.parse(read(digest).toString()) as Manifest;
      for (const manifest of manifests) await putManifest(manifest, manifest.digest);
      await Promise.all([...layers, ...(config === undefined ? [] : [config])].map(putBlob));
      await expectCreated(await fetch(`${base}/manifests/${tag}`, { method: "PUT", headers: { "content-type": mediaType }, body: read(digest) }));
    };
    const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as Required<Manifest>;
    for (const manifest of manifests) await putManifest(manifest, "v1");
  }

  /** Copies an image with skopeo: between OCI layouts, archives and this registry. */
  async copy(from: string, to: string, ...flags: readonly string[]): Promise<void> {
    const plain = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    await promisify(execFile)("skopeo", ["--insecure-policy", "copy", "--quiet", ...plain, ...flags, from, to], {
      env: { ...process.env, TMPDIR: this.folder },
    });
  }

  countOf(pattern: RegExp): number {
    return this.requests.filter((request) => pattern.test(request)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((done) => this.#process.once("exit", done));
    this.#process.kill("SIGKILL");
    await ended;
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
