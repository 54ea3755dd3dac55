import type { Api } from "../api.js";
import { CommandFailure } from "../failure.js";
import { jsonLines } from "../json-lines.js";
import type { ContainerSummary } from "../shapes.js";
import type { StatsJson, StatsRow } from "./stats.js";

/** The newest sample of each of some containers, or of all as they come and go. Runs until the signal aborts. */
export class StatsWatch {
  readonly #api: Api;
  readonly #signal: AbortSignal;
  readonly #rows = new Map<string, StatsRow>();
  readonly #streams: Promise<void>[] = [];

  constructor(api: Api, signal: AbortSignal) {
    this.#api = api;
    this.#signal = signal;
  }

  get rows(): readonly StatsRow[] {
    return [...this.#rows.values()];
  }

  /** Follows a container until it is gone. */
  add(id: string, name: string): void {
    if (this.#rows.has(id)) return;
    this.#rows.set(id, { id, name, sample: null });
    this.#streams.push(this.#follow(id, name));
  }

  /** Follows what runs from now on, and lets go of what ended. `isAll`: also of what ended, until it is removed. */
  async followAll(isAll: boolean): Promise<void> {
    const filters = JSON.stringify({ type: ["container"] });
    const events = await this.#api.open({ method: "GET", path: "/events", query: { filters }, signal: this.#signal });
    for (const { Id, Names } of await runningContainers(this.#api, isAll)) this.add(Id, Names[0]?.slice(1) ?? "");
    for await (const { Action, Actor } of jsonLines<{
      readonly Action: string;
      readonly Actor: { readonly ID: string; readonly Attributes: { readonly name?: string } };
    }>(events)) {
      if (Action === "start" || (isAll && Action === "create")) this.add(Actor.ID, Actor.Attributes.name ?? "");
      if (Action === (isAll ? "destroy" : "die")) this.#rows.delete(Actor.ID);
    }
  }

  /** Settles when nothing is followed any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#streams);
  }

  async #follow(id: string, name: string): Promise<void> {
    try {
      const reply = await this.#api.open({ method: "GET", path: `/containers/${id}/stats`, query: { stream: "1" }, signal: this.#signal });
      for await (const sample of jsonLines<StatsJson>(reply)) if (this.#rows.has(id)) this.#rows.set(id, { id, name, sample });
    } catch (cause) {
      if (this.#signal.aborted) return;
      if (!(cause instanceof CommandFailure)) throw cause;
    }
    this.#rows.delete(id);
  }
}

export function runningContainers(api: Api, isAll: boolean): Promise<readonly ContainerSummary[]> {
  return api.call<readonly ContainerSummary[]>({ method: "GET", path: "/containers/json", query: { all: isAll ? "1" : undefined } });
}
