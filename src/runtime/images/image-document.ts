import type { ImageConfig } from "../image-store.js";
import { digestOf } from "./digest.js";
import { healthFromImage, healthToImage, type ImageHealth } from "./image-health.js";
import type { ImagePlatform } from "./platform.js";

/** The image configuration of the OCI image specification, as far as it is used here. */
export interface ImageDocument {
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  readonly config: {
    readonly User?: string;
    readonly ExposedPorts?: Readonly<Record<string, object>>;
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly Volumes?: Readonly<Record<string, object>>;
    readonly WorkingDir?: string;
    readonly Labels?: Readonly<Record<string, string>>;
    readonly StopSignal?: string;
    readonly Healthcheck?: ImageHealth;
    readonly Shell?: readonly string[];
  };
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly string[] };
  readonly history: readonly HistoryEntry[];
  /** RFC 3339. */
  readonly created?: string;
  readonly author?: string;
}

/** How a layer, or a change of the configuration alone, came about. */
export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/**
 * The configuration of an image as bytes, and its id. It carries no time, so the same content gives the same id on every node and at
 * every import; when an image came to this host is kept beside it.
 */
export function encodeImage(image: {
  readonly platform: ImagePlatform;
  readonly config: ImageConfig;
  readonly layers: readonly string[];
  readonly comment: string;
}): {
  readonly id: string;
  readonly bytes: Buffer;
} {
  const { platform, config, layers, comment } = image;
  const document: ImageDocument = {
    architecture: platform.architecture,
    ...(platform.variant === "" ? {} : { variant: platform.variant }),
    os: platform.os,
    config: documentConfigOf(config),
    rootfs: { type: "layers", diff_ids: layers },
    history: [{ comment }],
  };
  const bytes = Buffer.from(JSON.stringify(document));
  return { id: digestOf(bytes), bytes };
}

/** The configuration of an image that has a step, and perhaps a layer, more than its parent; as bytes, and its id. */
export function encodeChild(
  parent: ImageDocument,
  step: { readonly config: ImageConfig; readonly layer: string | null; readonly createdAtMs: number; readonly author: string; readonly entry: HistoryEntry },
): { readonly id: string; readonly bytes: Buffer } {
  const { history, rootfs } = parent;
  const created = new Date(step.createdAtMs).toISOString();
  // Layers that the parent's history does not tell of would be taken for this one.
  const untold = rootfs.diff_ids.length - history.filter((entry) => entry.empty_layer !== true).length;
  const fillers = Array.from({ length: Math.max(untold, 0) }, () => ({}));
  const document: ImageDocument = {
    architecture: parent.architecture,
    ...optional("variant", parent.variant),
    os: parent.os,
    config: documentConfigOf(step.config),
    rootfs: { type: "layers", diff_ids: step.layer === null ? rootfs.diff_ids : [...rootfs.diff_ids, step.layer] },
    history: [...history, ...fillers, { created, ...step.entry, ...(step.layer === null ? { empty_layer: true } : {}) }],
    created,
    ...(step.author === "" ? {} : { author: step.author }),
  };
  const bytes = Buffer.from(JSON.stringify(document));
  return { id: digestOf(bytes), bytes };
}

function documentConfigOf(config: ImageConfig): ImageDocument["config"] {
  return {
    ...(config.user === "" ? {} : { User: config.user }),
    ...(config.exposedPorts.length === 0 ? {} : { ExposedPorts: setOf(config.exposedPorts) }),
    ...(config.env.length === 0 ? {} : { Env: config.env }),
    ...(config.entrypoint.length === 0 ? {} : { Entrypoint: config.entrypoint }),
    ...(config.command.length === 0 ? {} : { Cmd: config.command }),
    ...(config.volumes.length === 0 ? {} : { Volumes: setOf(config.volumes) }),
    ...(config.workingDir === "" ? {} : { WorkingDir: config.workingDir }),
    ...(Object.keys(config.labels).length === 0 ? {} : { Labels: sorted(config.labels) }),
    ...(config.stopSignal === "" ? {} : { StopSignal: config.stopSignal }),
    ...(config.health === null ? {} : { Healthcheck: healthToImage(config.health) }),
    ...(config.shell.length === 0 ? {} : { Shell: config.shell }),
  };
}

/** What containers take from an image's configuration (OCI image-spec, config.md; HEALTHCHECK is Docker's). */
export function imageConfigOf({ config }: ImageDocument): ImageConfig {
  return {
    user: config.User ?? "",
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    env: config.Env ?? [],
    entrypoint: config.Entrypoint ?? [],
    command: config.Cmd ?? [],
    volumes: Object.keys(config.Volumes ?? {}),
    workingDir: config.WorkingDir ?? "",
    labels: config.Labels ?? {},
    stopSignal: config.StopSignal ?? "",
    health: config.Healthcheck === undefined ? null : healthFromImage(config.Healthcheck),
    shell: config.Shell ?? [],
  };
}

/** A field that is left out when it has no value. */
export function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
}

/** A set as JSON has it in image configurations: names with empty objects. */
export function setOf(names: readonly string[]): Readonly<Record<string, object>> {
  return Object.fromEntries(names.toSorted().map((name) => [name, {}]));
}

function sorted(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
