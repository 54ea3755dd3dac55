import { join } from "node:path";
import type { HostPort } from "../../../model/host-port.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import type { ImageConfig } from "../../../runtime/image-store.js";
import type { ContainerSizes } from "../container-sizes.js";
import type { Json } from "../json.js";
import { configToDocker } from "./container-config.js";
import { type ContainerLife, programOf, sizesToDocker, stateWordOf } from "./container-life.js";
import { healthToDocker } from "./health.js";
import { hostConfigToDocker } from "./host-config.js";
import { networkSettingsToDocker } from "./network-settings.js";
import { timeText, ZERO_TIME } from "./time.js";
import { mountPointsToDocker } from "./volume.js";

/** What `inspect` shows of a container beside what the runtime knows. */
export interface ContainerSurroundings {
  /** Those of the host that lead to it. */
  readonly ports: readonly HostPort[];
  readonly life: ContainerLife;
  /** Null for an image that is gone. */
  readonly image: ImageConfig | null;
  /** Where everything of it is on this host. */
  readonly folder: string;
  /** Folders of its image's layers, uppermost first. */
  readonly layers: readonly string[];
  readonly sizes?: ContainerSizes | undefined;
}

/** The answer to GET /containers/{id}/json. */
export function containerToDocker(container: ContainerInfo, { ports, life, image, folder, layers, sizes }: ContainerSurroundings): Json {
  const { config } = container;
  const [path = "", ...args] = programOf(container);
  return {
    ...sizesToDocker(sizes),
    Id: config.id,
    Created: timeText(container.createdAtMs),
    Path: path,
    Args: args,
    State: stateToDocker(container, life),
    Image: container.imageId,
    ResolvConfPath: join(folder, "resolv.conf"),
    HostnamePath: join(folder, "hostname"),
    HostsPath: join(folder, "hosts"),
    LogPath: container.logPath,
    Name: `/${config.name}`,
    RestartCount: life.restartCount,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: life.execIds.length === 0 ? null : life.execIds,
    HostConfig: hostConfigToDocker(config, ports),
    GraphDriver: {
      Name: "overlay2",
      Data: { LowerDir: layers.join(":"), MergedDir: join(folder, "root"), UpperDir: join(folder, "upper"), WorkDir: join(folder, "work") },
    },
    Mounts: mountPointsToDocker(config),
    Config: configToDocker(container, image),
    NetworkSettings: networkSettingsToDocker(container, ports, image),
  };
}

function stateToDocker(container: ContainerInfo, life: ContainerLife): Json {
  return {
    Status: stateWordOf(container, life),
    Running: container.state === "running" || life.isRestarting,
    Paused: container.isPaused,
    Restarting: life.isRestarting,
    OOMKilled: container.exit?.isOutOfMemory ?? false,
    Dead: false,
    Pid: container.pid,
    ExitCode: container.exit?.exitCode ?? 0,
    Error: "",
    StartedAt: timeText(container.startedAtMs),
    FinishedAt: container.exit === null ? ZERO_TIME : timeText(container.exit.finishedAtMs),
    Health: life.health === null ? undefined : healthToDocker(life.health),
  };
}
