import { Agent, request } from "node:http";
import type { Duplex } from "node:stream";

/** A client of the Docker Engine API on one unix socket, over connections that it keeps: the same against every daemon. */
export class EngineApi implements Disposable {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#socketPath = url.replace("unix://", "");
  }

  /** Resolves with the parsed body; rejects with the daemon's words unless it succeeded. */
  async call<T>(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<T> {
    const text = await new Promise<string>((resolve, reject) => {
      const headers = { "Content-Type": "application/json" };
      const call = request({ socketPath: this.#socketPath, agent: this.#agent, method, path, headers }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.once("end", () => {
          const answer = Buffer.concat(parts).toString();
          if ((response.statusCode ?? 500) < 400) resolve(answer);
          else reject(new Error(`${method} ${path} was answered ${response.statusCode}: ${answer}`));
        });
      });
      call.once("error", reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** Makes a container of the bench's image and starts it; resolves with its id. */
  async start(name: string, command: readonly string[], host: object = {}): Promise<string> {
    const { Id } = await this.call<{ readonly Id: string }>("POST", `/containers/create?name=${name}`, { Image: "bb:v1", Cmd: command, HostConfig: host });
    await this.call("POST", `/containers/${Id}/start`);
    return Id;
  }

  async remove(id: string): Promise<void> {
    await this.call("DELETE", `/containers/${id}?force=1`);
  }

  /** Resolves with the program's exit code. */
  async wait(id: string): Promise<number> {
    return (await this.call<{ readonly StatusCode: number }>("POST", `/containers/${id}/wait`)).StatusCode;
  }

  /** Runs a program in a container as the docker command line does it, and resolves with the bytes that it wrote, frames included. */
  async exec(container: string, command: readonly string[]): Promise<number> {
    const settings = { AttachStdout: true, AttachStderr: true, Cmd: command };
    const { Id } = await this.call<{ readonly Id: string }>("POST", `/containers/${container}/exec`, settings);
    const bytes = await this.#stream(`/exec/${Id}/start`, "{}");
    const { ExitCode } = await this.call<{ readonly ExitCode: number }>("GET", `/exec/${Id}/json`);
    if (ExitCode !== 0) throw new Error(`${command.join(" ")} exited with ${ExitCode}`);
    return bytes;
  }

  /** A request whose connection becomes a stream; resolves with the bytes that came when it has ended. */
  #stream(path: string, body: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { "Content-Type": "application/json", "Content-Length": body.length, Connection: "Upgrade", Upgrade: "tcp" };
      const call = request({ socketPath: this.#socketPath, method: "POST", path, headers });
      call.once("error", reject);
      call.once("response", (response) => reject(new Error(`POST ${path} was answered ${response.statusCode} instead of a stream`)));
      call.once("upgrade", (_, socket: Duplex, head: Buffer) => {
        let bytes = head.length;
        socket.on("data", (part: Buffer) => {
          bytes += part.length;
        });
        socket.once("error", reject).once("end", () => {
          socket.end();
          resolve(bytes);
        });
      });
      call.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
