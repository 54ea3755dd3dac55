import { ClusterError } from "../base/errors.js";

/** Calls under way of each node, on all of its connections. */
export class CallCount {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Gives what ends the call; calling it again does nothing. Throws ClusterError `unavailable` when the node has too many. */
  enter(nodeId: string): () => void {
    const count = this.#counts.get(nodeId) ?? 0;
    if (count >= this.#max) throw new ClusterError("unavailable", `node ${nodeId} has ${count} calls under way already`);
    this.#counts.set(nodeId, count + 1);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      const left = (this.#counts.get(nodeId) ?? 0) - 1;
      if (left > 0) this.#counts.set(nodeId, left);
      else this.#counts.delete(nodeId);
    };
  }
}
