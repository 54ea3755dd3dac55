import { isClusterError } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { ContainerVolumes, VolumeUse } from "../volumes/volume-store.js";
import type { ContainerConfig, ContainerMount } from "./container-config.js";
import { normalisePath } from "./mount-plan.js";

/** What of a container says which volumes it has. */
type Holder = Pick<ContainerConfig, "id" | "mounts">;

/** What containers hold of the host's volumes: all that their mounts name, from their making to their removal, mounted while they run. */
export class HeldVolumes {
  readonly #volumes: ContainerVolumes;
  readonly #logger: Logger;
  /** Those that containers which ended are leaving. */
  readonly #leaving = new Set<Promise<void>>();
  #visits = 0;

  constructor(volumes: ContainerVolumes, logger: Logger) {
    this.#volumes = volumes;
    this.#logger = logger;
  }

  /** Resolves when nobody is leaving any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#leaving);
  }

  /**
   * Makes the volumes of a container that is being made, holds them, and fills new ones with what the image has there (`layers` are folders, uppermost first).
   * Resolves with its mounts as they will be. Throws as `ContainerVolumes`; then nothing is held, and no anonymous volume is left.
   */
  async acquire({ id, mounts: asked }: Holder, layers: readonly string[]): Promise<readonly ContainerMount[]> {
    const mounts: ContainerMount[] = [];
    try {
      for (const mount of asked) {
        const { volume } = mount;
        if (volume === undefined) {
          mounts.push(mount);
          continue;
        }
        const { name, folder, options } = await this.#volumes.acquire(id, volume);
        const isElsewhere = Object.keys(options).length > 0;
        mounts.push({ ...mount, source: folder, volume: { ...volume, name, ...(isElsewhere ? { isElsewhere } : {}) } });
        if (volume.isCopied && volume.subpath === "") await this.#volumes.fill(name, { path: normalisePath(mount.target), layers });
      }
      return mounts;
    } catch (cause) {
      this.#volumes.release(id);
      await this.#removeAnonymous(mounts);
      throw cause;
    }
  }

  /** For a container that was found again. After the last one, `settle`. */
  recover(holder: Holder, isRunning: boolean): void {
    for (const use of usesOf(holder)) {
      this.#volumes.hold(holder.id, use.name);
      if (isRunning) this.#volumes.resume(use);
    }
  }

  /** Unmounts what an earlier daemon left. */
  settle(): Promise<void> {
    return this.#volumes.settle();
  }

  /** The container is about to run. Throws as `ContainerVolumes.use`; then `leave` is still due. */
  async use(holder: Holder): Promise<void> {
    for (const use of usesOf(holder)) await this.#volumes.use(use);
  }

  /** It runs no more. */
  leave(id: string): Promise<void> {
    return this.#volumes.leave(id);
  }

  /** As `leave`, for one that ended by itself: nobody waits but the next start of a user, volume by volume. */
  leaveUnwatched(id: string): void {
    const leaving = this.leave(id)
      .catch((cause: unknown) => this.#logger.error({ err: cause, container: id }, "a volume of a container that ended could not be unmounted"))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /** Has them mounted for a reader of files, beside what the container itself uses, which may be started meanwhile. Ends with a call of what it resolves with. */
  async visit(holder: Holder): Promise<() => Promise<void>> {
    const uses = usesOf(holder);
    const containerId = `${holder.id}-files-${++this.#visits}`;
    try {
      for (const use of uses) await this.#volumes.use({ ...use, containerId });
    } catch (cause) {
      await this.#volumes.leave(containerId);
      throw cause;
    }
    return async () => {
      if (uses.length > 0) await this.#volumes.leave(containerId);
    };
  }

  /** The container is gone, or was not made after all. `withAnonymous` removes those that were made for it; one that another uses as well stays. */
  async release({ id, mounts }: Holder, { withAnonymous }: { readonly withAnonymous: boolean }): Promise<void> {
    this.#volumes.release(id);
    if (withAnonymous) await this.#removeAnonymous(mounts);
  }

  async #removeAnonymous(mounts: readonly ContainerMount[]): Promise<void> {
    for (const { volume } of mounts) {
      if (volume?.isAnonymous !== true || volume.name === "") continue;
      try {
        await this.#volumes.remove(volume.name);
      } catch (cause) {
        if (!isClusterError(cause, "conflict") && !isClusterError(cause, "not_found")) throw cause;
      }
    }
  }
}

function usesOf({ id, mounts }: Holder): readonly VolumeUse[] {
  return mounts.flatMap(({ volume, target, isReadOnly }) =>
    volume === undefined ? [] : [{ name: volume.name, containerId: id, target: normalisePath(target), isReadOnly }],
  );
}
