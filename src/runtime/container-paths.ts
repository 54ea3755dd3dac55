import { join } from "node:path";
import { ClusterError } from "../base/errors.js";
import { socketPathFault } from "../base/socket-path.js";

/** Characters of an id in a socket's name and a cgroup's: 128 of its 256 random bits. */
const SHORT_ID_LENGTH = 32;

/** Where everything of one container is. */
export interface ContainerPaths {
  /** DATA_ROOT/containers/ID; all below is gone with it. */
  readonly folder: string;
  readonly record: string;
  /** Mount point of every container's root file system, inside its own mount namespace only: always empty on the host. Made by whoever mounts there first. */
  readonly root: string;
  readonly upper: string;
  readonly work: string;
  readonly log: string;
  /** Written by the shim at the end. */
  readonly exit: string;
  /** There from the start on until `exit` is. */
  readonly exitReserved: string;
  /** There while it is frozen for a moment only. */
  readonly briefPause: string;
  readonly socket: string;
  etcFile(name: string): string;
}

/** A folder for each container is in it. */
export function containersFolder(dataRoot: string): string {
  return join(dataRoot, "containers");
}

/** The layer above every image (mount-points.ts). */
export function mountPointsFolder(dataRoot: string): string {
  return join(dataRoot, "mount-points");
}

/** Sockets of all shims: of containers, and of programs that joined one. */
export function socketsFolder(execRoot: string): string {
  return join(execRoot, "shims");
}

/** Socket of a shim whose program joined a container. Throws as containerPaths. */
export function execSocket(execRoot: string, id: string): string {
  return checkedSocket(execRoot, `${EXEC_PREFIX}${shortName(id)}.sock`);
}

/** Throws `invalid_argument` when no container could be started with this exec root. */
export function assertRoomForSockets(execRoot: string): void {
  execSocket(execRoot, "0".repeat(SHORT_ID_LENGTH));
}

/** Begins the names of sockets that are no container's: one of a container begins with a hexadecimal digit. */
export const EXEC_PREFIX = "x";

function checkedSocket(execRoot: string, name: string): string {
  const socket = join(socketsFolder(execRoot), name);
  if (socketPathFault(socket) !== undefined) throw new ClusterError("invalid_argument", `exec root ${execRoot} is too long for unix sockets below it`);
  return socket;
}

/** Throws `invalid_argument` when the exec root is too deep for a socket. */
export function containerPaths(roots: { readonly dataRoot: string; readonly execRoot: string }, id: string): ContainerPaths {
  const folder = join(containersFolder(roots.dataRoot), id);
  const socket = checkedSocket(roots.execRoot, `${shortName(id)}.sock`);
  return {
    folder,
    record: join(folder, "record.json"),
    root: join(roots.dataRoot, "root"),
    upper: join(folder, "upper"),
    work: join(folder, "work"),
    log: join(folder, `${id}-json.log`),
    exit: join(folder, "exit"),
    exitReserved: join(folder, "exit.new"),
    briefPause: join(folder, "brief-pause"),
    socket,
    etcFile: (name) => join(folder, name),
  };
}

/** The id as it is in names of sockets and cgroups. */
export function shortName(id: string): string {
  return id.slice(0, SHORT_ID_LENGTH);
}
