import { capabilitiesOf } from "./capabilities.js";
import type { CgroupPlan } from "./cgroup-plan.js";
import type { ContainerConfig } from "./container-config.js";
import type { ContainerPaths } from "./container-paths.js";
import type { DeviceNode } from "./devices.js";
import { type JoinedContainer, joinedAs } from "./joined-containers.js";
import type { ExecLaunch, FilesView, IdMaps, Launch, SeccompFilter } from "./launch.js";
import { maskedPathsOf, readOnlyPathsOf } from "./masked-paths.js";
import { bindRecords, mountRecords } from "./mount-plan.js";
import { INIT_PATH } from "./process-config.js";
import { planRlimits } from "./rlimits.js";
import { encode, type LaunchRecord } from "./shim/launch-record.js";
import { isInHosts, planSysctls, sysctlPlaceOf } from "./sysctls.js";

/** Docker's size of /dev/shm. */
const SHARED_MEMORY_BYTES = 64 * 1024 * 1024;

/** What another runtime has to be told otherwise than our own shim. */
export interface OciParts {
  /** `linux.seccomp`; null is none. */
  readonly seccomp: object | null;
  readonly maskedPaths: readonly string[];
  readonly readOnlyPaths: readonly string[];
  readonly sysctls: Readonly<Record<string, string>>;
  /** The mounts as our own shim would be asked for them. */
  readonly mountRecords: readonly LaunchRecord[];
  readonly sharedMemoryBytes: number;
  /** Its folder. */
  readonly bundle: string;
}

export function ociParts(launch: Launch): Omit<OciParts, "seccomp" | "bundle"> {
  const { config, maps } = launch;
  return {
    maskedPaths: maskedPathsOf(config),
    readOnlyPaths: readOnlyPathsOf(config),
    sysctls: planSysctls(config.sysctls, sysctlPlaceOf(config, maps !== null)),
    mountRecords: [...filesRecords(launch)],
    sharedMemoryBytes: sharedMemoryOf(config),
  };
}

/** The request that a spawner takes (native/shim/settings.h has the keys). Throws as `encode`. */
export function encodeLaunch(launch: Launch): Buffer {
  return encode([...launchRecords(launch)]);
}

export function encodeExec(launch: ExecLaunch): Buffer {
  return encode([...execRecords(launch)]);
}

export function encodeFilesView(view: FilesView): Buffer {
  return encode([...viewRecords(view)]);
}

function* viewRecords({ config, paths, layers, maps, running }: FilesView): Generator<LaunchRecord> {
  if (running !== null) {
    yield ["join.process", running.pid];
    yield ["join.group", running.group];
  }
  yield* rootRecords(config, paths, layers);
  yield* mountRecords(config, paths.etcFile);
  yield* mapRecords(maps);
}

export function* launchRecords(launch: Launch): Generator<LaunchRecord> {
  const { config, process, paths, log, layers, cgroups, seccomp, devices, joined, maps, attachers } = launch;
  yield ["id", config.id];
  yield ["socket", paths.socket];
  yield ["folder", paths.folder];
  yield* logRecords(log);
  for (const arg of process.args) yield ["arg", arg];
  for (const entry of process.env) yield ["env", entry];
  yield ["cwd", process.workingDir];
  yield ["user", process.user];
  for (const group of config.groups) yield ["group", group];
  yield ["hostname", isInHosts(config, "uts") ? "" : process.hostname];
  for (const name of config.hostNamespaces ?? []) yield ["host.namespace", name];
  yield* joinedRecords(joined);
  yield* rootRecords(config, paths, layers);
  yield* filesRecords(launch);
  yield* mapRecords(maps);
  for (const path of maskedPathsOf(config)) yield ["mask", path];
  for (const path of readOnlyPathsOf(config)) yield ["readonly", path];
  yield ["sys.writable", flag(config.isPrivileged)];
  yield* deviceRecords(devices);
  yield ["shm.size", sharedMemoryOf(config)];
  yield* cgroupRecords(cgroups);
  const sysctls = planSysctls(config.sysctls, sysctlPlaceOf(config, maps !== null));
  for (const [name, value] of Object.entries(sysctls)) yield ["sysctl", `${name}=${value}`];
  yield* limitRecords(config);
  yield ["capabilities", capabilitiesOf(config)];
  yield* seccompRecords(seccomp);
  yield ["domainname", isInHosts(config, "uts") ? "" : config.domainname];
  yield ["tty", flag(config.terminal.isTerminal)];
  yield ["stdin", flag(config.terminal.hasInput)];
  yield ["stdin.once", flag(config.terminal.isInputOnce)];
  yield ["attachers", attachers];
  yield* networkRecords(config);
}

/** Files that are mounted into it, beside its layers. */
function* filesRecords({ config, paths, joined, initPath }: Launch): Generator<LaunchRecord> {
  yield* mountRecords(config, joinedAs("net", joined)?.etcFile ?? paths.etcFile, config.joins?.ipc !== undefined);
  if (config.hasInit) yield* initRecords(initPath);
}

/** Of /dev/shm; 0 is none of its own. */
function sharedMemoryOf({ joins, ipc, sharedMemoryBytes }: ContainerConfig): number {
  return joins?.ipc !== undefined || ipc === "none" ? 0 : sharedMemoryBytes || SHARED_MEMORY_BYTES;
}

function* joinedRecords(joined: readonly JoinedContainer[]): Generator<LaunchRecord> {
  for (const { kind, pid, group } of joined) {
    yield ["share", kind];
    yield ["share.process", pid];
    yield ["share.group", group];
  }
}

function initRecords(initPath: string): Generator<LaunchRecord> {
  return bindRecords(initPath, INIT_PATH, { isReadOnly: true, isOwn: false });
}

function* mapRecords(maps: IdMaps | null): Generator<LaunchRecord> {
  if (maps === null) return;
  yield ["map.users", maps.users];
  yield ["map.groups", maps.groups];
}

function* rootRecords(config: ContainerConfig, paths: ContainerPaths, layers: readonly string[]): Generator<LaunchRecord> {
  yield ["root", paths.root];
  yield ["upper", paths.upper];
  yield ["work", paths.work];
  for (const layer of layers) yield ["layer", layer];
  yield ["root.readonly", flag(config.isRootReadOnly)];
}

function* logRecords({ plan, path, compressorPath }: Launch["log"]): Generator<LaunchRecord> {
  if (plan.format === "none") return;
  yield ["log.path", path];
  yield ["log.size", plan.sizeBytesMax];
  yield ["log.files", plan.filesMax];
  yield ["log.local", flag(plan.format === "local")];
  const names = Object.keys(plan.attributes).sort();
  if (names.length > 0) yield ["log.attributes", JSON.stringify(Object.fromEntries(names.map((name) => [name, plan.attributes[name]])))];
  if (plan.isCompressed) yield ["log.compressor", compressorPath];
}

export function* execRecords(launch: ExecLaunch): Generator<LaunchRecord> {
  yield ["id", launch.id];
  yield ["socket", launch.socket];
  yield ["join.process", launch.container.pid];
  yield ["join.group", launch.container.group];
  for (const arg of launch.args) yield ["arg", arg];
  for (const entry of launch.env) yield ["env", entry];
  yield ["cwd", launch.workingDir];
  yield ["user", launch.user];
  for (const group of launch.groups) yield ["group", group];
  for (const group of launch.cgroups.groups) {
    yield ["cgroup", group.path];
    yield ["cgroup.unified", flag(group.isUnified)];
  }
  yield* limitRecords(launch.config);
  yield ["capabilities", launch.capabilities];
  yield* seccompRecords(launch.seccomp);
  yield ["tty", flag(launch.isTerminal)];
  yield ["tty.rows", launch.size?.rows ?? 0];
  yield ["tty.columns", launch.size?.columns ?? 0];
  yield ["stdin", flag(launch.hasInput)];
  yield ["stdin.once", 1];
  yield ["attachers", launch.attachers];
}

function* limitRecords(config: Pick<ContainerConfig, "ulimits" | "oomScoreAdj" | "noNewPrivileges">): Generator<LaunchRecord> {
  for (const limit of planRlimits(config.ulimits)) {
    yield ["rlimit", limit.resource];
    yield ["rlimit.soft", limit.soft];
    yield ["rlimit.hard", limit.hard];
  }
  yield ["oom.score", config.oomScoreAdj];
  yield ["no-new-privileges", flag(config.noNewPrivileges)];
}

function* seccompRecords(seccomp: SeccompFilter | null): Generator<LaunchRecord> {
  if (seccomp === null) return;
  yield ["seccomp", seccomp.path];
  yield ["seccomp.flags", seccomp.flags];
}

function* deviceRecords(devices: readonly DeviceNode[]): Generator<LaunchRecord> {
  for (const device of devices) {
    yield ["device", device.name];
    yield ["device.block", flag(device.isBlock)];
    yield ["device.major", device.major];
    yield ["device.minor", device.minor];
    yield ["device.mode", device.mode];
  }
}

function* cgroupRecords(plan: CgroupPlan): Generator<LaunchRecord> {
  for (const group of plan.groups) {
    yield ["cgroup", group.path];
    yield ["cgroup.unified", flag(group.isUnified)];
    for (const [file, text] of group.limits) yield ["cgroup.set", `${file}=${text}`];
    for (const rule of group.deviceRules ?? []) yield ["cgroup.device", rule];
  }
  yield ["oom.file", plan.outOfMemoryFile];
  for (const { name, path } of plan.visible) yield ["cgroup.visible", `${name}=${path}`];
}

function* networkRecords(config: ContainerConfig): Generator<LaunchRecord> {
  const { network } = config;
  if (network === null || network === "host") {
    yield ["net", network ?? "none"];
    return;
  }
  if ("container" in network) {
    yield ["net", "container"];
    return;
  }
  yield ["net", "bridge"];
  yield ["net.bridge", network.bridge];
  yield ["net.host-interface", network.hostInterface];
  yield ["net.mac", network.macAddress];
  yield ["net.address", network.address];
  yield ["net.gateway", network.gateway];
  yield ["net.mtu", network.mtu];
}

function flag(value: boolean): number {
  return value ? 1 : 0;
}
