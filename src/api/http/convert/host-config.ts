import type { HostPort } from "../../../model/host-port.js";
import type { ContainerConfig, HostNamespace, StorageRequest } from "../../../runtime/container-config.js";
import { maskedPathsOf, readOnlyPathsOf } from "../../../runtime/masked-paths.js";
import { OWN_RUNTIME } from "../../../runtime/oci/oci-runtimes.js";
import type { Json } from "../json.js";
import { resourcesOfContainer } from "./container-resources.js";
import { bindingsOf, networkModeOf } from "./network-settings.js";
import { unlessEmpty } from "./zero-values.js";

const SHARED_MEMORY_BYTES = 64 * 1024 * 1024;

/** What there is no setting for here, or no other value than this one. */
const FIXED = {
  ContainerIDFile: "",
  PublishAllPorts: false,
  Cgroup: "",
  CgroupParent: "",
  Links: null,
  ConsoleSize: [0, 0],
  Isolation: "",
  DeviceCgroupRules: null,
  DeviceRequests: null,
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
} as const satisfies { readonly [name: string]: Json };

/** The part of `inspect` about the host: limits, mounts, devices, ports. `ports` are those that lead to a task's container. */
export function hostConfigToDocker(config: ContainerConfig, ports: readonly HostPort[]): { readonly [name: string]: Json } {
  const { single } = config;
  const list = <T>(values: readonly T[]) => (values.length === 0 ? null : values);
  return {
    ...FIXED,
    NetworkMode: networkModeOf(config),
    LogConfig: { Type: config.log.driver, Config: config.log.options },
    RestartPolicy: { Name: single?.restart.name ?? "", MaximumRetryCount: single?.restart.retriesMax ?? 0 },
    AutoRemove: single?.isAutoRemoved ?? false,
    Privileged: config.isPrivileged,
    Binds: list(single?.request.binds ?? []),
    ...storageToDocker(single?.request.storage),
    Init: config.hasInit,
    Runtime: config.runtime || OWN_RUNTIME,
    ShmSize: config.sharedMemoryBytes || SHARED_MEMORY_BYTES,
    GroupAdd: list(config.groups),
    Devices: config.devices.map((device) => ({ PathOnHost: device.source, PathInContainer: device.target, CgroupPermissions: device.permissions })),
    Dns: config.dns.nameservers,
    DnsSearch: config.dns.search,
    DnsOptions: config.dns.options,
    ExtraHosts: list(config.hosts.map((host) => `${host.name}:${host.address}`)),
    SecurityOpt: list(securityOptions(config)),
    ReadonlyRootfs: config.isRootReadOnly,
    IpcMode: joinText(config.joins?.ipc) || modeOf(config, "ipc") || config.ipc || "private",
    PidMode: joinText(config.joins?.pid) || modeOf(config, "pid"),
    CgroupnsMode: modeOf(config, "cgroup") || "private",
    UTSMode: modeOf(config, "uts"),
    UsernsMode: config.usesHostUsers === true ? "host" : "",
    CapAdd: list(config.capabilityAdd),
    CapDrop: list(config.capabilityDrop),
    ...resourcesOfContainer(config.resources),
    OomScoreAdj: config.oomScoreAdj,
    Sysctls: unlessEmpty(config.sysctls),
    Ulimits: list(config.ulimits.map((ulimit) => ({ Name: ulimit.name, Soft: ulimit.soft, Hard: ulimit.hard }))),
    PortBindings: bindingsOf(single === null ? ports : single.ports),
    MaskedPaths: config.isPrivileged ? null : maskedPathsOf(config),
    ReadonlyPaths: config.isPrivileged ? null : readOnlyPathsOf(config),
  };
}

function joinText(id: string | undefined): string {
  return id === undefined ? "" : `container:${id}`;
}

function modeOf({ hostNamespaces = [] }: ContainerConfig, name: HostNamespace): string {
  return hostNamespaces.includes(name) ? "host" : "";
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

function securityOptions(config: ContainerConfig): readonly string[] {
  const seccomp = config.seccomp === "default" ? [] : [`seccomp=${config.seccomp === "unconfined" ? "unconfined" : config.seccomp.profile}`];
  return [...(config.noNewPrivileges ? ["no-new-privileges"] : []), ...seccomp];
}
