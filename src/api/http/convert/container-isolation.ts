import type { HostNamespace, SeccompChoice } from "../../../runtime/container-config.js";
import { badRequest, notSupported } from "../errors.js";
import type { Fields } from "./fields.js";

/** What each of them may say. */
const NAMESPACES: Readonly<Record<string, readonly string[]>> = {
  PidMode: ["", "private", "host"],
  IpcMode: ["", "private", "shareable", "host"],
  UTSMode: ["", "host"],
  UsernsMode: ["", "host"],
  CgroupnsMode: ["", "private"],
  CgroupParent: [""],
};

/** What separates a container from its host, and what it may do there. Throws 501 for namespaces that it would share. */
export function isolationFromDocker(host: Fields, isRemapped: boolean) {
  const { usesHostUsers, hostNamespaces } = namespacesFromDocker(host, isRemapped);
  const devices = host.children("Devices", (device) => {
    const source = device.string("PathOnHost");
    const made = { source, target: device.string("PathInContainer") || source, permissions: device.string("CgroupPermissions") || "rwm" };
    device.end();
    return made;
  });
  const ulimits = host.children("Ulimits", (ulimit) => {
    const made = { name: ulimit.string("Name"), soft: Number(ulimit.integer("Soft")), hard: Number(ulimit.integer("Hard")) };
    ulimit.end();
    return made;
  });
  return {
    devices,
    ulimits,
    groups: host.strings("GroupAdd"),
    isRootReadOnly: host.boolean("ReadonlyRootfs"),
    capabilityAdd: host.strings("CapAdd"),
    capabilityDrop: host.strings("CapDrop"),
    isPrivileged: host.boolean("Privileged"),
    sysctls: host.record("Sysctls"),
    oomScoreAdj: Number(host.integer("OomScoreAdj")),
    hasInit: host.boolean("Init"),
    runtime: host.string("Runtime"),
    usesHostUsers,
    hostNamespaces,
    sharedMemoryBytes: host.count("ShmSize"),
  };
}

/** Filters and labels that SecurityOpt asks for. Throws 501 for those that are not built. */
export function securityFromDocker(host: Fields): { readonly noNewPrivileges: boolean; readonly seccomp: SeccompChoice } {
  let noNewPrivileges = false;
  let seccomp: SeccompChoice = "default";
  for (const option of host.strings("SecurityOpt")) {
    const [, name = option, value = ""] = /^([a-z-]+)[=:]([\s\S]*)$/.exec(option) ?? [];
    if (name === "no-new-privileges" && ["", "true", "false"].includes(value)) noNewPrivileges = value !== "false";
    else if (name === "seccomp") seccomp = value === "unconfined" ? "unconfined" : value === "builtin" ? "default" : { profile: value };
    else if (!((name === "apparmor" && value === "unconfined") || (name === "label" && value === "disable"))) {
      throw notSupported(`the security option "${option.slice(0, 80)}" is not supported yet`);
    }
  }
  return { noNewPrivileges, seccomp };
}

const HOST_NAMESPACES: readonly (readonly [mode: string, namespace: HostNamespace])[] = [
  ["PidMode", "pid"],
  ["IpcMode", "ipc"],
  ["UTSMode", "uts"],
];

/** Those of the host's that it is in. */
function namespacesFromDocker(host: Fields, isRemapped: boolean): { readonly usesHostUsers: boolean; readonly hostNamespaces: readonly HostNamespace[] } {
  const modes = Object.keys(NAMESPACES).map((name) => [name, host.string(name)] as const);
  const isOfHost = (name: string) => modes.some(([mode, value]) => mode === name && value === "host");
  if (isRemapped && !isOfHost("UsernsMode")) {
    // In Docker's words, of which it has none for the second.
    if (isOfHost("PidMode")) throw badRequest("cannot share the host PID namespace when user namespaces are enabled");
    if (isOfHost("IpcMode")) throw badRequest("cannot share the host's IPC namespace when user namespaces are enabled");
  }
  for (const [name, value] of modes) {
    if (!NAMESPACES[name]?.includes(value)) throw notSupported(`HostConfig.${name} "${value}" is not supported yet`);
  }
  return { usesHostUsers: isOfHost("UsernsMode"), hostNamespaces: HOST_NAMESPACES.filter(([mode]) => isOfHost(mode)).map(([, namespace]) => namespace) };
}
