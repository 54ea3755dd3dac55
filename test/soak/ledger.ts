/**
 * What one sequential writer may still find in a register that it writes ever larger numbers to, each only over the version that it read: the
 * newest value known to be there, or a later one of unknown outcome. Version checks keep an earlier one from ever coming back.
 */
export class Ledger {
  #settled: number;
  readonly #unknown = new Set<number>();

  constructor(initial: number) {
    this.#settled = initial;
  }

  acknowledged(value: number): void {
    this.#settle(value);
  }

  unknown(value: number): void {
    this.#unknown.add(value);
  }

  /** Takes note of a read; the sentence says what is wrong with it, or null when it was right. */
  observed(value: number): string | null {
    if (value !== this.#settled && !this.#unknown.has(value)) {
      const kind = value < this.#settled ? "an acknowledged write is missing" : "a write is there that was refused";
      return `${kind}: found ${value}, expected ${[this.#settled, ...this.#unknown].join(" or ")}`;
    }
    this.#settle(value);
    return null;
  }

  #settle(value: number): void {
    this.#settled = value;
    for (const candidate of this.#unknown) if (candidate <= value) this.#unknown.delete(candidate);
  }
}
