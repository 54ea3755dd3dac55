import { ClusterError } from "../base/errors.js";
import type { LocalContainer } from "./local-container.js";

/** The containers of one host by id and name. Invariant: no id and no name is given twice, also while their containers are still being made. */
export class ContainerList {
  readonly #containers = new Map<string, LocalContainer>();
  /** Ids and names that are being created or given, before they are those of a container in the list. */
  readonly #reserved = new Set<string>();

  all(): readonly LocalContainer[] {
    return [...this.#containers.values()];
  }

  has(id: string): boolean {
    return this.#containers.has(id);
  }

  /** By full id. Throws `not_found`. */
  get(id: string): LocalContainer {
    const container = this.#containers.get(id);
    if (container === undefined) throw new ClusterError("not_found", `No such container: ${id}`);
    return container;
  }

  /** By full id, name, or unique beginning of an id, in this order. Throws `invalid_argument` when it is the beginning of several. */
  find(reference: string): LocalContainer | undefined {
    const exact = this.#containers.get(reference) ?? this.#named(reference);
    if (exact !== undefined) return exact;
    if (!/^[0-9a-f]+$/.test(reference)) return undefined;
    const matches = this.all().filter((container) => container.record.config.id.startsWith(reference));
    if (matches.length > 1) throw new ClusterError("invalid_argument", `${reference} is the beginning of ${matches.length} container ids`);
    return matches[0];
  }

  add(container: LocalContainer): void {
    this.#containers.set(container.record.config.id, container);
  }

  /** False when it was not there. */
  delete(id: string): boolean {
    return this.#containers.delete(id);
  }

  /** Keeps both for a container that is being made, until the returned function is called. Throws `already_exists`. */
  reserve({ id, name }: { readonly id: string; readonly name: string }): () => void {
    if (this.#reserved.has(id) || this.#containers.has(id)) throw new ClusterError("already_exists", `container id ${id} is already in use`);
    const releaseName = this.reserveName(name);
    this.#reserved.add(id);
    return () => {
      this.#reserved.delete(id);
      releaseName();
    };
  }

  /** Keeps a name that a container is about to get, until the returned function is called. Throws `already_exists`, in Docker's words. */
  reserveName(name: string): () => void {
    const owner = this.#named(name)?.record.config.id;
    if (owner !== undefined || this.#reserved.has(name)) {
      const by = owner === undefined ? "" : ` by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`;
      throw new ClusterError("already_exists", `Conflict. The container name "/${name}" is already in use${by}`);
    }
    this.#reserved.add(name);
    return () => {
      this.#reserved.delete(name);
    };
  }

  #named(name: string): LocalContainer | undefined {
    for (const container of this.#containers.values()) if (container.record.config.name === name) return container;
    return undefined;
  }
}
