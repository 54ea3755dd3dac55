import { AbortScope, onAbort, unlessAborted } from "../base/abort.js";
import type { ObjectKind } from "../model/objects.js";
import type { AppliedChanges, FollowOptions } from "../store/change-history.js";
import type { Store } from "../store/store.js";

/** What is followed of a manager. */
export interface FollowedManager {
  /** Followers end when it stops. */
  readonly changes: Pick<Store, "past" | "follow">;
  /** Resolves once it holds what was acknowledged before. */
  ready(signal: AbortSignal): Promise<void>;
}

/** As the store's own, also until the manager stops. Nothing is left on that signal by who ends before, or is refused. */
export function followUntilStop(store: Pick<Store, "follow">, options: FollowOptions, stop: AbortSignal): AsyncGenerator<AppliedChanges, void, undefined> {
  const either = new AbortScope(options.signal, stop);
  try {
    return thenDispose(store.follow({ ...options, signal: either.signal }), either);
  } catch (cause) {
    either[Symbol.dispose]();
    throw cause;
  }
}

async function* thenDispose<T>(items: AsyncIterable<T>, scope: Disposable): AsyncGenerator<T, void, undefined> {
  try {
    yield* items;
  } finally {
    scope[Symbol.dispose]();
  }
}

/**
 * Changes of the cluster's state as this host's manager applies them, whichever that is: whoever follows them goes on with the next one when the host leaves one swarm and
 * joins another, is promoted, or founds a swarm while it is followed.
 */
export class ManagerChanges {
  readonly #manager: () => FollowedManager | null;
  readonly #waiting = new Set<() => void>();

  constructor(manager: () => FollowedManager | null) {
    this.#manager = manager;
  }

  /** To be called when the manager is another one, or there is one. */
  look(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** As of the store; empty when this host is no manager. */
  past(kinds: readonly ObjectKind[]): readonly AppliedChanges[] {
    return this.#manager()?.changes.past(kinds) ?? [];
  }

  /**
   * As of the store, until the signal aborts. Of a manager that comes later, changes are told from when it holds what was acknowledged before: what it learns of the
   * cluster's past is no news. Throws as the store's.
   */
  follow(options: FollowOptions): AsyncGenerator<AppliedChanges, void, undefined> {
    const manager = this.#manager();
    return this.#follow(manager, manager?.changes.follow(options), options);
  }

  async *#follow(
    first: FollowedManager | null,
    firstChanges: AsyncGenerator<AppliedChanges, void, undefined> | undefined,
    { kinds, signal }: FollowOptions,
  ): AsyncGenerator<AppliedChanges, void, undefined> {
    let [manager, changes] = [first, firstChanges];
    for (;;) {
      if (changes !== undefined) yield* changes;
      manager = await this.#next(manager, signal);
      if (manager === null) return;
      changes = manager.changes.follow({ signal, ...(kinds === undefined ? {} : { kinds }) });
    }
  }

  /** Null when the signal aborts. */
  async #next(before: FollowedManager | null, signal: AbortSignal): Promise<FollowedManager | null> {
    while (!signal.aborted) {
      const manager = this.#manager();
      if (manager === null || manager === before) {
        await this.#looked(signal);
        continue;
      }
      try {
        await unlessAborted(signal, manager.ready(signal));
        return manager;
      } catch (cause) {
        // One that is over before it was of use is followed by the next one.
        if (!signal.aborted && this.#manager() === manager) throw cause;
      }
    }
    return null;
  }

  #looked(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        detach();
        resolve();
      };
      this.#waiting.add(wake);
      const detach = onAbort(signal, wake);
    });
  }
}
