import { arch } from "node:os";
import { ClusterError } from "../../base/errors.js";
import type { HealthConfig } from "../container-config.js";
import type { ImageConfig } from "../image-store.js";
import { digestOf, isDigest } from "./digest.js";
import { parseJson } from "./parse-json.js";

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

/** Docker's addition to the specification; times in nanoseconds. */
export interface ImageHealth {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** How a layer, or a change of the configuration alone, came about. */
export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

export interface ImagePlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

const NS_PER_MS = 1e6;

/** Architectures as images name them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** `os[/arch[/variant]]`; empty is this host's. Throws ClusterError `invalid_argument` for what no Linux host runs. */
export function parsePlatform(platform: string): ImagePlatform {
  const [os = "", architecture = "", variant = "", ...more] = platform.split("/");
  if (more.length > 0 || (platform !== "" && !/^[a-z0-9_]+(?:\/[A-Za-z0-9_.-]+)*$/i.test(platform))) {
    throw new ClusterError("invalid_argument", `"${platform}" is not a platform (os[/arch[/variant]])`);
  }
  if (os !== "" && os.toLowerCase() !== "linux") throw new ClusterError("invalid_argument", `operating system "${os}" is not supported`);
  return { os: "linux", architecture: architecture === "" ? (ARCHITECTURES[arch()] ?? arch()) : architecture.toLowerCase(), variant };
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

/**
 * Reads the configuration of an image. Throws ClusterError `invalid_argument` that says what is wrong with it: its author may have been anybody, so what is
 * used later is looked at here, and everything else is left out.
 */
export function decodeImage(bytes: Uint8Array): ImageDocument {
  const document = recordOf(parseJson(bytes, "the image configuration"), "the image configuration");
  const rootfs = recordOf(document.rootfs, "rootfs of the image configuration");
  const diffIds = rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) throw invalid("rootfs.diff_ids of the image configuration is not a list of digests");
  const config = recordOf(document.config ?? {}, "config of the image configuration");
  const history = document.history ?? [];
  if (!Array.isArray(history)) throw invalid("history of the image configuration is not a list");
  return {
    architecture: textIn(document, "architecture") ?? "",
    ...optional("variant", textIn(document, "variant")),
    ...optional("created", textIn(document, "created")),
    ...optional("author", textIn(document, "author")),
    os: textIn(document, "os") ?? "",
    config: {
      ...optional("User", textIn(config, "User")),
      ...optional("ExposedPorts", setIn(config, "ExposedPorts")),
      ...optional("Env", listIn(config, "Env")),
      ...optional("Entrypoint", listIn(config, "Entrypoint")),
      ...optional("Cmd", listIn(config, "Cmd")),
      ...optional("Volumes", setIn(config, "Volumes")),
      ...optional("WorkingDir", textIn(config, "WorkingDir")),
      ...optional("Labels", labelsIn(config)),
      ...optional("StopSignal", textIn(config, "StopSignal")),
      ...optional("Healthcheck", healthIn(config)),
      ...optional("Shell", listIn(config, "Shell")),
    },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: history.map((entry) => historyOf(recordOf(entry, "an entry of the image's history"))),
  };
}

function historyOf(entry: Fields): HistoryEntry {
  return {
    ...optional("created", textIn(entry, "created")),
    ...optional("created_by", textIn(entry, "created_by")),
    ...optional("comment", textIn(entry, "comment")),
    ...(entry.empty_layer === true ? { empty_layer: true } : {}),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
}

function textIn(fields: Fields, key: string): string | undefined {
  const value = fields[key] ?? undefined;
  if (value !== undefined && typeof value !== "string") throw invalid(`"${key}" of the image configuration is not a string`);
  return value;
}

function listIn(fields: Fields, key: string): readonly string[] | undefined {
  const value = fields[key] ?? undefined;
  if (value !== undefined && !(Array.isArray(value) && value.every((item) => typeof item === "string"))) {
    throw invalid(`"${key}" of the image configuration is not a list of strings`);
  }
  return value;
}

function setIn(fields: Fields, key: string): Readonly<Record<string, object>> | undefined {
  const value = fields[key] ?? undefined;
  return value === undefined ? undefined : setOf(Object.keys(recordOf(value, `"${key}" of the image configuration`)));
}

function labelsIn(fields: Fields): Readonly<Record<string, string>> | undefined {
  const value = fields.Labels ?? undefined;
  if (value === undefined) return undefined;
  const labels = recordOf(value, `"Labels" of the image configuration`);
  if (!Object.values(labels).every((label) => typeof label === "string")) throw invalid(`"Labels" of the image configuration has a value that is not a string`);
  return labels as Readonly<Record<string, string>>;
}

function healthIn(fields: Fields): ImageHealth | undefined {
  const value = fields.Healthcheck ?? undefined;
  if (value === undefined) return undefined;
  const health = recordOf(value, `"Healthcheck" of the image configuration`);
  const number = (key: string) => {
    const count = health[key] ?? undefined;
    if (count !== undefined && !(typeof count === "number" && count >= 0))
      throw invalid(`"Healthcheck.${key}" of the image configuration is not a number from 0`);
    return count;
  };
  return {
    ...optional("Test", listIn(health, "Test")),
    ...optional("Interval", number("Interval")),
    ...optional("Timeout", number("Timeout")),
    ...optional("StartPeriod", number("StartPeriod")),
    ...optional("StartInterval", number("StartInterval")),
    ...optional("Retries", number("Retries")),
  };
}

function healthToImage(health: HealthConfig): ImageHealth {
  return {
    Test: health.test,
    ...(health.intervalMs === 0 ? {} : { Interval: health.intervalMs * NS_PER_MS }),
    ...(health.timeoutMs === 0 ? {} : { Timeout: health.timeoutMs * NS_PER_MS }),
    ...(health.startPeriodMs === 0 ? {} : { StartPeriod: health.startPeriodMs * NS_PER_MS }),
    ...(health.startIntervalMs === 0 ? {} : { StartInterval: health.startIntervalMs * NS_PER_MS }),
    ...(health.retries === 0 ? {} : { Retries: health.retries }),
  };
}

function healthFromImage(health: ImageHealth): HealthConfig {
  return {
    test: health.Test ?? [],
    intervalMs: (health.Interval ?? 0) / NS_PER_MS,
    timeoutMs: (health.Timeout ?? 0) / NS_PER_MS,
    startPeriodMs: (health.StartPeriod ?? 0) / NS_PER_MS,
    startIntervalMs: (health.StartInterval ?? 0) / NS_PER_MS,
    retries: health.Retries ?? 0,
  };
}

function recordOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${what} is not a JSON object`);
  return value as Fields;
}

function invalid(text: string): ClusterError {
  return new ClusterError("invalid_argument", text);
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

function setOf(names: readonly string[]): Readonly<Record<string, object>> {
  return Object.fromEntries(names.toSorted().map((name) => [name, {}]));
}

function sorted(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
