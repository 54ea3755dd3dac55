import type { Api } from "../api.js";
import { filtersOf } from "../filters.js";
import { shorten } from "../output.js";
import type { ContainerSummary, ImageSummary, NodeInfo, ServiceInfo, TaskInfo, VolumeJson } from "../shapes.js";

export type ContainerState = "any" | "running" | "paused" | "stopped";
const STATES: Readonly<Record<ContainerState, readonly string[]>> = {
  any: [],
  running: ["status=running"],
  paused: ["status=paused"],
  stopped: ["status=created", "status=exited", "status=dead"],
};

/** Names of objects as a person would type them, asked of the daemon when they are wanted. */
export class ObjectNames {
  readonly #api: Api;
  readonly #signal: AbortSignal;
  /** What has been typed: ids are offered to who begins one. */
  readonly #typed: string;

  constructor(api: Api, typed: string, signal: AbortSignal) {
    [this.#api, this.#typed, this.#signal] = [api, typed, signal];
  }

  async containers(state: ContainerState = "any"): Promise<readonly string[]> {
    const query = { all: "1", filters: filtersOf(STATES[state]) };
    const containers = await this.#get<readonly ContainerSummary[]>("/containers/json", query);
    const names = containers.flatMap(({ Names }) => Names.map((name) => name.replace(/^\//, "")));
    return [...names, ...this.#ids(containers.map(({ Id }) => shorten(Id)))];
  }

  async images(): Promise<readonly string[]> {
    const images = await this.#get<readonly ImageSummary[]>("/images/json");
    const names = images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((name) => !name.startsWith("<none>"));
    return [...names, ...this.#ids(images.map(({ Id }) => shorten(Id.replace("sha256:", ""))))];
  }

  async volumes(): Promise<readonly string[]> {
    return ((await this.#get<{ readonly Volumes: readonly VolumeJson[] | null }>("/volumes")).Volumes ?? []).map(({ Name }) => Name);
  }

  async services(): Promise<readonly string[]> {
    const services = await this.#get<readonly ServiceInfo[]>("/services");
    return [...services.map(({ Spec }) => Spec.Name), ...this.#ids(services.map(({ ID }) => ID))];
  }

  async tasks(): Promise<readonly string[]> {
    return this.#ids((await this.#get<readonly TaskInfo[]>("/tasks")).map(({ ID }) => ID));
  }

  async networks(): Promise<readonly string[]> {
    return (await this.#get<readonly { readonly Name: string }[]>("/networks")).map(({ Name }) => Name);
  }

  /** Host names, and ids of those that have the same. */
  async nodes(role?: "manager" | "worker"): Promise<readonly string[]> {
    const nodes = await this.#get<readonly NodeInfo[]>("/nodes", { filters: filtersOf(role === undefined ? [] : [`role=${role}`]) });
    const names = nodes.map(({ Description }) => Description.Hostname);
    const own = nodes.map(({ ID, Description: { Hostname: name } }) => (name !== "" && names.indexOf(name) === names.lastIndexOf(name) ? name : ID));
    return [...own, ...this.#ids(nodes.map(({ ID }) => ID))];
  }

  /** Nobody wants to see them, but for who begins to type one. */
  #ids(ids: readonly string[]): readonly string[] {
    return this.#typed === "" ? [] : ids;
  }

  async #get<T>(path: string, query: Readonly<Record<string, string | undefined>> = {}): Promise<T> {
    return await this.#api.call<T>({ method: "GET", path, query, signal: this.#signal });
  }
}
