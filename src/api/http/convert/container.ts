import { durationText } from "../../../base/duration-text.js";
import type { PortConfig } from "../../../model/objects.js";
import { bridgeNetworkOf } from "../../../runtime/bridge-network.js";
import type { ContainerInfo, StorageRequest } from "../../../runtime/container-runtime.js";
import { OWN_RUNTIME } from "../../../runtime/oci/oci-runtimes.js";
import type { ContainerSizes } from "../container-sizes.js";
import type { Json } from "../json.js";
import type { HealthState } from "../../../engine/health/health-state.js";
import { resourcesOfContainer } from "./container-resources.js";
import { healthcheckToDocker, healthText, healthToDocker } from "./health.js";
import { timeText, ZERO_TIME } from "./time.js";
import { mountPointsToDocker } from "./volume.js";
import { unlessEmpty } from "./zero-values.js";

/** Published ports listen on each address of the host. */
const EVERY_ADDRESS = "0.0.0.0";

/** Key of the flat network that containers are on until user-defined ones exist. */
export function networkModeOf(container: ContainerInfo): string {
  const { network } = container.config;
  if (network === "host") return "host";
  if (network === null) return "none";
  return "container" in network ? `container:${network.container}` : "bridge";
}

/** What the engine knows of a container's life. */
export interface ContainerLife {
  readonly isRestarting: boolean;
  readonly restartCount: number;
  readonly execIds: readonly string[];
  /** Null for one whose health is not tested. */
  readonly health: HealthState | null;
}

/** The state as Docker has it: one word more than ours where somebody paused or will restart it. */
export function stateWordOf(container: ContainerInfo, life: ContainerLife): string {
  if (life.isRestarting) return "restarting";
  return container.isPaused ? "paused" : container.state;
}

const NO_LIFE: ContainerLife = { isRestarting: false, restartCount: 0, execIds: [], health: null };

/** A container in the list of containers; `ports` are those of the host that lead to it. */
export function containerSummaryToDocker(container: ContainerInfo, ports: readonly PortConfig[], nowMs: number, life = NO_LIFE, sizes?: ContainerSizes): Json {
  return {
    ...sizesToDocker(sizes),
    Id: container.config.id,
    Names: [`/${container.config.name}`],
    Image: container.config.image,
    ImageID: container.imageId,
    Command: container.args.join(" "),
    Created: Math.floor(container.createdAtMs / 1000),
    Ports: ports.map((port) => ({ IP: EVERY_ADDRESS, PrivatePort: port.targetPort, PublicPort: port.publishedPort, Type: port.protocol })),
    Labels: container.config.labels,
    State: stateWordOf(container, life),
    Status: containerStatusText(container, nowMs, life),
    HostConfig: { NetworkMode: networkModeOf(container) },
    NetworkSettings: { Networks: networksToDocker(container) },
    Mounts: mountPointsToDocker(container.config),
  };
}

export function containerToDocker(container: ContainerInfo, ports: readonly PortConfig[], life: ContainerLife, sizes?: ContainerSizes): Json {
  const { config } = container;
  const { single } = config;
  const bindings = bindingsOf(ports);
  return {
    ...sizesToDocker(sizes),
    Id: config.id,
    Created: timeText(container.createdAtMs),
    Path: container.args[0] ?? "",
    Args: container.args.slice(1),
    State: stateToDocker(container, life),
    Image: container.imageId,
    ResolvConfPath: "",
    HostnamePath: "",
    HostsPath: "",
    LogPath: container.logPath,
    Name: `/${config.name}`,
    RestartCount: life.restartCount,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: life.execIds.length === 0 ? null : life.execIds,
    HostConfig: {
      NetworkMode: networkModeOf(container),
      LogConfig: { Type: config.log.driver, Config: config.log.options },
      RestartPolicy: { Name: single?.restart.name ?? "", MaximumRetryCount: single?.restart.retriesMax ?? 0 },
      AutoRemove: single?.isAutoRemoved ?? false,
      Privileged: config.isPrivileged,
      Binds: unlessEmpty(single?.request.binds ?? []) ?? null,
      ...storageToDocker(single?.request.storage),
      Init: config.hasInit,
      Runtime: config.runtime || OWN_RUNTIME,
      ShmSize: config.sharedMemoryBytes || 64 * 1024 * 1024,
      GroupAdd: unlessEmpty(config.groups) ?? null,
      Devices: config.devices.map((device) => ({ PathOnHost: device.source, PathInContainer: device.target, CgroupPermissions: device.permissions })),
      Dns: config.dns.nameservers,
      DnsSearch: config.dns.search,
      DnsOptions: config.dns.options,
      ExtraHosts: unlessEmpty(config.hosts.map((host) => `${host.name}:${host.address}`)) ?? null,
      SecurityOpt: unlessEmpty(securityOptions(config)) ?? null,
      ReadonlyRootfs: config.isRootReadOnly,
      UsernsMode: config.usesHostUsers === true ? "host" : "",
      CapAdd: config.capabilityAdd,
      CapDrop: config.capabilityDrop,
      ...resourcesOfContainer(config.resources),
      OomScoreAdj: config.oomScoreAdj,
      Sysctls: unlessEmpty(config.sysctls),
      Ulimits: config.ulimits.map((ulimit) => ({ Name: ulimit.name, Soft: ulimit.soft, Hard: ulimit.hard })),
      PortBindings: single === null ? bindings : bindingsOf(single.ports),
    },
    GraphDriver: { Name: "overlay2", Data: {} },
    Mounts: mountPointsToDocker(config),
    Config: {
      Hostname: config.hostname,
      Domainname: config.domainname,
      User: config.user,
      AttachStdin: single?.request.attachStdin ?? false,
      AttachStdout: single?.request.attachStdout ?? false,
      AttachStderr: single?.request.attachStderr ?? false,
      Tty: config.terminal.isTerminal,
      OpenStdin: config.terminal.hasInput,
      StdinOnce: config.terminal.isInputOnce,
      Env: config.env,
      Cmd: config.command.length === 0 ? null : config.command,
      Image: config.image,
      Volumes: unlessEmpty(anonymousPathsOf(config)) ?? null,
      WorkingDir: config.workingDir,
      Entrypoint: config.entrypoint.length === 0 ? null : config.entrypoint,
      Labels: config.labels,
      StopSignal: unlessEmpty(config.stopSignal),
      ...(single === null || single.stopTimeoutMs === 0 ? {} : { StopTimeout: Math.round(single.stopTimeoutMs / 1000) }),
      Healthcheck: healthcheckToDocker(container.health === null ? config.health : container.health),
    },
    NetworkSettings: { Ports: bindings, ...addressesOf(container), Networks: networksToDocker(container) },
  };
}

function storageToDocker(storage: StorageRequest | undefined): { readonly [name: string]: Json } {
  if (storage === undefined) return { VolumeDriver: "", VolumesFrom: null };
  const { mounts, tmpfs, volumesFrom, volumeDriver } = storage;
  return {
    Mounts: mounts === "" ? undefined : (JSON.parse(mounts) as Json),
    Tmpfs: unlessEmpty(tmpfs),
    VolumesFrom: unlessEmpty(volumesFrom) ?? null,
    VolumeDriver: volumeDriver,
  };
}

/** As a set, which is how images have them. */
function anonymousPathsOf({ mounts }: ContainerInfo["config"]): Readonly<Record<string, Json>> {
  return Object.fromEntries(mounts.filter(({ volume }) => volume?.isAnonymous === true).map(({ target }) => [target, {}]));
}

function sizesToDocker(sizes: ContainerSizes | undefined): { readonly [name: string]: Json } {
  return sizes === undefined ? {} : { SizeRw: sizes.writableBytes, SizeRootFs: sizes.rootBytes };
}

function securityOptions(config: ContainerInfo["config"]): readonly string[] {
  const seccomp = config.seccomp === "default" ? [] : [`seccomp=${config.seccomp === "unconfined" ? "unconfined" : config.seccomp.profile}`];
  return [...(config.noNewPrivileges ? ["no-new-privileges"] : []), ...seccomp];
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

/** "Up 3 minutes", "Exited (0) 2 seconds ago", "Created": what `docker ps` shows. */
export function containerStatusText(container: ContainerInfo, nowMs: number, life = NO_LIFE): string {
  if (life.isRestarting) return `Restarting (${container.exit?.exitCode ?? 0}) ${durationText(nowMs - (container.exit?.finishedAtMs ?? nowMs))} ago`;
  if (container.state === "created") return "Created";
  if (container.state === "running") return `Up ${durationText(nowMs - container.startedAtMs)}${container.isPaused ? " (Paused)" : healthText(life.health)}`;
  return `Exited (${container.exit?.exitCode ?? 0}) ${durationText(nowMs - (container.exit?.finishedAtMs ?? nowMs))} ago`;
}
