import { connect, type Socket } from "node:net";
import { type Deferred, deferred } from "../../base/deferred.js";
import { ClusterError, systemCodeOf } from "../../base/errors.js";
import { type Outcome, parseOutcome } from "./exit-record.js";
import { LineSplitter } from "./line-splitter.js";

export interface ShimListener {
  /** The program was executed. */
  onRunning(pid: number, startedAtMs: number): void;
  onOutcome(outcome: Outcome): void;
}

/** A connection to a container's shim; the protocol is in native/shim/control.h. */
export class ShimConnection {
  readonly #socket: Socket;
  readonly #listener: ShimListener;
  readonly #kills: Deferred<number>[] = [];
  /** Resolves when the shim is gone, with all it made: or was killed. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket, listener: ShimListener) {
    this.#socket = socket;
    this.#listener = listener;
    const lines = new LineSplitter((line) => this.#takeLine(line));
    this.closed = new Promise((resolve) => socket.on("close", () => resolve()));
    socket.on("data", (data: Buffer) => lines.push(data));
    // Every error of a connected socket is followed by its close.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const kill of this.#kills.splice(0)) kill.reject(new ClusterError("failed_precondition", "the container has ended"));
    });
  }

  /** Null when no shim listens there. */
  static open(path: string, listener: ShimListener): Promise<ShimConnection | null> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const onError = (cause: Error) => {
        const code = systemCodeOf(cause);
        if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ECONNRESET") resolve(null);
        else reject(cause);
      };
      socket.once("error", onError);
      socket.once("connect", () => {
        socket.off("error", onError);
        resolve(new ShimConnection(socket, listener));
      });
    });
  }

  /** Throws `failed_precondition` when the program has ended. */
  async kill(signal: number): Promise<void> {
    const answer = deferred<number>();
    if (this.#socket.destroyed) throw new ClusterError("failed_precondition", "the container has ended");
    this.#kills.push(answer);
    this.#socket.write(`kill ${signal}\n`);
    const error = await answer.promise;
    if (error !== 0) throw new ClusterError("failed_precondition", `signal ${signal} cannot be delivered (error ${error})`);
  }

  /** Size of the program's terminal; does nothing without one. */
  resize(rows: number, columns: number): void {
    if (!this.#socket.destroyed) this.#socket.write(`resize ${rows} ${columns}\n`);
  }

  /** Leaves the shim alone. */
  close(): void {
    this.#socket.destroy();
  }

  /** What is none of a shim's lines ends the connection: how the program ended is read from its record then. */
  #takeLine(line: string): void {
    if (this.#socket.destroyed) return;
    const event = eventOf(line);
    if (event === null) this.#socket.destroy();
    else if (event.type === "running") this.#listener.onRunning(event.pid, event.startedAtMs);
    else if (event.type === "killed") this.#kills.shift()?.resolve(event.error);
    else this.#listener.onOutcome(event);
  }
}

type ShimEvent =
  | { readonly type: "running"; readonly pid: number; readonly startedAtMs: number }
  | { readonly type: "killed"; readonly error: number }
  | Outcome;

/** Null for what no shim says. */
function eventOf(line: string): ShimEvent | null {
  const [, word, rest = ""] = /^(\w+) (.*)$/s.exec(line) ?? [];
  try {
    if (word === "exited" || word === "failed") return parseOutcome(rest);
  } catch {
    // A line that is damaged, or too long to come as one.
    return null;
  }
  const [, pid, startedAtNs = "0"] = /^(\d+)(?: (\d+))?$/.exec(rest) ?? [];
  if (word === "running" && pid !== undefined) return { type: "running", pid: Number(pid), startedAtMs: Number(BigInt(startedAtNs) / 1_000_000n) };
  return word === "killed" && pid !== undefined ? { type: "killed", error: Number(pid) } : null;
}
