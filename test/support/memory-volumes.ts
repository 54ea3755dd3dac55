import { ClusterError } from "../../src/base/errors.js";
import { newContainerId } from "../../src/base/ids.js";
import { requireSameOptions, validateVolumeRequest } from "../../src/volumes/volume-request.js";
import type { Volume, VolumeChange, VolumeRequest, VolumeStore, VolumeUsage } from "../../src/volumes/volume-store.js";

/** Volumes without folders. */
export class MemoryVolumes implements VolumeStore {
  readonly #volumes = new Map<string, Volume>();
  readonly #listeners = new Set<(change: VolumeChange) => void>();
  /** By name, the containers that are said to have it. */
  readonly holders = new Map<string, readonly string[]>();

  list(): readonly Volume[] {
    return [...this.#volumes.values()];
  }

  get(name: string): Volume | undefined {
    return this.#volumes.get(name);
  }

  async create(request: VolumeRequest): Promise<Volume> {
    validateVolumeRequest(request);
    const name = request.name || newContainerId();
    const present = this.#volumes.get(name);
    if (present !== undefined) {
      requireSameOptions(present, request.options);
      return present;
    }
    const { labels, options } = request;
    const volume = { name, labels, options, createdAtMs: 1_700_000_000_000, folder: `/volumes/${name}/_data`, isAnonymous: request.name === "" };
    this.#volumes.set(name, volume);
    this.#tell("create", volume);
    return volume;
  }

  async remove(name: string): Promise<void> {
    const volume = this.#volumes.get(name);
    if (volume === undefined) throw new ClusterError("not_found", `get ${name}: no such volume`);
    const holders = this.holders.get(name) ?? [];
    if (holders.length > 0) throw new ClusterError("conflict", `remove ${name}: volume is in use - [${holders.join(", ")}]`);
    this.#volumes.delete(name);
    this.#tell("destroy", volume);
  }

  async prune(isUnwanted: (volume: Volume) => boolean): Promise<{ readonly names: readonly string[]; readonly freedBytes: number }> {
    const names = this.list()
      .filter((volume) => !this.holders.has(volume.name) && isUnwanted(volume))
      .map(({ name }) => name);
    for (const name of names) await this.remove(name);
    return { names, freedBytes: names.length * 10 };
  }

  async usage(): Promise<readonly VolumeUsage[]> {
    return this.list().map((volume) => ({ volume, sizeBytes: 10, references: this.holders.get(volume.name)?.length ?? 0 }));
  }

  onChange(listener: (change: VolumeChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(action: VolumeChange["action"], volume: Volume): void {
    for (const listener of this.#listeners) listener({ action, volume, attributes: { driver: "local" } });
  }
}
