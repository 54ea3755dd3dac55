/** Which containers have which volumes, for as long as somebody says so. */
export class Holders {
  readonly #byName = new Map<string, Map<string, Set<string>>>();

  /** `place` tells apart what one container has of the same volume. */
  add(name: string, containerId: string, place = ""): void {
    const holders = this.#byName.get(name) ?? new Map<string, Set<string>>();
    this.#byName.set(name, holders.set(containerId, (holders.get(containerId) ?? new Set()).add(place)));
  }

  /** How many places it had. */
  remove(name: string, containerId: string): number {
    const holders = this.#byName.get(name);
    const places = holders?.get(containerId)?.size ?? 0;
    holders?.delete(containerId);
    if (holders?.size === 0) this.#byName.delete(name);
    return places;
  }

  of(name: string): readonly string[] {
    return [...(this.#byName.get(name)?.keys() ?? [])];
  }

  namesOf(containerId: string): readonly string[] {
    return [...this.#byName].filter(([, holders]) => holders.has(containerId)).map(([name]) => name);
  }
}
