import { createHash } from "node:crypto";
import { arch } from "node:os";
import { ClusterError } from "../../base/errors.js";
import type { ImageConfig } from "../image-store.js";

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
  };
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly string[] };
  readonly history: readonly { readonly comment?: string }[];
}

export interface ImagePlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

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
    config: {
      ...(config.user === "" ? {} : { User: config.user }),
      ...(config.exposedPorts.length === 0 ? {} : { ExposedPorts: setOf(config.exposedPorts) }),
      ...(config.env.length === 0 ? {} : { Env: config.env }),
      ...(config.entrypoint.length === 0 ? {} : { Entrypoint: config.entrypoint }),
      ...(config.command.length === 0 ? {} : { Cmd: config.command }),
      ...(config.volumes.length === 0 ? {} : { Volumes: setOf(config.volumes) }),
      ...(config.workingDir === "" ? {} : { WorkingDir: config.workingDir }),
      ...(Object.keys(config.labels).length === 0 ? {} : { Labels: sorted(config.labels) }),
      ...(config.stopSignal === "" ? {} : { StopSignal: config.stopSignal }),
    },
    rootfs: { type: "layers", diff_ids: layers },
    history: [{ comment }],
  };
  const bytes = Buffer.from(JSON.stringify(document));
  return { id: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes };
}

/** Throws ClusterError `internal` when the bytes are not what `id` names. */
export function decodeImage(id: string, bytes: Uint8Array): ImageDocument {
  const actual = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (actual !== id) throw new ClusterError("internal", `configuration of image ${id} is damaged: its digest is ${actual}`);
  return JSON.parse(Buffer.from(bytes).toString("utf8")) as ImageDocument;
}

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
  };
}

function setOf(names: readonly string[]): Readonly<Record<string, object>> {
  return Object.fromEntries(names.toSorted().map((name) => [name, {}]));
}

function sorted(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
