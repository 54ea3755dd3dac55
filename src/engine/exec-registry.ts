import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.js";
import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import type { ContainerRuntime, ExecProcess, StreamChoice, TerminalSize } from "../runtime/container-runtime.js";

/** What somebody asked to be run in a container. */
export interface ExecSettings {
  readonly containerId: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly isPrivileged: boolean;
  readonly isTerminal: boolean;
  readonly streams: StreamChoice;
  readonly detachKeys: string;
  /** Of the daemon's own: ended with everything that it started (ExecConfig). */
  readonly isDisposable?: boolean;
}

export interface ExecInfo {
  readonly id: string;
  readonly settings: ExecSettings;
  readonly isRunning: boolean;
  readonly pid: number;
  /** Null before its end. */
  readonly exitCode: number | null;
}

interface Entry {
  info: ExecInfo;
  process: ExecProcess | null;
  isStarted: boolean;
  endedAtMs: number;
}

/** Who asks for the end of a program does so soon after it. */
const KEPT_MS = 300_000;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** Programs that were asked for in containers. They are in memory only: after a restart of the daemon the programs go on, and nobody knows their ids. */
export class ExecRegistry {
  readonly #runtime: ContainerRuntime;
  readonly #clock: Clock;
  readonly #tell: (action: string, info: ExecInfo, attributes: Readonly<Record<string, string>>) => void;
  readonly #entries = new Map<string, Entry>();

  constructor(options: {
    readonly runtime: ContainerRuntime;
    readonly clock: Clock;
    readonly tell: (action: string, info: ExecInfo, attributes: Readonly<Record<string, string>>) => void;
  }) {
    this.#runtime = options.runtime;
    this.#clock = options.clock;
    this.#tell = options.tell;
  }

  create(settings: ExecSettings): string {
    this.#sweep();
    const id = randomBytes(32).toString("hex");
    const info = { id, settings, isRunning: false, pid: 0, exitCode: null };
    this.#entries.set(id, { info, process: null, isStarted: false, endedAtMs: 0 });
    this.#tell(`exec_create: ${settings.args.join(" ")}`, info, {});
    return id;
  }

  /** Throws `not_found`. */
  inspect(id: string): ExecInfo {
    return this.#get(id).info;
  }

  /** Ids of a container's. */
  idsOf(containerId: string): readonly string[] {
    return [...this.#entries.values()].filter(({ info }) => info.settings.containerId === containerId && info.exitCode === null).map(({ info }) => info.id);
  }

  /** Claims the one start that it has. Throws `conflict` for a second one, and when the container does not run. */
  claim(id: string): ExecInfo {
    const entry = this.#get(id);
    const container = this.#runtime.inspect(entry.info.settings.containerId);
    if (container === undefined || container.state !== "running") {
      throw new ClusterError("conflict", `container ${entry.info.settings.containerId} is not running`);
    }
    if (entry.isStarted) throw new ClusterError("conflict", `Error: Exec command ${id} has already run`);
    entry.isStarted = true;
    return entry.info;
  }

  /** Starts what was claimed. A program that cannot be executed ends with 126 or 127, and the failure is thrown. */
  async start(id: string, options: { readonly isDetached: boolean; readonly size: TerminalSize | null }): Promise<ExecProcess> {
    const entry = this.#get(id);
    const { settings } = entry.info;
    try {
      const process = await this.#runtime.exec(settings.containerId, {
        ...settings,
        size: options.size,
        streams: options.isDetached ? null : settings.streams,
      });
      entry.process = process;
      entry.info = { ...entry.info, isRunning: true, pid: process.pid };
      this.#tell(`exec_start: ${settings.args.join(" ")}`, entry.info, {});
      process.ended.then((exitCode) => this.#end(entry, exitCode));
      return process;
    } catch (cause) {
      // Docker's daemon/errors.go goes by the same words.
      const isMissing = isClusterError(cause) && /not found|no such file|not a directory/.test(messageOf(cause));
      this.#end(entry, isMissing ? NOT_FOUND : NOT_EXECUTABLE);
      throw cause;
    }
  }

  async resize(id: string, size: TerminalSize): Promise<void> {
    const { process, info } = this.#get(id);
    if (process === null || !info.isRunning) throw new ClusterError("conflict", `exec ${id} is not running`);
    await process.resize(size);
  }

  /** Nobody will ask for it any more. */
  forget(id: string): void {
    this.#entries.delete(id);
  }

  #end(entry: Entry, exitCode: number): void {
    entry.info = { ...entry.info, isRunning: false, pid: 0, exitCode };
    entry.endedAtMs = this.#clock.now();
    this.#tell("exec_die", entry.info, { execID: entry.info.id, exitCode: `${exitCode}` });
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const [id, { info, isStarted, endedAtMs }] of this.#entries) {
      const isGone = this.#runtime.inspect(info.settings.containerId) === undefined;
      if ((isStarted && info.exitCode !== null && now - endedAtMs > KEPT_MS) || isGone) this.#entries.delete(id);
    }
  }

  #get(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new ClusterError("not_found", `No such exec instance: ${id}`);
    return entry;
  }
}
