import { durationText } from "../../../base/duration-text.js";
import type { HostPort } from "../../../model/host-port.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import type { ImageConfig } from "../../../runtime/image-store.js";
import type { ContainerSizes } from "../container-sizes.js";
import type { Json } from "../json.js";
import { type ContainerLife, NO_LIFE, programOf, sizesToDocker, stateWordOf } from "./container-life.js";
import { healthText } from "./health.js";
import { EVERY_ADDRESS, networkModeOf, networksToDocker, unpublishedOf } from "./network-settings.js";
import { mountPointsToDocker } from "./volume.js";

/** What the list shows of a container beside what the runtime knows. */
export interface SummarySurroundings {
  /** Those of the host that lead to it. */
  readonly ports: readonly HostPort[];
  /** Null for an image that is gone. */
  readonly image: ImageConfig | null;
  readonly nowMs: number;
  readonly life?: ContainerLife;
  readonly sizes?: ContainerSizes | undefined;
}

/** A container in the list of containers. */
export function containerSummaryToDocker(container: ContainerInfo, { ports, image, nowMs, life = NO_LIFE, sizes }: SummarySurroundings): Json {
  const { config } = container;
  return {
    ...sizesToDocker(sizes),
    Id: config.id,
    Names: [`/${config.name}`],
    Image: config.image,
    ImageID: container.imageId,
    Command: programOf(container).join(" "),
    Created: Math.floor(container.createdAtMs / 1000),
    Ports: [
      ...unpublishedOf(container, ports, image).map((target) => ({ PrivatePort: Number.parseInt(target, 10), Type: target.split("/")[1] ?? "tcp" })),
      ...ports.map((port) => ({ IP: port.address ?? EVERY_ADDRESS, PrivatePort: port.targetPort, PublicPort: port.publishedPort, Type: port.protocol })),
    ],
    Labels: config.labels,
    State: stateWordOf(container, life),
    Status: containerStatusText(container, nowMs, life),
    HostConfig: { NetworkMode: networkModeOf(config) },
    NetworkSettings: { Networks: networksToDocker(container) },
    Mounts: mountPointsToDocker(config),
  };
}

/** "Up 3 minutes", "Exited (0) 2 seconds ago", "Created": what `docker ps` shows. */
export function containerStatusText(container: ContainerInfo, nowMs: number, life = NO_LIFE): string {
  if (life.isRestarting) return `Restarting (${container.exit?.exitCode ?? 0}) ${durationText(nowMs - (container.exit?.finishedAtMs ?? nowMs))} ago`;
  if (container.state === "created") return "Created";
  if (container.state === "running") return `Up ${durationText(nowMs - container.startedAtMs)}${container.isPaused ? " (Paused)" : healthText(life.health)}`;
  return `Exited (${container.exit?.exitCode ?? 0}) ${durationText(nowMs - (container.exit?.finishedAtMs ?? nowMs))} ago`;
}
