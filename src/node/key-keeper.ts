import { unlessAborted } from "../base/abort.js";
import { type Clock, pause } from "../base/clock.js";
import { defined } from "../base/assert.js";
import { messageOf } from "../base/errors.js";
import { Turns } from "../base/turns.js";
import type { Logger } from "../base/log.js";
import type { Cluster } from "../model/objects.js";
import { createDataKey } from "../pki/data-key.js";
import type { IdentityFiles, KeptKeys } from "../pki/identity-files.js";
import { isSameUnlockKey } from "../pki/unlock-key.js";
import type { SealedRecords } from "../replica/sealed-records.js";
import type { ManagerRole } from "./manager-role.js";

/** What failed (a full disk) is tried again after this long. */
const RETRY_MS = 2_000;

export interface KeyKeeperOptions {
  readonly files: IdentityFiles;
  /** Seals the manager's log. */
  readonly codec: SealedRecords;
  readonly manager: Pick<ManagerRole, "ready" | "store" | "reseal">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Autolock was turned on: the certificate's key could be read until now, and should be replaced. */
  readonly onLocked: () => void;
}

/**
 * Keeps a manager's keys on the disk as the cluster wants them: wrapped with its unlock key, or with none; and the log under a data key as new as the cluster's
 * count of rotations. Level-triggered by the cluster object, and never on the word of a copy that may lag behind: what the file has may be newer.
 */
export class KeyKeeper {
  readonly #options: KeyKeeperOptions;
  readonly #stop = new AbortController();
  readonly #turns = new Turns();
  #ended: Promise<void> = Promise.resolve();
  #error = "";

  constructor(options: KeyKeeperOptions) {
    this.#options = options;
  }

  /** Why the keys are not as the cluster wants them; empty when they are. */
  get error(): string {
    return this.#error;
  }

  /** Keeps at it until `stop`. */
  start(): void {
    this.#ended = this.#run(this.#stop.signal);
  }

  /** Resolves when nothing is under way any more. A rotation that was cut short goes on with the next start. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the manager is stopping"));
    await this.#ended;
    await this.#turns.settled();
  }

  /** Does what there is to do now. Resolves when the disk is as the cluster wants it. */
  keep(): Promise<void> {
    return this.#turns.take(() => this.#keep());
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { manager, clock, logger } = this.#options;
    let wake: () => void = () => undefined;
    let isDue = true;
    const stopWatching = manager.store.watch((events) => {
      if (!events.some((event) => event.kind === "cluster")) return;
      isDue = true;
      wake();
    });
    const stopped = () => wake();
    signal.addEventListener("abort", stopped, { once: true });
    while (!signal.aborted) {
      if (!isDue) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      isDue = false;
      try {
        await unlessAborted(signal, manager.ready(signal));
        await this.keep();
        this.#error = "";
      } catch (cause) {
        if (signal.aborted) break;
        isDue = true;
        this.#error = `this manager's keys are not as the cluster wants them yet: ${messageOf(cause)}`;
        logger.warn({ err: cause }, this.#error);
        await pause(clock, RETRY_MS, signal);
      }
    }
    signal.removeEventListener("abort", stopped);
    stopWatching();
  }

  async #keep(): Promise<void> {
    const { files, codec, manager, logger, onLocked } = this.#options;
    const { cluster } = manager.store.view;
    this.#stop.signal.throwIfAborted();
    if (cluster === undefined) return;
    const before = files.keys;
    await files.change((keys) => wantedKeys(keys, cluster));
    const { dataKeys, unlockKey } = files.keys;
    if (dataKeys.length === 0) return; // A worker by now.
    if (!isSameUnlockKey(before.unlockKey, unlockKey)) {
      logger.info({ isLocked: unlockKey !== null }, unlockKey === null ? "this manager's keys are not locked any more" : "this manager's keys are locked");
      if (before.unlockKey === null) onLocked();
    }
    const current = defined(dataKeys[0], "a manager has a data key");
    codec.rotate(current.key);
    if (dataKeys.length === 1) return;
    await manager.reseal(this.#stop.signal);
    await files.change((keys) => ({ ...keys, dataKeys: keys.dataKeys.slice(0, 1) }));
    logger.info({ epoch: current.epoch }, "this manager's log and snapshots are sealed with a new data key");
  }
}

/** Both in one step, so that a crash leaves all of it or nothing. A node that holds no data key is no manager any more, and locks nothing. */
function wantedKeys(keys: KeptKeys, cluster: Cluster): KeptKeys {
  const current = keys.dataKeys[0];
  if (current === undefined) return keys;
  const unlockKey = cluster.unlockKey === undefined || cluster.unlockKey.length === 0 ? null : cluster.unlockKey;
  const epoch = cluster.dataKeyEpoch ?? 0;
  const isOld = current.epoch < epoch;
  if (!isOld && isSameUnlockKey(keys.unlockKey, unlockKey)) return keys;
  return { ...keys, unlockKey, dataKeys: isOld ? [createDataKey(epoch), ...keys.dataKeys] : keys.dataKeys };
}
