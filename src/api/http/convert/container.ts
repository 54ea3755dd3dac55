import { durationText } from "../../../base/duration-text.js";
import type { PortConfig } from "../../../model/objects.js";
import { bridgeNetworkOf } from "../../../runtime/bridge-network.js";
import type { ContainerInfo, ContainerMount } from "../../../runtime/container-runtime.js";
import type { Json } from "../json.js";
import { timeText, ZERO_TIME } from "./time.js";
import { unlessEmpty } from "./zero-values.js";

/** Published ports listen on each address of the host. */
const EVERY_ADDRESS = "0.0.0.0";

/** Key of the flat network that containers are on until user-defined ones exist. */
function networkModeOf(container: ContainerInfo): string {
  const { network } = container.config;
  if (network === "host") return "host";
  if (network === null) return "none";
  return "container" in network ? `container:${network.container}` : "bridge";
}

/** A container in the list of containers; `ports` are those of the host that lead to it. */
export function containerSummaryToDocker(container: ContainerInfo, ports: readonly PortConfig[], nowMs: number): Json {
  return {
    Id: container.config.id,
    Names: [`/${container.config.name}`],
    Image: container.config.image,
    ImageID: container.imageId,
    Command: container.args.join(" "),
    Created: Math.floor(container.createdAtMs / 1000),
    Ports: ports.map((port) => ({ IP: EVERY_ADDRESS, PrivatePort: port.targetPort, PublicPort: port.publishedPort, Type: port.protocol })),
    Labels: container.config.labels,
    State: container.state,
    Status: containerStatusText(container, nowMs),
    HostConfig: { NetworkMode: networkModeOf(container) },
    NetworkSettings: { Networks: networksToDocker(container) },
    Mounts: container.config.mounts.map(mountPointToDocker),
  };
}

export function containerToDocker(container: ContainerInfo, ports: readonly PortConfig[]): Json {
  const { config } = container;
  const bindings = bindingsOf(ports);
  return {
    Id: config.id,
    Created: timeText(container.createdAtMs),
    Path: container.args[0] ?? "",
    Args: container.args.slice(1),
    State: stateToDocker(container),
    Image: container.imageId,
    ResolvConfPath: "",
    HostnamePath: "",
    HostsPath: "",
    LogPath: container.logPath,
    Name: `/${config.name}`,
    RestartCount: 0,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: null,
    HostConfig: {
      NetworkMode: networkModeOf(container),
      LogConfig: { Type: "json-file", Config: { "max-size": `${config.log.sizeBytesMax}`, "max-file": `${config.log.filesMax}` } },
      RestartPolicy: { Name: "", MaximumRetryCount: 0 },
      AutoRemove: false,
      Privileged: false,
      ReadonlyRootfs: config.isRootReadOnly,
      CapAdd: config.capabilityAdd,
      CapDrop: config.capabilityDrop,
      NanoCpus: config.resources.nanoCpus,
      Memory: config.resources.memoryBytes,
      PidsLimit: config.resources.pids === 0 ? null : config.resources.pids,
      OomScoreAdj: config.oomScoreAdj,
      Sysctls: unlessEmpty(config.sysctls),
      Ulimits: config.ulimits.map((ulimit) => ({ Name: ulimit.name, Soft: ulimit.soft, Hard: ulimit.hard })),
      PortBindings: bindings,
    },
    GraphDriver: { Name: "overlay2", Data: {} },
    Mounts: config.mounts.map(mountPointToDocker),
    Config: {
      Hostname: config.hostname,
      Domainname: "",
      User: config.user,
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Env: config.env,
      Cmd: config.command.length === 0 ? null : config.command,
      Image: config.image,
      Volumes: null,
      WorkingDir: config.workingDir,
      Entrypoint: config.entrypoint.length === 0 ? null : config.entrypoint,
      Labels: config.labels,
      StopSignal: unlessEmpty(config.stopSignal),
    },
    NetworkSettings: { Ports: bindings, ...addressesOf(container), Networks: networksToDocker(container) },
  };
}

/** By "80/tcp", where on the host each is found. */
function bindingsOf(ports: readonly PortConfig[]): { readonly [target: string]: Json } {
  const bindings = new Map<string, Json[]>();
  for (const port of ports) {
    const target = `${port.targetPort}/${port.protocol}`;
    bindings.set(target, [...(bindings.get(target) ?? []), { HostIp: EVERY_ADDRESS, HostPort: `${port.publishedPort}` }]);
  }
  return Object.fromEntries(bindings);
}

function stateToDocker(container: ContainerInfo): Json {
  return {
    Status: container.state,
    Running: container.state === "running",
    Paused: false,
    Restarting: false,
    OOMKilled: container.exit?.isOutOfMemory ?? false,
    Dead: false,
    Pid: container.pid,
    ExitCode: container.exit?.exitCode ?? 0,
    Error: "",
    StartedAt: timeText(container.startedAtMs),
    FinishedAt: container.exit === null ? ZERO_TIME : timeText(container.exit.finishedAtMs),
  };
}

function addressesOf(container: ContainerInfo): { readonly [name: string]: Json } {
  const network = bridgeNetworkOf(container.config);
  if (network === null) return { IPAddress: "", IPPrefixLen: 0, Gateway: "", MacAddress: "" };
  const [address = "", prefixLength = "0"] = network.address.split("/");
  return { IPAddress: address, IPPrefixLen: Number(prefixLength), Gateway: network.gateway, MacAddress: network.macAddress };
}

function networksToDocker(container: ContainerInfo): { readonly [name: string]: Json } {
  const name = networkModeOf(container);
  return { [name]: { NetworkID: name, EndpointID: "", Aliases: null, ...addressesOf(container) } };
}

function mountPointToDocker(mount: ContainerMount): Json {
  return { Type: mount.type, Source: mount.source, Destination: mount.target, Mode: "", RW: !mount.isReadOnly, Propagation: mount.propagation };
}

/** "Up 3 minutes", "Exited (0) 2 seconds ago", "Created": what `docker ps` shows. */
export function containerStatusText(container: ContainerInfo, nowMs: number): string {
  if (container.state === "created") return "Created";
  if (container.state === "running") return `Up ${durationText(nowMs - container.startedAtMs)}`;
  return `Exited (${container.exit?.exitCode ?? 0}) ${durationText(nowMs - (container.exit?.finishedAtMs ?? nowMs))} ago`;
}
