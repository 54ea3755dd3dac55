import type { ContainerConfig, HostNamespace } from "../../../runtime/container-config.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import { badRequest, notSupported } from "../errors.js";
import type { Fields } from "./fields.js";

/** What each of them may say, beside another container's name. */
const MODES: Readonly<Record<string, readonly string[]>> = {
  PidMode: ["", "private", "host"],
  IpcMode: ["", "private", "shareable", "none", "host"],
  UTSMode: ["", "host"],
  UsernsMode: ["", "host"],
  CgroupnsMode: ["", "private", "host"],
  CgroupParent: [""],
};

const NAMESPACES: readonly (readonly [mode: string, namespace: HostNamespace])[] = [
  ["PidMode", "pid"],
  ["IpcMode", "ipc"],
  ["UTSMode", "uts"],
  ["CgroupnsMode", "cgroup"],
];

/** Why containers that are remapped cannot: in Docker's words, of which it has none but for the first. */
const NOT_REMAPPED: Readonly<Record<string, string>> = {
  PidMode: "cannot share the host PID namespace when user namespaces are enabled",
  IpcMode: "cannot share the host's IPC namespace when user namespaces are enabled",
  CgroupnsMode: "cannot share the host's cgroup namespace when user namespaces are enabled",
};

export interface NamespaceContext {
  /** Containers that do not ask for the host's user namespace get their own. */
  readonly isRemapped: boolean;
  /** By what a person calls it; throws 404. */
  readonly findContainer: (reference: string) => Pick<ContainerInfo, "config">;
}

/** Which namespaces are the host's, or another container's. Throws 400 for what cannot be, and 501 for what is not built. */
export function namespacesFromDocker(
  host: Fields,
  { isRemapped, findContainer }: NamespaceContext,
): Pick<ContainerConfig, "usesHostUsers" | "hostNamespaces" | "joins" | "ipc"> & { readonly hostNamespaces: readonly HostNamespace[] } {
  const modes = new Map(Object.keys(MODES).map((name) => [name, host.string(name)]));
  const usesHostUsers = modes.get("UsernsMode") === "host";
  const joined = (name: string) => {
    const reference = /^container:(.+)$/.exec(modes.get(name) ?? "")?.[1];
    return reference === undefined ? undefined : findContainer(reference).config.id;
  };
  const [pid, ipc] = [joined("PidMode"), joined("IpcMode")];
  for (const [name, mode] of modes) {
    const isJoin = (name === "PidMode" && pid !== undefined) || (name === "IpcMode" && ipc !== undefined);
    if (!isJoin && MODES[name]?.includes(mode) !== true) throw notSupported(`HostConfig.${name} "${mode}" is not supported yet`);
    const reason = NOT_REMAPPED[name];
    if (mode === "host" && isRemapped && !usesHostUsers && reason !== undefined) throw badRequest(reason);
  }
  const ipcMode = modes.get("IpcMode");
  return {
    usesHostUsers,
    hostNamespaces: NAMESPACES.filter(([mode]) => modes.get(mode) === "host").map(([, namespace]) => namespace),
    ...(pid === undefined && ipc === undefined ? {} : { joins: { ...(pid === undefined ? {} : { pid }), ...(ipc === undefined ? {} : { ipc }) } }),
    ...(ipcMode === "shareable" || ipcMode === "none" ? { ipc: ipcMode } : {}),
  };
}
