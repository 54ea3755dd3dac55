import { ClusterError } from "../base/errors.js";
import type { ContainerConfig } from "./container-config.js";
import { shortName } from "./container-paths.js";
import type { ContainerInfo } from "./container-runtime.js";

export type JoinedKind = "net" | "pid" | "ipc";

/** A container that runs, of which another one has a namespace. */
export interface JoinedContainer {
  readonly kind: JoinedKind;
  readonly pid: number;
  /** A text that its cgroups' paths have. */
  readonly group: string;
  readonly etcFile: (name: string) => string;
}

/** A container that may be joined, and its files of /etc. */
export interface Joinable {
  readonly info: ContainerInfo;
  readonly etcFile: (name: string) => string;
}

/** Whose namespaces it has in place of its own. */
export function joinsOf({ network, joins = {} }: Pick<ContainerConfig, "network" | "joins">): readonly { readonly kind: JoinedKind; readonly id: string }[] {
  const net = network !== null && network !== "host" && "container" in network ? network.container : undefined;
  const all = [
    ["net", net],
    ["pid", joins.pid],
    ["ipc", joins.ipc],
  ] as const;
  return all.flatMap(([kind, id]) => (id === undefined ? [] : [{ kind, id }]));
}

/** Those of `joinsOf`, as they run now. Throws `not_found` and `conflict` in Docker's words. */
export function joinedContainers(config: ContainerConfig, find: (id: string) => Joinable | undefined): readonly JoinedContainer[] {
  return joinsOf(config).map(({ kind, id }) => {
    const found = find(id);
    if (found === undefined) throw new ClusterError("not_found", `${MISSING[kind](id)}: No such container: ${id}`);
    if (found.info.state !== "running") throw new ClusterError("conflict", NOT_RUNNING[kind](id));
    if (kind === "ipc" && !isShareable(found.info.config)) {
      throw new ClusterError("conflict", `${MISSING.ipc(id)}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`);
    }
    return { kind, pid: found.info.pid, group: `/${shortName(id)}`, etcFile: found.etcFile };
  });
}

export function joinedAs(kind: JoinedKind, joined: readonly JoinedContainer[]): JoinedContainer | undefined {
  return joined.find((container) => container.kind === kind);
}

const MISSING: Readonly<Record<JoinedKind, (id: string) => string>> = {
  net: () => "joining network namespace of container",
  pid: () => "joining PID namespace of container",
  ipc: (id) => `can't join IPC of container ${id}`,
};

const NOT_RUNNING: Readonly<Record<JoinedKind, (id: string) => string>> = {
  net: (id) => `cannot join network of a non running container: ${id}`,
  pid: (id) => `cannot join PID of a non running container: ${id}`,
  ipc: (id) => `${MISSING.ipc(id)}: container ${id} is not running`,
};

/** Where the host's own or another one's is, that is anybody's to join already. */
function isShareable({ ipc, joins, hostNamespaces = [] }: ContainerConfig): boolean {
  return ipc === "shareable" || joins?.ipc !== undefined || hostNamespaces.includes("ipc");
}
