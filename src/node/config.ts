import { readFileSync } from "node:fs";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import { LOG_LEVELS, type LogLevel } from "../base/log.js";
import { socketPathFault } from "../base/socket-path.js";
import { assertRoomForSockets } from "../runtime/container-paths.js";
import { type OciRuntime, type OciRuntimes, OWN_RUNTIME } from "../runtime/oci/oci-runtimes.js";
import { DEFAULT_PERIOD_US, type RealtimeTime } from "../runtime/realtime-budget.js";
import { type LogConfig, planLog } from "../runtime/logs/log-plan.js";
import { assertRegistrySettings, type RegistrySettings } from "../runtime/images/registry/endpoints.js";

/** What the operator asked for. Every path is absolute. */
export interface DaemonConfig {
  /** Everything that must survive a reboot. */
  readonly dataRoot: string;
  /** Sockets and process state; may be lost with a reboot. */
  readonly execRoot: string;
  /** `unix:///path` or `tcp://ip:port`. */
  readonly hosts: readonly string[];
  /** Engine labels, `key=value`. */
  readonly labels: readonly string[];
  readonly logLevel: LogLevel;
  /** Folder of the daemon's cgroups under each hierarchy; empty derives it from the data root. */
  readonly cgroupParent: string;
  /** Real-time processor time of all containers together; null leaves their groups as they are. */
  readonly realtime: RealtimeTime | null;
  /** Subnet of the default bridge, CIDR. */
  readonly bridgeSubnet: string;
  readonly registries: RegistrySettings;
  readonly runtimes: OciRuntimes;
  /** Whose subordinate identifiers containers get: `default`, USER or USER:GROUP; empty leaves them in the host's user namespace. */
  readonly usernsRemap: string;
  /** Driver and options of containers that name none. */
  readonly log: LogConfig;
  /** Needed by TCP hosts: clients without a certificate of this authority are refused. */
  readonly tls: { readonly ca: string; readonly certificate: string; readonly key: string } | null;
}

/** The same settings as they are written: in flags, and (with dashes, as here) in the file. */
export interface DaemonSettings {
  readonly "data-root"?: string;
  readonly "exec-root"?: string;
  readonly hosts?: readonly string[];
  readonly labels?: readonly string[];
  readonly "log-level"?: string;
  readonly "cgroup-parent"?: string;
  readonly "cpu-rt-runtime"?: number;
  readonly "cpu-rt-period"?: number;
  readonly "bridge-subnet"?: string;
  readonly "userns-remap"?: string;
  readonly "registry-mirrors"?: readonly string[];
  readonly "insecure-registries"?: readonly string[];
  /** By name. */
  readonly runtimes?: Readonly<Record<string, { readonly path: string; readonly runtimeArgs?: readonly string[] }>>;
  readonly "default-runtime"?: string;
  readonly "registry-certificates"?: string;
  readonly "log-driver"?: string;
  readonly "log-opts"?: Readonly<Record<string, string>>;
  readonly tlscacert?: string;
  readonly tlscert?: string;
  readonly tlskey?: string;
}

/** This host, the loopback, multicast and what is reserved (RFC 6890). */
const NO_HOSTS = /^(0|127|22[4-9]|2[3-5]\d)\./;

export const DEFAULT_CONFIG_FILE = "/etc/swarmd/daemon.json";

const LISTS: readonly string[] = ["hosts", "labels", "registry-mirrors", "insecure-registries"];
const MAPS: readonly string[] = ["log-opts"];
const NUMBERS: readonly string[] = ["cpu-rt-runtime", "cpu-rt-period"];
/** Keys of the settings file. */
export const SETTINGS: readonly string[] = [
  "data-root",
  "exec-root",
  "log-level",
  "log-driver",
  "cgroup-parent",
  "bridge-subnet",
  "tlscacert",
  "tlscert",
  "tlskey",
  "default-runtime",
  "runtimes",
  "userns-remap",
  "registry-certificates",
  ...LISTS,
  ...MAPS,
  ...NUMBERS,
];

/**
 * Reads the settings file. A file that does not exist is empty unless it was asked for by name. Throws ClusterError `invalid_argument`
 * that names the file and the key.
 */
export function readSettings(path: string, isRequired: boolean): DaemonSettings {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT" && !isRequired) return {};
    throw new ClusterError("invalid_argument", `cannot read the configuration file ${path}: ${messageOf(cause)}`, { cause });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new ClusterError("invalid_argument", `${path} is not JSON: ${messageOf(cause)}`, { cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new ClusterError("invalid_argument", `${path} is not a JSON object`);
  for (const [key, value] of Object.entries(parsed)) {
    if (!SETTINGS.includes(key)) throw new ClusterError("invalid_argument", `unknown key "${key}" in ${path}`);
    if (key === "runtimes") {
      assertRuntimes(value, path);
      continue;
    }
    const [isIt, kind] = kindOf(key, value);
    if (!isIt) throw new ClusterError("invalid_argument", `"${key}" in ${path} is not a ${kind}`);
  }
  return parsed;
}

function kindOf(key: string, value: unknown): readonly [isIt: boolean, kind: string] {
  if (LISTS.includes(key)) return [isList(value), "list of strings"];
  if (MAPS.includes(key)) return [isMap(value), "map of strings"];
  if (NUMBERS.includes(key)) return [typeof value === "number", "number"];
  return [typeof value === "string", "string"];
}

function isList(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && isList(Object.values(value));
}

/** Flags over file over defaults, validated. Throws ClusterError `invalid_argument` with the value. */
export function resolveConfig(flags: DaemonSettings, file: DaemonSettings): DaemonConfig {
  const settings = { ...file, ...flags, runtimes: { ...file.runtimes, ...flags.runtimes } };
  const logLevel = LOG_LEVELS.find((level) => level === (settings["log-level"] ?? "info"));
  if (logLevel === undefined) throw new ClusterError("invalid_argument", `log level "${settings["log-level"]}" is not one of ${LOG_LEVELS.join(", ")}`);
  const hosts = settings.hosts ?? ["unix:///run/swarmd.sock"];
  if (hosts.length === 0) throw new ClusterError("invalid_argument", "hosts is an empty list: nobody could talk to the daemon");
  for (const host of hosts) {
    if (!/^unix:\/\/\/.+$/.test(host) && !/^tcp:\/\/(\[[0-9a-f:]+\]|[^:/]+):\d+$/i.test(host)) {
      throw new ClusterError("invalid_argument", `host "${host}" is neither unix:///path nor tcp://ip:port`);
    }
    const fault = host.startsWith("unix://") ? socketPathFault(host.slice("unix://".length)) : undefined;
    if (fault !== undefined) throw new ClusterError("invalid_argument", `host "${host}" ${fault}`);
  }
  const tls = tlsOf(settings);
  if (tls === null && hosts.some((host) => host.startsWith("tcp:"))) {
    throw new ClusterError("invalid_argument", "a tcp host needs tlscacert, tlscert and tlskey: the API gives full control of this machine");
  }
  const execRoot = absolute("exec-root", settings["exec-root"] ?? "/run/swarmd");
  assertRoomForSockets(execRoot);
  for (const label of settings.labels ?? []) if (!label.includes("=")) throw new ClusterError("invalid_argument", `label "${label}" is not key=value`);
  const registries = {
    mirrors: settings["registry-mirrors"] ?? [],
    insecure: settings["insecure-registries"] ?? [],
    certificates: absolute("registry-certificates", settings["registry-certificates"] ?? "/etc/swarmd/certs.d"),
  };
  assertRegistrySettings(registries);
  return {
    dataRoot: absolute("data-root", settings["data-root"] ?? "/var/lib/swarmd"),
    execRoot,
    hosts,
    labels: settings.labels ?? [],
    logLevel,
    cgroupParent: cgroupParentOf(settings),
    realtime: realtimeOf(settings),
    bridgeSubnet: bridgeSubnetOf(settings),
    registries,
    runtimes: runtimesOf(settings),
    usernsRemap: settings["userns-remap"] ?? "",
    log: logOf(settings),
    tls,
  };
}

function cgroupParentOf({ "cgroup-parent": folder = "" }: DaemonSettings): string {
  // Names of a path that would lead out of the cgroups.
  if (folder.split("/").includes("..")) throw new ClusterError("invalid_argument", `cgroup-parent "${folder}" must not have ".." in it`);
  return folder.replace(/^\/+|\/+$/g, "");
}

/** Whoever makes the bridge looks at its form. */
function bridgeSubnetOf({ "bridge-subnet": subnet = "172.30.0.0/16" }: DaemonSettings): string {
  if (NO_HOSTS.test(subnet)) throw new ClusterError("invalid_argument", `bridge-subnet "${subnet}" has no addresses that hosts may have`);
  return subnet;
}

/** Docker's two settings; 0 is none. */
function realtimeOf({ "cpu-rt-runtime": runtimeUs = 0, "cpu-rt-period": asked = 0 }: DaemonSettings): RealtimeTime | null {
  for (const [name, value] of Object.entries({ "cpu-rt-runtime": runtimeUs, "cpu-rt-period": asked })) {
    if (!Number.isSafeInteger(value) || value < 0) throw new ClusterError("invalid_argument", `${name} "${value}" is not a number of microseconds`);
  }
  const periodUs = asked || DEFAULT_PERIOD_US;
  if (runtimeUs > periodUs) throw new ClusterError("invalid_argument", `cpu-rt-runtime ${runtimeUs} is more than its period, ${periodUs} microseconds`);
  return runtimeUs === 0 && asked === 0 ? null : { runtimeUs, periodUs };
}

/** Docker's form: an object with `path` and perhaps `runtimeArgs` by name. Throws ClusterError `invalid_argument` that names the entry. */
function assertRuntimes(value: unknown, file: string): void {
  const refuse = (what: string) => new ClusterError("invalid_argument", `"runtimes" in ${file} ${what}`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refuse("is not an object");
  for (const [name, runtime] of Object.entries(value) as [string, unknown][]) {
    const isObject = typeof runtime === "object" && runtime !== null && "path" in runtime && typeof runtime.path === "string";
    if (!isObject) throw refuse(`has no "path" for "${name}"`);
    const unknown = Object.keys(runtime).find((key) => key !== "path" && key !== "runtimeArgs");
    if (unknown !== undefined) throw refuse(`has an unknown key "${unknown}" for "${name}"`);
    const args: unknown = "runtimeArgs" in runtime ? runtime.runtimeArgs : [];
    if (!Array.isArray(args) || !args.every((arg) => typeof arg === "string")) throw refuse(`has "runtimeArgs" for "${name}" that are no list of strings`);
  }
}

function runtimesOf(settings: DaemonSettings): OciRuntimes {
  const byName: Record<string, OciRuntime> = {};
  for (const [name, { path, runtimeArgs = [] }] of Object.entries(settings.runtimes ?? {})) {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) throw new ClusterError("invalid_argument", `"${name}" is not a runtime's name`);
    if (name === OWN_RUNTIME) throw new ClusterError("invalid_argument", `the name ${OWN_RUNTIME} is of the daemon's own runtime`);
    if (path.includes("/") && !path.startsWith("/")) throw new ClusterError("invalid_argument", `runtime ${name}: "${path}" is not an absolute path`);
    byName[name] = { path, args: runtimeArgs };
  }
  const defaultName = settings["default-runtime"] ?? OWN_RUNTIME;
  if (defaultName !== OWN_RUNTIME && !Object.hasOwn(byName, defaultName)) {
    throw new ClusterError("invalid_argument", `default-runtime "${defaultName}" is not one of ${[OWN_RUNTIME, ...Object.keys(byName)].join(", ")}`);
  }
  return { byName, defaultName };
}

/** Throws what a container with these would be refused for. */
function logOf(settings: DaemonSettings): LogConfig {
  const log = { driver: settings["log-driver"] || "json-file", options: settings["log-opts"] ?? {} };
  planLog(log, { id: "", name: "", imageId: "", imageName: "", args: [], labels: {}, env: [] });
  return log;
}

function tlsOf(settings: DaemonSettings): DaemonConfig["tls"] {
  const { tlscacert, tlscert, tlskey } = settings;
  if (tlscacert === undefined && tlscert === undefined && tlskey === undefined) return null;
  if (tlscacert === undefined || tlscert === undefined || tlskey === undefined) {
    throw new ClusterError("invalid_argument", "tlscacert, tlscert and tlskey belong together");
  }
  return { ca: absolute("tlscacert", tlscacert), certificate: absolute("tlscert", tlscert), key: absolute("tlskey", tlskey) };
}

function absolute(name: string, path: string): string {
  if (!path.startsWith("/")) throw new ClusterError("invalid_argument", `${name} "${path}" is not an absolute path`);
  return path;
}
