import type { HistoryStep, ImageInfo } from "../../../runtime/image-store.js";
import type { Json } from "../json.js";
import { healthcheckToDocker } from "./health.js";
import { timeText } from "./time.js";
import { unlessEmpty } from "./zero-values.js";

/** An image in the list of images; `sharedBytes` is what it has in common with others, -1 when nobody asked. */
export function imageSummaryToDocker(image: ImageInfo, containers: number, sharedBytes = -1): Json {
  return {
    Id: image.id,
    ParentId: "",
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Created: Math.floor(image.createdAtMs / 1000),
    Size: image.sizeBytes,
    SharedSize: sharedBytes,
    VirtualSize: image.sizeBytes,
    Labels: image.config.labels,
    Containers: containers,
  };
}

/** What the configurations of images have because containers' do, and nothing fills in. */
const OF_CONTAINERS = {
  Hostname: "",
  Domainname: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: "",
} as const;
/** From this version on, nothing is said of the container that an image was made of. */
const ORIGIN_UNTIL = 45;

/** The answer to GET /images/{name}/json, for a client of this minor version. `layers` are the folders of its layers, uppermost first. */
export function imageToDocker(image: ImageInfo, layers: readonly string[], apiMinor: number): Json {
  const [upper = "", ...lower] = layers;
  return {
    ...(apiMinor < ORIGIN_UNTIL
      ? {
          Container: "",
          ContainerConfig: { ...OF_CONTAINERS, User: "", Env: null, Cmd: null, Volumes: null, WorkingDir: "", Entrypoint: null, OnBuild: null, Labels: null },
        }
      : {}),
    Id: image.id,
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Parent: "",
    Comment: image.comment,
    Created: timeText(image.createdAtMs),
    DockerVersion: "",
    Author: image.author,
    Config: {
      ...OF_CONTAINERS,
      User: image.config.user,
      ExposedPorts: unlessEmpty(Object.fromEntries(image.config.exposedPorts.map((port) => [port, {}]))),
      Env: image.config.env,
      Cmd: image.config.command.length === 0 ? null : image.config.command,
      Entrypoint: image.config.entrypoint.length === 0 ? null : image.config.entrypoint,
      Volumes: image.config.volumes.length === 0 ? null : Object.fromEntries(image.config.volumes.map((path) => [path, {}])),
      WorkingDir: image.config.workingDir,
      Labels: Object.keys(image.config.labels).length === 0 ? null : image.config.labels,
      StopSignal: unlessEmpty(image.config.stopSignal),
      Healthcheck: healthcheckToDocker(image.config.health),
      Shell: unlessEmpty(image.config.shell),
      OnBuild: null,
    },
    Architecture: goArchitecture(image.architecture),
    Variant: unlessEmpty(image.variant),
    Os: image.os,
    Size: image.sizeBytes,
    VirtualSize: image.sizeBytes,
    GraphDriver: { Name: "overlay2", Data: { LowerDir: unlessEmpty(lower.join(":")), UpperDir: upper } },
    RootFS: { Type: "layers", Layers: image.layers },
    Metadata: { LastTagTime: timeText(image.createdAtMs) },
  };
}

/** How an image came about, newest step first. Only that one is the image itself. */
export function historyToDocker(image: ImageInfo, steps: readonly HistoryStep[]): Json {
  return steps.map((step, index) => ({
    Id: index === 0 ? image.id : "<missing>",
    Created: Math.floor((step.createdAtMs || (index === 0 ? image.createdAtMs : 0)) / 1000),
    CreatedBy: step.createdBy,
    Tags: index === 0 && image.tags.length > 0 ? image.tags : null,
    Size: step.sizeBytes,
    Comment: step.comment,
  }));
}

/** The kernel's names of processors and the ones that images and Go programs use. */
export function goArchitecture(architecture: string): string {
  if (architecture === "x86_64") return "amd64";
  if (architecture === "aarch64") return "arm64";
  return architecture;
}
