/** Content that operations under way need, by digest: it is not collected, though no image has it yet. */
export class Leases {
  readonly #holders = new Map<string, number>();

  hold(digest: string): void {
    this.#holders.set(digest, (this.#holders.get(digest) ?? 0) + 1);
  }

  release(digest: string): void {
    const holders = (this.#holders.get(digest) ?? 0) - 1;
    if (holders > 0) this.#holders.set(digest, holders);
    else this.#holders.delete(digest);
  }

  has(digest: string): boolean {
    return this.#holders.has(digest);
  }
}
