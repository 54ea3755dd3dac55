import { join } from "node:path";
import { ClusterError } from "../../base/errors.js";
import { capabilitiesOf, capabilityNames } from "../capabilities.js";
import type { ContainerConfig } from "../container-config.js";
import type { ExecLaunch, Launch } from "../launch.js";
import type { OciParts } from "../launch-request.js";
import { ociMounts } from "./oci-mounts.js";
import { planRlimits, rlimitName } from "../rlimits.js";

const SPECIFICATION = "1.0.2";

/** What Docker allows to be opened beside what a runtime allows by itself, in the runtime's own words: everything, and all of it again only when asked. */
const NO_DEVICES = { allow: false, access: "rwm" };

/**
 * config.json (OCI runtime specification 1.0) of a container under another runtime: the same container that our own shim would make. The user is not in it: only
 * the shim can look names up in the container's root.
 */
export function ociConfig(launch: Launch, parts: OciParts): string {
  const { config, paths, cgroups, maps } = launch;
  const isPrepared = maps !== null;
  const nodes = isPrepared ? [] : launch.devices;
  return toJson({
    ociVersion: SPECIFICATION,
    process: processOf({ ...launch.process, config, capabilities: capabilitiesOf(config), isTerminal: config.terminal.isTerminal, size: null }),
    root: { path: isPrepared ? join(paths.root, "root") : paths.root, readonly: config.isRootReadOnly },
    ...namesOf(launch),
    mounts: [
      ...ociMounts(parts.mountRecords, {
        isPrivileged: config.isPrivileged,
        sharedMemoryBytes: parts.sharedMemoryBytes,
        visible: cgroups.visible,
        isInHostIpc: config.hostNamespaces?.includes("ipc") ?? false,
        prepared: isPrepared ? paths.root : null,
        bundle: parts.bundle,
      }),
      ...(isPrepared ? launch.devices.map(({ name }) => preparedDevice(paths.root, name)) : []),
    ],
    linux: {
      namespaces: namespacesOf(launch),
      ...(maps === null ? {} : { uidMappings: mappingsOf(maps.users), gidMappings: mappingsOf(maps.groups) }),
      cgroupsPath: `/${cgroups.group}`,
      resources: { devices: deviceRules(launch) },
      devices: nodes.map((device) => ({
        path: `/dev/${device.name}`,
        type: device.isBlock ? "b" : "c",
        major: device.major,
        minor: device.minor,
        fileMode: device.mode,
        uid: 0,
        gid: 0,
      })),
      sysctl: parts.sysctls,
      maskedPaths: parts.maskedPaths,
      readonlyPaths: parts.readOnlyPaths,
      ...(parts.seccomp === null ? {} : { seccomp: parts.seccomp }),
    },
  });
}

/** process.json of a program that joins a container, likewise. */
export function ociProcess(launch: ExecLaunch): string {
  return toJson(processOf(launch));
}

interface Process extends Pick<ExecLaunch, "args" | "env" | "workingDir" | "capabilities" | "config" | "isTerminal" | "size"> {}

function processOf({ args, env, workingDir, capabilities, config, isTerminal, size }: Process): object {
  const names = capabilityNames(capabilities);
  return {
    terminal: isTerminal,
    ...(size === null ? {} : { consoleSize: { height: size.rows, width: size.columns } }),
    args,
    env,
    cwd: workingDir,
    capabilities: { bounding: names, effective: names, permitted: names },
    rlimits: planRlimits(config.ulimits).map(({ resource, soft, hard }) => ({ type: rlimitName(resource), soft, hard })),
    noNewPrivileges: config.noNewPrivileges,
    oomScoreAdj: config.oomScoreAdj,
  };
}

/** The host's own are nobody's to set. */
function namesOf({ config, process }: Launch): object {
  if (config.hostNamespaces?.includes("uts")) return {};
  return { hostname: process.hostname, ...(config.domainname === "" ? {} : { domainname: config.domainname }) };
}

function namespacesOf({ config, joined, maps }: Launch): readonly object[] {
  const isOfHost = (type: string) => config.hostNamespaces?.some((name) => name === type) ?? false;
  const sharers = new Map<string, number>(joined.map(({ kind, pid }) => [kind, pid]));
  const [first] = joined;
  if (first !== undefined) sharers.set("user", first.pid);
  const namespace = (type: string, name = type) => (sharers.has(name) ? { type, path: `/proc/${sharers.get(name)}/ns/${name}` } : { type });
  const own = ["pid", "mount", "ipc", "uts", "cgroup"].filter((type) => !isOfHost(type)).map((type) => namespace(type));
  return [...own, ...(config.network === "host" ? [] : [namespace("network", "net")]), ...(maps === null ? [] : [namespace("user")])];
}

/** Lines `INSIDE OUTSIDE COUNT`. */
function mappingsOf(map: string): readonly object[] {
  const lines = map
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number));
  return lines.map(([containerID, hostID, size]) => ({ containerID, hostID, size }));
}

/** In a user namespace a runtime can make no node, and would bind the host's of the same name. */
function preparedDevice(folder: string, name: string): object {
  return { destination: `/dev/${name}`, type: "bind", source: join(folder, "dev", name), options: ["bind"] };
}

function deviceRules({ config, devices }: Pick<Launch, "devices"> & { readonly config: ContainerConfig }): readonly object[] {
  if (config.isPrivileged) return [{ allow: true, access: "rwm" }];
  const asked = devices.map((device, index) => ({
    allow: true,
    type: device.isBlock ? "b" : "c",
    major: device.major,
    minor: device.minor,
    access: config.devices[index]?.permissions ?? "rwm",
  }));
  return [NO_DEVICES, ...asked];
}

/** With numbers of 64 bits as they are: JSON.stringify knows no bigint. */
function toJson(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${toJson(member)}`).join(",")}}`;
  }
  const text = JSON.stringify(value);
  if (text === undefined) throw new ClusterError("internal", `a bundle's configuration cannot hold a ${typeof value}`);
  return text;
}
