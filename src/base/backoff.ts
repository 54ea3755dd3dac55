import type { Random } from "./random.js";

/** Delays between attempts: doubling from `firstMs` to `maxMs`, each drawn from the upper half so that peers spread. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: Random;
  #attempts = 0;

  constructor(options: { readonly firstMs: number; readonly maxMs: number; readonly random: Random }) {
    this.#firstMs = options.firstMs;
    this.#maxMs = options.maxMs;
    this.#random = options.random;
  }

  nextMs(): number {
    const ceiling = Math.min(this.#firstMs * 2 ** Math.min(this.#attempts, 30), this.#maxMs);
    this.#attempts++;
    return ceiling / 2 + (this.#random.next() * ceiling) / 2;
  }

  reset(): void {
    this.#attempts = 0;
  }
}
