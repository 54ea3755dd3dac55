import { signalNumber } from "./signals.js";
import { capabilityMask } from "./capabilities.js";
import type { CgroupPlan } from "./cgroup-plan.js";
import { ClusterError } from "../base/errors.js";
import type { ContainerConfig, ContainerMount } from "./container-runtime.js";
import type { ContainerPaths } from "./container-paths.js";
import { ETC_FILES } from "./etc-files.js";
import type { ProcessConfig } from "./process-config.js";
import { planRlimits } from "./rlimits.js";
import { planSysctls } from "./sysctls.js";

/** Docker's defaults: what shows or changes the machine is hidden or write-protected. Missing ones are skipped. */
const MASKED_PATHS = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READ_ONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const PROPAGATIONS = new Set(["", "rprivate", "private", "rslave", "slave"]);
/** The kernel's own limit for the options of mount(2) leaves room for this many; Docker's limit is lower. */
const LAYERS_MAX = 128;

export interface Launch {
  readonly config: ContainerConfig;
  readonly process: ProcessConfig;
  readonly paths: ContainerPaths;
  /** Folders, uppermost first. */
  readonly layers: readonly string[];
  readonly cgroups: CgroupPlan;
}

/** Throws `invalid_argument` for a setting that a launch would refuse: so that `create` says it, not `start`. */
export function validateLaunch(config: ContainerConfig, process: ProcessConfig, layers: readonly string[]): void {
  signalNumber(process.stopSignal);
  capabilityMask({ add: config.capabilityAdd, drop: config.capabilityDrop });
  planRlimits(config.ulimits);
  planSysctls(config.sysctls, config.network === "host");
  if (layers.length > LAYERS_MAX) throw new ClusterError("invalid_argument", `image ${config.image} has ${layers.length} layers, more than ${LAYERS_MAX}`);
  if (!process.workingDir.startsWith("/"))
    throw new ClusterError("invalid_argument", `the working directory '${process.workingDir}' is invalid, it needs to be an absolute path`);
  if (process.hostname.length > 64) throw new ClusterError("invalid_argument", `hostname ${process.hostname} is longer than 64 characters`);
  if (!(config.oomScoreAdj >= -1000 && config.oomScoreAdj <= 1000))
    throw new ClusterError("invalid_argument", `oom score adjustment ${config.oomScoreAdj} is not between -1000 and 1000`);
  for (const mount of config.mounts) validateMount(mount);
}

function validateMount(mount: ContainerMount): void {
  const refuse = (reason: string) => new ClusterError("invalid_argument", `invalid mount config for type "${mount.type}": ${reason}`);
  const target = normalise(mount.target);
  if (!mount.target.startsWith("/") || mount.target.includes("\0")) throw refuse(`invalid mount path: '${mount.target}' mount path must be absolute`);
  if (target === "/") throw refuse("invalid specification: destination can't be '/'");
  if (target === "/proc" || target.startsWith("/proc/")) throw refuse(`'${mount.target}' is inside /proc`);
  if (!PROPAGATIONS.has(mount.propagation)) throw refuse(`propagation ${mount.propagation} is not supported`);
  if (mount.type === "bind" && (!mount.source.startsWith("/") || mount.source.includes("\0"))) {
    throw refuse(`invalid mount path: '${mount.source}' mount path must be absolute`);
  }
}

/** The request that a spawner takes (native/shim/settings.h has the keys): its length, and NUL-terminated records `key=value`. */
export function encodeLaunch(launch: Launch): Buffer {
  const records = [...recordsOf(launch)].map(([key, value]) => `${key}=${value}\0`);
  const body = Buffer.from(records.join(""), "utf8");
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}

type LaunchRecord = readonly [key: string, value: string | number | bigint];

function* recordsOf({ config, process, paths, layers, cgroups }: Launch): Generator<LaunchRecord> {
  yield ["id", config.id];
  yield ["socket", paths.socket];
  yield ["folder", paths.folder];
  yield ["log.path", paths.log];
  yield ["log.size", config.log.sizeBytesMax];
  yield ["log.files", Math.max(config.log.filesMax, 1)];
  for (const arg of process.args) yield ["arg", arg];
  for (const entry of process.env) yield ["env", entry];
  yield ["cwd", process.workingDir];
  yield ["user", process.user];
  for (const group of config.groups) yield ["group", group];
  yield ["hostname", process.hostname];
  yield ["root", paths.root];
  yield ["upper", paths.upper];
  yield ["work", paths.work];
  for (const layer of layers) yield ["layer", layer];
  yield ["root.readonly", flag(config.isRootReadOnly)];
  yield* mountRecords(config, paths);
  for (const path of MASKED_PATHS) yield ["mask", path];
  for (const path of READ_ONLY_PATHS) yield ["readonly", path];
  yield* cgroupRecords(cgroups);
  for (const [name, value] of Object.entries(planSysctls(config.sysctls, config.network === "host"))) yield ["sysctl", `${name}=${value}`];
  for (const limit of planRlimits(config.ulimits)) {
    yield ["rlimit", limit.resource];
    yield ["rlimit.soft", limit.soft];
    yield ["rlimit.hard", limit.hard];
  }
  yield ["oom.score", config.oomScoreAdj];
  yield ["capabilities", capabilityMask({ add: config.capabilityAdd, drop: config.capabilityDrop })];
  yield ["no-new-privileges", flag(config.noNewPrivileges)];
  yield* networkRecords(config);
}

function* mountRecords(config: ContainerConfig, paths: ContainerPaths): Generator<LaunchRecord> {
  const taken = new Set(config.mounts.map((mount) => normalise(mount.target)));
  for (const name of ETC_FILES) {
    if (taken.has(`/etc/${name}`)) continue;
    yield ["mount", "bind"];
    yield ["mount.source", paths.etcFile(name)];
    yield ["mount.target", `/etc/${name}`];
    yield ["mount.readonly", flag(config.isRootReadOnly)];
  }
  // A mount below another one's target must come after it.
  const depth = (mount: ContainerMount) => normalise(mount.target).split("/").length;
  for (const mount of config.mounts.toSorted((a, b) => depth(a) - depth(b))) {
    yield ["mount", mount.type];
    yield ["mount.target", mount.target];
    yield ["mount.readonly", flag(mount.isReadOnly)];
    if (mount.type === "bind") {
      yield ["mount.source", mount.source];
      yield ["mount.propagation", mount.propagation];
    } else {
      const size = mount.sizeBytes > 0 ? `,size=${mount.sizeBytes}` : "";
      yield ["mount.data", `mode=${(mount.mode === 0 ? 0o1777 : mount.mode).toString(8)}${size}`];
    }
  }
}

function* cgroupRecords(plan: CgroupPlan): Generator<LaunchRecord> {
  for (const group of plan.groups) {
    yield ["cgroup", group.path];
    yield ["cgroup.unified", flag(group.isUnified)];
    for (const [file, text] of group.limits) yield ["cgroup.set", `${file}=${text}`];
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

/** Without `.`, `..`, doubled and trailing slashes. */
function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
