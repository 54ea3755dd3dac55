import { type Clock, pause } from "../../base/clock.js";
import { messageOf } from "../../base/errors.js";
import type { Logger } from "../../base/log.js";
import type { ContainerChange, ContainerInfo, ContainerRuntime, HealthPlan } from "../../runtime/container-runtime.js";
import type { ExecRegistry } from "../exec-registry.js";
import type { HealthRecord, HealthRecords } from "./health-records.js";
import { afterProbe, type HealthState, type HealthStatus, healthTimesOf, newHealth, probeDelayMs } from "./health-state.js";
import { runProbe } from "./probe.js";

/** What others see of it. */
export interface HealthSource {
  /** Of the present or last run; null for a container that is not tested. */
  statusOf(containerId: string): HealthStatus | null;
  /** Called after each change of a status, until the returned function is called. */
  onStatus(listener: (containerId: string, status: HealthStatus) => void): () => void;
}

export interface HealthChecksOptions {
  readonly runtime: ContainerRuntime;
  readonly execs: ExecRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly records: HealthRecords;
}

interface Entry {
  state: HealthState;
  readonly plan: HealthPlan;
  /** Of the run that the state is about. */
  readonly startedAtMs: number;
  /** Null while nothing is tested. */
  stop: AbortController | null;
}

/** Tests the health of all containers of this host while they run, one test of a container at a time. */
export class HealthChecks implements HealthSource {
  readonly #options: HealthChecksOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(containerId: string, status: HealthStatus) => void>();
  /** What is to have ended before this is disposed of. */
  readonly #running = new Set<Promise<void>>();

  constructor(options: HealthChecksOptions) {
    this.#options = options;
  }

  /** Goes on with containers of an earlier daemon: what they were found to be stays so until the next result. To be awaited before anybody acts on a status. */
  async resume(): Promise<void> {
    const tested = this.#options.runtime.list().filter(({ health }) => health !== null);
    const records = await this.#options.records.load(tested.map(({ config }) => config.id));
    for (const info of tested) {
      const record = records.get(info.config.id);
      if (info.state === "created" || this.#entries.has(info.config.id)) continue;
      this.#begin(info, record?.startedAtMs === info.startedAtMs ? stateOf(record) : newHealth(record?.log));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const entry of this.#entries.values()) this.#pause(entry);
    await Promise.all(this.#running);
  }

  /** Null for a container that is not tested, or did not run yet. */
  of(containerId: string): HealthState | null {
    return this.#entries.get(containerId)?.state ?? null;
  }

  statusOf(containerId: string): HealthStatus | null {
    const state = this.of(containerId);
    const isTested = (this.#options.runtime.inspect(containerId)?.health ?? null) !== null;
    return state?.status ?? (isTested ? "starting" : null);
  }

  onStatus(listener: (containerId: string, status: HealthStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** To be called with each change of the runtime's. */
  onChange(change: ContainerChange, info: ContainerInfo): void {
    const entry = this.#entries.get(info.config.id);
    if (change === "start") this.#begin(info, newHealth(entry?.state.log));
    else if (entry === undefined) return;
    else if (change === "exit" || change === "pause") this.#pause(entry);
    else if (change === "unpause") this.#run(info, entry);
    else if (change === "remove") {
      this.#pause(entry);
      this.#entries.delete(info.config.id);
      this.#track(this.#options.records.remove(info.config.id));
    }
  }

  #begin(info: ContainerInfo, state: HealthState): void {
    const { health } = info;
    if (health === null) return;
    const before = this.#entries.get(info.config.id);
    if (before !== undefined) this.#pause(before);
    const entry: Entry = { state, plan: health, startedAtMs: info.startedAtMs, stop: null };
    this.#entries.set(info.config.id, entry);
    if (info.state === "running" && !info.isPaused) this.#run(info, entry);
  }

  #pause(entry: Entry): void {
    entry.stop?.abort();
    entry.stop = null;
  }

  #run(info: ContainerInfo, entry: Entry): void {
    const stop = new AbortController();
    entry.stop = stop;
    this.#track(this.#test(info, entry, stop.signal));
  }

  async #test(info: ContainerInfo, entry: Entry, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const times = healthTimesOf(entry.plan);
    while (!signal.aborted) {
      await pause(clock, probeDelayMs(entry.state, times, clock.now() - entry.startedAtMs), signal);
      if (signal.aborted) return;
      const result = await runProbe(info, entry.plan, this.#options, times.timeoutMs, signal);
      // What became of a test whose container ended or was frozen meanwhile says nothing.
      if (signal.aborted) return;
      this.#take(info.config.id, entry, afterProbe(entry.state, result, times, entry.startedAtMs));
    }
  }

  #take(id: string, entry: Entry, state: HealthState): void {
    const { status } = entry.state;
    entry.state = state;
    this.#track(this.#options.records.save(id, { ...state, startedAtMs: entry.startedAtMs }));
    if (state.status === status) return;
    for (const listener of this.#listeners) listener(id, state.status);
  }

  #track(work: Promise<void>): void {
    const done = work
      .catch((cause: unknown) => this.#options.logger.error({ err: cause }, `testing a container's health: ${messageOf(cause)}`))
      .finally(() => this.#running.delete(done));
    this.#running.add(done);
  }
}

function stateOf({ status, failingStreak, log }: HealthRecord): HealthState {
  return { status, failingStreak, log };
}
