/** A folder that outlives containers, by its name. */
export interface Volume {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What is mounted on its folder while containers run with it (`type`, `device`, `o`); empty is the folder itself. */
  readonly options: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  /** Where its content is on this host. */
  readonly folder: string;
  /** Made for one container, with a drawn name. */
  readonly isAnonymous: boolean;
}

export interface VolumeRequest {
  /** Empty draws one. */
  readonly name: string;
  /** Empty is `local`, the only one there is. */
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface VolumeChange {
  readonly action: "create" | "mount" | "unmount" | "destroy";
  readonly volume: Volume;
  /** As the engine API's events have them. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface VolumeUsage {
  readonly volume: Volume;
  /** Bytes of its files; null when they are elsewhere, on what its options name. */
  readonly sizeBytes: number | null;
  /** Containers that were made with it, running or not. */
  readonly references: number;
}

/** A place in a container where a volume is. */
export interface VolumeUse {
  readonly name: string;
  readonly containerId: string;
  readonly target: string;
  readonly isReadOnly: boolean;
}

export const LOCAL_DRIVER = "local";

/** What people do with the volumes of one host. */
export interface VolumeStore {
  list(): readonly Volume[];
  get(name: string): Volume | undefined;
  /**
   * Makes it, durably; one of that name that is there already is as good, unless other options are asked for: `conflict`. Throws `invalid_argument` for a name
   * or options that cannot be, `unimplemented` for another driver.
   */
  create(request: VolumeRequest): Promise<Volume>;
  /** With its content. Throws `not_found`, or `conflict` when a container was made with it. */
  remove(name: string): Promise<void>;
  /** Removes those that are unwanted and that no container was made with. */
  prune(isUnwanted: (volume: Volume) => boolean): Promise<{ readonly names: readonly string[]; readonly freedBytes: number }>;
  /** For `system df`: reads every folder, which may take a while. */
  usage(): Promise<readonly VolumeUsage[]>;
  /** Called after each change, until the returned function is called. */
  onChange(listener: (change: VolumeChange) => void): () => void;
}

/** What the runtime of containers asks beside. A container has a hold on its volumes from its making to its removal, and uses them while it runs. */
export interface ContainerVolumes extends Pick<VolumeStore, "remove"> {
  /** Makes it if it is missing, and holds it. Throws as `create`; options are compared only when there are some. */
  acquire(containerId: string, request: VolumeRequest): Promise<Volume>;
  /** For a container that was found again. */
  hold(containerId: string, name: string): void;
  /** The container is gone. */
  release(containerId: string): void;
  /** Copies what the image has at `path` into a volume that is empty; `layers` are folders, uppermost first. Throws `invalid_argument` when it is a file there. */
  fill(name: string, image: { readonly path: string; readonly layers: readonly string[] }): Promise<void>;
  /** Mounts what its options name, with its first user. Throws `not_found`, or `failed_precondition` with the reason. */
  use(use: VolumeUse): Promise<void>;
  /** For a container that was found running. */
  resume(use: VolumeUse): void;
  /** The container runs no more: what nobody uses is unmounted when this resolves, also where an earlier call is still at it. */
  leave(containerId: string): Promise<void>;
  /** After the last `resume`: unmounts what an earlier daemon left. */
  settle(): Promise<void>;
}
