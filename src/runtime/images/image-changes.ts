import type { ImageChange } from "../image-store.js";

/** Tells whoever listens what happens to the images of this host, whoever does it: people, services' tasks, transfers. */
export class ImageChanges {
  readonly #listeners = new Set<(change: ImageChange) => void>();

  /** Until the returned function is called. */
  subscribe(listener: (change: ImageChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(change: ImageChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
