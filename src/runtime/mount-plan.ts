import { ClusterError } from "../base/errors.js";
import type { ContainerConfig, ContainerMount } from "./container-config.js";
import { ETC_FILES } from "./etc-files.js";
import type { LaunchRecord } from "./shim/launch-record.js";

const SHARED_MEMORY = "/dev/shm";
const PROPAGATIONS = new Set(["", "rprivate", "private", "rslave", "slave", "rshared", "shared"]);
/** What a tmpfs has unless its options say otherwise, and the word that does (mount(2)). */
const TMPFS_FLAGS: Readonly<Record<string, number>> = { suid: 2, dev: 4, exec: 8 };
const TMPFS_OPTION = /^(?:(?:no)?(?:suid|dev|exec)|(?:uid|gid|nr_inodes|nr_blocks)=\d+[kmg]?)$/;

/** Throws ClusterError `invalid_argument`. */
export function validateMount(mount: ContainerMount): void {
  const refuse = (reason: string) => new ClusterError("invalid_argument", `invalid mount config for type "${mount.type}": ${reason}`);
  const target = normalisePath(mount.target);
  if (!mount.target.startsWith("/") || mount.target.includes("\0")) throw refuse(`invalid mount path: '${mount.target}' mount path must be absolute`);
  if (target === "/") throw refuse("invalid specification: destination can't be '/'");
  if (target === "/proc" || target.startsWith("/proc/")) throw refuse(`'${mount.target}' is inside /proc`);
  if (!PROPAGATIONS.has(mount.propagation)) throw refuse(`propagation ${mount.propagation} is not supported`);
  if (mount.type === "bind" && (!mount.source.startsWith("/") || mount.source.includes("\0"))) {
    throw refuse(`invalid mount path: '${mount.source}' mount path must be absolute`);
  }
  const { subpath = "" } = mount.volume ?? {};
  if (subpath.startsWith("/") || subpath.includes("\0") || subpath.split("/").includes("..")) {
    throw refuse(`the subpath '${subpath}' of a volume must be a relative path without '..'`);
  }
  const odd = mount.options?.find((option) => !TMPFS_OPTION.test(option));
  if (odd !== undefined) throw refuse(`invalid tmpfs option '${odd}'`);
}

/** The mounts of a container and, where none of them is, an anonymous volume for each VOLUME of its image. */
export function withImageVolumes(mounts: readonly ContainerMount[], paths: readonly string[]): readonly ContainerMount[] {
  const taken = new Set(mounts.map((mount) => normalisePath(mount.target)));
  const free = [...new Set(paths.map(normalisePath))].filter((path) => !taken.has(path));
  return [...mounts, ...free.map(anonymousMount)];
}

/** What `-v /path` asks for. */
export function anonymousMount(target: string): ContainerMount {
  const volume = { name: "", isAnonymous: true, isCopied: true, subpath: "", driver: "", options: {}, labels: {} };
  return { type: "volume", source: "", target, isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0, volume };
}

/** `isOwn` says that the container's own owners are in it, not the host's, where these differ. */
export function* bindRecords(source: string, target: string, { isReadOnly, isOwn }: { isReadOnly: boolean; isOwn: boolean }): Generator<LaunchRecord> {
  yield ["mount", "bind"];
  yield ["mount.source", source];
  yield ["mount.target", target];
  yield ["mount.readonly", flag(isReadOnly)];
  yield ["mount.own", flag(isOwn)];
}

/** What the shim is asked to mount, in this order. Memory that it shares is another container's /dev/shm. */
export function* mountRecords(config: ContainerConfig, etcFile: (name: string) => string, sharesMemory = false): Generator<LaunchRecord> {
  if (sharesMemory) {
    yield* bindRecords(SHARED_MEMORY, SHARED_MEMORY, { isReadOnly: false, isOwn: false });
    yield ["mount.shared", 1];
  }
  const taken = new Set(config.mounts.map((mount) => normalisePath(mount.target)));
  for (const name of ETC_FILES) {
    if (taken.has(`/etc/${name}`)) continue;
    yield* bindRecords(etcFile(name), `/etc/${name}`, { isReadOnly: config.isRootReadOnly, isOwn: true });
  }
  // A mount below another one's target must come after it.
  const depth = (mount: ContainerMount) => normalisePath(mount.target).split("/").length;
  for (const mount of config.mounts.toSorted((a, b) => depth(a) - depth(b))) {
    yield ["mount", mount.type === "tmpfs" ? "tmpfs" : "bind"];
    yield ["mount.target", mount.target];
    yield ["mount.readonly", flag(mount.isReadOnly)];
    yield* mount.type === "tmpfs" ? tmpfsRecords(mount) : sourceRecords(mount);
  }
}

function* sourceRecords(mount: ContainerMount): Generator<LaunchRecord> {
  yield ["mount.source", mount.source];
  yield ["mount.subpath", mount.volume?.subpath ?? ""];
  yield ["mount.propagation", mount.propagation];
  yield ["mount.shallow", flag(mount.isShallow ?? false)];
  yield ["mount.readonly.shallow", flag(mount.isReadOnlyShallow ?? false)];
  yield ["mount.own", flag(isOwn(mount))];
}

/** A volume's files are containers' unless they come from somewhere else. */
function isOwn({ volume }: ContainerMount): boolean {
  return volume !== undefined && !(volume.isElsewhere ?? Object.keys(volume.options).length > 0);
}

function* tmpfsRecords({ options = [], sizeBytes, mode }: ContainerMount): Generator<LaunchRecord> {
  const data = options.filter((option) => option.includes("="));
  const size = sizeBytes > 0 ? [`size=${sizeBytes}`] : [];
  yield ["mount.flags", Object.entries(TMPFS_FLAGS).reduce((flags, [word, bit]) => (options.includes(word) ? flags : flags | bit), 0)];
  yield ["mount.data", [`mode=${(mode === 0 ? 0o1777 : mode).toString(8)}`, ...size, ...data].join(",")];
}

function flag(value: boolean): number {
  return value ? 1 : 0;
}

/** Without `.`, `..`, doubled and trailing slashes. */
export function normalisePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
