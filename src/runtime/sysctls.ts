import { ClusterError } from "../base/errors.js";
import type { ContainerConfig, HostNamespace } from "./container-config.js";

/** The kernel keeps these per IPC namespace; every other `kernel.` setting is the whole machine's. */
const OF_IPC_NAMESPACE = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/** As Docker: a container's programs may bind low ports and ping without being root. */
const LOW_PORTS = { "net.ipv4.ip_unprivileged_port_start": "0" };
const NETWORK_DEFAULTS: Readonly<Record<string, string>> = {
  ...LOW_PORTS,
  "net.ipv4.ping_group_range": "0 2147483647",
};

/** Where the settings go. */
export interface SysctlPlace {
  readonly isHostNetwork: boolean;
  readonly isHostIpc: boolean;
  /** In a user namespace, where most groups of that range do not exist. */
  readonly isRemapped: boolean;
}

/** What to write below /proc/sys, after checking that it cannot change the host. Throws `invalid_argument`. */
export function planSysctls(wanted: Readonly<Record<string, string>>, { isHostNetwork, isHostIpc, isRemapped }: SysctlPlace): Readonly<Record<string, string>> {
  for (const name of Object.keys(wanted)) {
    if (!/^[a-z]+([./][A-Za-z0-9_-]+)+$/.test(name)) throw new ClusterError("invalid_argument", `sysctl "${name}" is not a setting's name`);
    const dotted = name.replaceAll("/", ".");
    const isOfNetwork = dotted.startsWith("net.");
    if (isOfNetwork && isHostNetwork) throw new ClusterError("invalid_argument", `sysctl "${name}" not allowed in host network namespace`);
    const isOfIpc = dotted.startsWith("fs.mqueue.") || OF_IPC_NAMESPACE.has(dotted);
    if (isOfIpc && isHostIpc) throw new ClusterError("invalid_argument", `sysctl "${name}" not allowed in host ipc namespace`);
    if (!isOfNetwork && !isOfIpc) {
      throw new ClusterError("invalid_argument", `sysctl "${name}" is not in a separate kernel namespace`);
    }
  }
  return isHostNetwork ? wanted : { ...(isRemapped ? LOW_PORTS : NETWORK_DEFAULTS), ...wanted };
}

/** A stack that is not the container's own is not its to set. */
function sharesNetwork({ network }: Pick<ContainerConfig, "network">): boolean {
  return network === "host" || (network !== null && "container" in network);
}

/** Of the host's namespaces. */
export function isInHosts({ hostNamespaces = [] }: Pick<ContainerConfig, "hostNamespaces">, name: HostNamespace): boolean {
  return hostNamespaces.includes(name);
}

export function sysctlPlaceOf(config: Pick<ContainerConfig, "network" | "hostNamespaces" | "joins">, isRemapped: boolean): SysctlPlace {
  return { isHostNetwork: sharesNetwork(config), isHostIpc: isInHosts(config, "ipc") || config.joins?.ipc !== undefined, isRemapped };
}
