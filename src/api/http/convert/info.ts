import { readdirSync } from "node:fs";
import type { Backend, HostDescription } from "../backend.js";
import { OWN_RUNTIME } from "../../../runtime/oci/oci-runtimes.js";
import { LOG_DRIVERS } from "../../../runtime/logs/log-plan.js";
import type { StoreView } from "../../../store/view.js";
import type { Json } from "../json.js";
import { API_VERSION, API_VERSION_MIN } from "../version.js";
import { clusterInfoToDocker } from "./cluster.js";
import { goArchitecture } from "./image.js";
import { timeText } from "./time.js";

/** Which registries may be insecure, and where images of Docker Hub are looked for first. */
function registryConfigOf({ insecure, mirrors }: HostDescription["registries"]): Json {
  const index = (name: string, isSecure: boolean) => ({
    Name: name,
    Mirrors: name === "docker.io" ? mirrors : [],
    Secure: isSecure,
    Official: name === "docker.io",
  });
  const hosts = insecure.filter((entry) => !entry.includes("/"));
  return {
    AllowNondistributableArtifactsCIDRs: [],
    AllowNondistributableArtifactsHostnames: [],
    InsecureRegistryCIDRs: ["127.0.0.0/8", ...insecure.filter((entry) => entry.includes("/"))],
    IndexConfigs: Object.fromEntries([["docker.io", index("docker.io", true)], ...hosts.map((host) => [host, index(host, false)])]),
    Mirrors: mirrors,
  };
}

/** This host and its part in the swarm. `view` is the cluster's state where this manager could read it in time. */
export function infoToDocker(backend: Backend, view: StoreView | null, nowMs: number): Json {
  const { host, containers, images } = backend;
  const { abilities } = containers;
  const all = containers.list();
  const states = all.map((container) => container.state);
  const commit = { ID: host.version, Expected: host.version };
  return {
    ID: host.id,
    Containers: states.length,
    ContainersRunning: states.filter((state) => state === "running").length,
    ContainersPaused: all.filter((container) => container.isPaused).length,
    ContainersStopped: states.filter((state) => state !== "running").length,
    Images: images.list().length,
    Driver: "overlay2",
    DriverStatus: [
      ["Backing Filesystem", host.backingFilesystem || "<unknown>"],
      ["Supports d_type", "true"],
      ["Using metacopy", "false"],
      ["Native Overlay Diff", "true"],
      ["userxattr", "false"],
    ],
    Plugins: { Volume: ["local"], Network: ["bridge", "host", "null"], Authorization: null, Log: LOG_DRIVERS.filter((name) => name !== "none") },
    MemoryLimit: abilities.hasMemory,
    SwapLimit: abilities.hasSwap,
    KernelMemory: false,
    KernelMemoryTCP: abilities.hasKernelMemoryTcp,
    CpuCfsPeriod: abilities.hasQuota,
    CpuCfsQuota: abilities.hasQuota,
    CPUShares: abilities.hasShares,
    CPUSet: abilities.cpuset.cpus !== "",
    PidsLimit: abilities.hasPids,
    IPv4Forwarding: true,
    // Nothing here depends on it, and clients warn of hosts without.
    BridgeNfIptables: true,
    BridgeNfIp6tables: true,
    Debug: false,
    OomKillDisable: abilities.hasOutOfMemoryControl,
    NGoroutines: 0,
    NFd: readdirSync("/proc/self/fd").length,
    NEventsListener: backend.engine.events.listenerCount,
    SystemTime: timeText(nowMs),
    LoggingDriver: host.loggingDriver,
    CgroupDriver: "cgroupfs",
    CgroupVersion: host.cgroupVersion,
    KernelVersion: host.kernelVersion,
    OperatingSystem: host.operatingSystem,
    OSVersion: host.osVersion,
    OSType: "linux",
    Architecture: host.architecture,
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: registryConfigOf(host.registries),
    NCPU: host.cpuCount,
    MemTotal: host.memoryBytes,
    GenericResources: null,
    DockerRootDir: host.dataRoot,
    HttpProxy: host.proxies.http,
    HttpsProxy: host.proxies.https,
    NoProxy: host.proxies.none,
    Name: host.hostname,
    Labels: host.labels,
    ExperimentalBuild: false,
    ServerVersion: host.version,
    Runtimes: runtimesToDocker(host.runtimes),
    DefaultRuntime: host.runtimes.defaultName,
    Swarm: swarmToDocker(backend, view),
    LiveRestoreEnabled: true,
    Isolation: "",
    InitBinary: "swarm-init",
    ContainerdCommit: { ID: "", Expected: "" },
    RuncCommit: commit,
    InitCommit: commit,
    SecurityOptions: ["name=seccomp,profile=builtin", ...(host.userRemap === null ? [] : ["name=userns"]), "name=cgroupns"],
    Warnings: warningsOf(backend),
  };
}

function runtimesToDocker({ byName }: HostDescription["runtimes"]): Json {
  const others = Object.entries(byName).map(([name, { path, args }]) => [name, { path, runtimeArgs: args.length === 0 ? undefined : args }]);
  return { [OWN_RUNTIME]: { path: OWN_RUNTIME }, ...Object.fromEntries(others) };
}

function swarmToDocker(backend: Backend, view: StoreView | null): Json {
  const local = backend.swarm.local();
  const members = backend.swarm.members();
  return {
    NodeID: local.nodeId,
    NodeAddr: local.nodeAddress,
    LocalNodeState: local.state,
    ControlAvailable: local.isManager,
    Error: local.error,
    RemoteManagers: local.remoteManagers.length === 0 ? null : local.remoteManagers.map((manager) => ({ NodeID: manager.nodeId, Addr: manager.address })),
    Nodes: local.isManager ? (view?.nodes.size ?? 0) : undefined,
    Managers: local.isManager ? members.length : undefined,
    Cluster: view?.cluster === undefined ? undefined : clusterInfoToDocker(view.cluster),
  };
}

/** File systems on which overlayfs can keep nothing that containers write, by the name that `info` shows. */
const UNFIT_FILESYSTEMS: ReadonlySet<string> = new Set(["overlayfs", "nfs"]);

function warningsOf({ host, swarm }: Backend): Json {
  const unfit = UNFIT_FILESYSTEMS.has(host.backingFilesystem)
    ? [`WARNING: the data root is on ${host.backingFilesystem}, where no container can be started: put it on a file system such as ext4 or xfs`]
    : [];
  const twoManagers =
    swarm.members().length === 2
      ? [
          "WARNING: Running Swarm in a two-manager configuration. This configuration provides no fault tolerance, and poses a high risk to lose control over the cluster. Use an odd number of managers.",
        ]
      : [];
  const warnings = [...unfit, ...twoManagers];
  return warnings.length === 0 ? null : warnings;
}

export function versionToDocker(host: HostDescription): Json {
  const details = {
    ApiVersion: API_VERSION,
    Arch: goArchitecture(host.architecture),
    BuildTime: "",
    Experimental: "false",
    GitCommit: host.gitCommit,
    GoVersion: `node ${process.version}`,
    KernelVersion: host.kernelVersion,
    MinAPIVersion: API_VERSION_MIN,
    Os: "linux",
  };
  return {
    Platform: { Name: "swarmd" },
    Components: [{ Name: "Engine", Version: host.version, Details: details }],
    Version: host.version,
    ApiVersion: API_VERSION,
    MinAPIVersion: API_VERSION_MIN,
    GitCommit: host.gitCommit,
    GoVersion: details.GoVersion,
    Os: "linux",
    Arch: details.Arch,
    KernelVersion: host.kernelVersion,
    Experimental: false,
    BuildTime: "",
  };
}
