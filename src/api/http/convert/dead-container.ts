import { join } from "node:path";
import type { DamagedContainer } from "../../../runtime/container-runtime.js";
import type { Json } from "../json.js";
import { timeText, ZERO_TIME } from "./time.js";

/** What can be done about it; the daemon's log names the folder. */
export const DAMAGED_TEXT = "put the record back or remove the container's folder, as the daemon's log says, and start the daemon again";

/** A container in the list of which nothing is known but that it is there: Docker's word for such is `dead`. */
export function deadSummaryToDocker(container: DamagedContainer): Json {
  return {
    Id: container.id,
    Names: [nameOf(container)],
    Image: "",
    ImageID: "",
    Command: "",
    Created: Math.floor(container.createdAtMs / 1000),
    Ports: [],
    Labels: {},
    State: "dead",
    Status: "Dead",
    HostConfig: { NetworkMode: "default" },
    NetworkSettings: { Networks: {} },
    Mounts: [],
  };
}

/** The answer to GET /containers/{id}/json: SDKs ask for each container that the list has. `folder` is where everything of it is on this host. */
export function deadToDocker(container: DamagedContainer, folder: string): Json {
  return {
    Id: container.id,
    Created: timeText(container.createdAtMs),
    Path: "",
    Args: [],
    State: {
      Status: "dead",
      Running: false,
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Dead: true,
      Pid: 0,
      ExitCode: 0,
      Error: `its record is damaged, so nothing is known of it, not even whether it runs: ${DAMAGED_TEXT}`,
      StartedAt: ZERO_TIME,
      FinishedAt: ZERO_TIME,
    },
    Image: "",
    ResolvConfPath: join(folder, "resolv.conf"),
    HostnamePath: join(folder, "hostname"),
    HostsPath: join(folder, "hosts"),
    LogPath: "",
    Name: nameOf(container),
    RestartCount: 0,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: null,
    HostConfig: { NetworkMode: "default", RestartPolicy: { Name: "", MaximumRetryCount: 0 }, LogConfig: { Type: "", Config: {} } },
    Mounts: [],
    Config: { Hostname: "", Image: "", Env: null, Cmd: null, Entrypoint: null, Labels: {}, Volumes: null },
    NetworkSettings: { Ports: {}, Networks: {} },
  };
}

/** Its own is in its record. */
function nameOf({ id }: DamagedContainer): string {
  return `/${id.slice(0, 12)}`;
}
