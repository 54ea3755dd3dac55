import { mkdir, readdir, readFile, realpath } from "node:fs/promises";
import type { Clock } from "../base/clock.js";
import { removeFileDurably, writeFileDurably } from "../base/durable-file.js";
import { ClusterError, isClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import { newContainerId } from "../base/ids.js";
import { KeyedLock } from "../base/keyed-lock.js";
import { Limiter } from "../base/limiter.js";
import type { Logger } from "../base/log.js";
import { parseMountinfo } from "../base/mountinfo.js";
import { Holders } from "./holders.js";
import { VolumeProgram } from "./volume-program.js";
import { readVolume, volumePaths, writeVolume } from "./volume-record.js";
import { requireSameOptions, validateVolumeRequest } from "./volume-request.js";
import {
  type ContainerVolumes,
  LOCAL_DRIVER,
  type Volume,
  type VolumeChange,
  type VolumeRequest,
  type VolumeStore,
  type VolumeUsage,
  type VolumeUse,
} from "./volume-store.js";

export interface LocalVolumeStoreOptions {
  /** Made when it does not exist; nothing else is in it. */
  readonly folder: string;
  /** The program swarm-volume. */
  readonly programPath: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Docker's mark of a volume that nobody named. */
const ANONYMOUS_LABEL = "com.docker.volume.anonymous";
/** Folders that are read at the same time. */
const SIZES_MAX = 2;

/** Volumes in folders of this host. Who holds and uses them is not kept here: containers are found again, and say so. */
export class LocalVolumeStore implements VolumeStore, ContainerVolumes {
  readonly #options: LocalVolumeStoreOptions;
  readonly #program: VolumeProgram;
  readonly #volumes = new Map<string, Volume>();
  /** Names whose folder holds something else than a volume, and what is wrong with it. */
  readonly #damaged = new Map<string, ClusterError>();
  readonly #holders = new Holders();
  readonly #users = new Holders();
  readonly #lock = new KeyedLock();
  readonly #sizes = new Limiter(SIZES_MAX);
  readonly #listeners = new Set<(change: VolumeChange) => void>();

  private constructor(options: LocalVolumeStoreOptions) {
    this.#options = options;
    this.#program = new VolumeProgram(options.programPath);
  }

  static async open(options: LocalVolumeStoreOptions): Promise<LocalVolumeStore> {
    await mkdir(options.folder, { recursive: true, mode: 0o711 });
    // The kernel names its mounts without links.
    const store = new LocalVolumeStore({ ...options, folder: await realpath(options.folder) });
    await store.#load();
    return store;
  }

  list(): readonly Volume[] {
    return [...this.#volumes.values()];
  }

  get(name: string): Volume | undefined {
    return this.#volumes.get(name);
  }

  async create(request: VolumeRequest): Promise<Volume> {
    validateVolumeRequest(request);
    const name = request.name || newContainerId();
    return await this.#lock.run(name, () => this.#createLocked(name, request));
  }

  async acquire(containerId: string, request: VolumeRequest): Promise<Volume> {
    validateVolumeRequest(request);
    const name = request.name || newContainerId();
    return await this.#lock.run(name, async () => {
      const volume = await this.#createLocked(name, request);
      this.#holders.add(name, containerId);
      return volume;
    });
  }

  hold(containerId: string, name: string): void {
    this.#holders.add(name, containerId);
  }

  release(containerId: string): void {
    for (const name of this.#holders.namesOf(containerId)) this.#holders.remove(name, containerId);
  }

  async remove(name: string): Promise<void> {
    await this.#lock.run(name, async () => {
      const volume = this.#existing(name);
      const holders = this.#holders.of(name);
      if (holders.length > 0) throw new ClusterError("conflict", `remove ${name}: volume is in use - [${holders.join(", ")}]`);
      await this.#clear(name);
      await removeFileDurably(volumePaths(this.#options.folder, name).record);
      this.#volumes.delete(name);
      this.#tell("destroy", volume);
      await this.#removeFolder(name);
    });
  }

  async prune(isUnwanted: (volume: Volume) => boolean): Promise<{ readonly names: readonly string[]; readonly freedBytes: number }> {
    const names: string[] = [];
    let freedBytes = 0;
    for (const volume of this.list().filter((each) => this.#holders.of(each.name).length === 0 && isUnwanted(each))) {
      const size = (await this.#sizeOf(volume)) ?? 0;
      try {
        await this.remove(volume.name);
      } catch (cause) {
        // Somebody took it, or removed it, meanwhile.
        if (isClusterError(cause, "conflict") || isClusterError(cause, "not_found")) continue;
        throw cause;
      }
      names.push(volume.name);
      freedBytes += size;
    }
    return { names, freedBytes };
  }

  async usage(): Promise<readonly VolumeUsage[]> {
    const usages = this.list().map(async (volume) => {
      const sizeBytes = await this.#sizes.run(() => this.#sizeOf(volume));
      return { volume, sizeBytes, references: this.#holders.of(volume.name).length };
    });
    return await Promise.all(usages);
  }

  onChange(listener: (change: VolumeChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async fill(name: string, image: { readonly path: string; readonly layers: readonly string[] }): Promise<void> {
    await this.#lock.run(name, async () => {
      const volume = this.#existing(name);
      const { filling } = volumePaths(this.#options.folder, name);
      // What is in memory alone would be gone before anybody sees it.
      if (volume.options.type === "tmpfs" || image.layers.length === 0) return;
      await this.#mount(volume);
      try {
        const [wasCutShort, entries] = [await exists(filling), await readdir(volume.folder)];
        // A file system of its own begins with its place for what was lost.
        if (!wasCutShort && entries.some((entry) => entry !== "lost+found")) return;
        // Half an anonymous one belongs to a container that was never made: nobody goes on with it.
        if (!volume.isAnonymous) await writeFileDurably(filling, "");
        await this.#program.copy(image, volume.folder);
        if (!volume.isAnonymous) await removeFileDurably(filling);
      } finally {
        if (this.#users.of(name).length === 0) await this.#unmount(volume);
      }
    });
  }

  async use(use: VolumeUse): Promise<void> {
    await this.#lock.run(use.name, async () => {
      const volume = this.#existing(use.name);
      await this.#mount(volume);
      this.resume(use);
      const { containerId: container, target: destination, isReadOnly } = use;
      this.#tell("mount", volume, { container, destination, propagation: "", "read/write": `${!isReadOnly}` });
    });
  }

  resume({ name, containerId, target }: VolumeUse): void {
    this.#users.add(name, containerId, target);
  }

  async leave(containerId: string): Promise<void> {
    await Promise.all(this.#users.namesOf(containerId).map((name) => this.#lock.run(name, () => this.#leaveLocked(containerId, name))));
  }

  async settle(): Promise<void> {
    for (const volume of this.list()) if (this.#users.of(volume.name).length === 0) await this.#unmount(volume);
  }

  async #load(): Promise<void> {
    const { folder, logger } = this.#options;
    for (const name of await readdir(folder)) {
      try {
        const volume = await readVolume(folder, name);
        if (volume !== null) {
          this.#volumes.set(name, volume);
          continue;
        }
        logger.warn({ volume: name }, "a volume without a record is removed");
        await this.#removeFolder(name);
      } catch (cause) {
        // Nothing is done to what is not understood.
        logger.error({ err: cause, volume: name }, "a volume is left alone");
        this.#damaged.set(name, ClusterError.from(cause));
      }
    }
  }

  async #createLocked(name: string, request: VolumeRequest): Promise<Volume> {
    const present = this.#volumes.get(name);
    if (present !== undefined) {
      requireSameOptions(present, request.options);
      return present;
    }
    const damage = this.#damaged.get(name);
    if (damage !== undefined) throw damage;
    const isAnonymous = request.name === "";
    const labels = isAnonymous ? { ...request.labels, [ANONYMOUS_LABEL]: "" } : request.labels;
    const { content } = volumePaths(this.#options.folder, name);
    const volume = { name, labels, options: request.options, createdAtMs: this.#options.clock.now(), folder: content, isAnonymous };
    try {
      await writeVolume(this.#options.folder, volume);
    } catch (cause) {
      await this.#removeFolder(name);
      throw cause;
    }
    this.#volumes.set(name, volume);
    this.#tell("create", volume);
    return volume;
  }

  async #leaveLocked(containerId: string, name: string): Promise<void> {
    const volume = this.#volumes.get(name);
    const users = this.#users.of(name);
    try {
      if (volume !== undefined && users.length === 1 && users.includes(containerId)) await this.#unmount(volume);
    } finally {
      // A user until then: whoever asks a second time, at the container's removal, waits for it too.
      const places = this.#users.remove(name, containerId);
      if (volume !== undefined) for (let told = 0; told < places; told++) this.#tell("unmount", volume, { container: containerId });
    }
  }

  #existing(name: string): Volume {
    const volume = this.#volumes.get(name);
    if (volume === undefined) throw new ClusterError("not_found", `get ${name}: no such volume`);
    return volume;
  }

  async #mount(volume: Volume): Promise<void> {
    if (Object.keys(volume.options).length === 0 || (await isMounted(volume.folder))) return;
    try {
      await this.#program.mount(volume);
    } catch (cause) {
      throw new ClusterError("failed_precondition", `error while mounting volume '${volume.folder}': failed to mount local volume: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  async #unmount(volume: Volume): Promise<void> {
    if (Object.keys(volume.options).length > 0 && (await isMounted(volume.folder))) await this.#program.unmount(volume.folder);
  }

  /** What is mounted on it is taken off, not removed. Throws `conflict` where somebody mounted something below: on the same device it could not be told from the volume's own. */
  async #clear(name: string): Promise<void> {
    const { content } = volumePaths(this.#options.folder, name);
    if (await isMounted(content)) await this.#program.unmount(content);
    const below = (await mountPoints()).find((place) => place.startsWith(`${content}/`));
    if (below !== undefined) throw new ClusterError("conflict", `remove ${name}: something is mounted at ${below}`);
  }

  async #removeFolder(name: string): Promise<void> {
    const { folder } = volumePaths(this.#options.folder, name);
    await this.#clear(name);
    if (await exists(folder)) await this.#program.remove(folder);
  }

  async #sizeOf(volume: Volume): Promise<number | null> {
    if (Object.keys(volume.options).length > 0) return null;
    try {
      return await this.#program.size(volume.folder);
    } catch (cause) {
      // Removed meanwhile.
      if (!this.#volumes.has(volume.name)) return 0;
      throw cause;
    }
  }

  #tell(action: VolumeChange["action"], volume: Volume, attributes: Readonly<Record<string, string>> = {}): void {
    for (const listener of this.#listeners) listener({ action, volume, attributes: { driver: LOCAL_DRIVER, ...attributes } });
  }
}

async function isMounted(folder: string): Promise<boolean> {
  return (await mountPoints()).includes(folder);
}

async function mountPoints(): Promise<readonly string[]> {
  return parseMountinfo(await readFile("/proc/self/mountinfo", "utf8")).map(({ mountPoint }) => mountPoint);
}

async function exists(path: string): Promise<boolean> {
  try {
    await readdir(path);
    return true;
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOTDIR") return true;
    if (systemCodeOf(cause) === "ENOENT") return false;
    throw cause;
  }
}
