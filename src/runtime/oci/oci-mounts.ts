import { ClusterError } from "../../base/errors.js";
import type { CgroupPlan } from "../cgroup-plan.js";
import type { LaunchRecord } from "../shim/launch-record.js";

interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

const SAFE = ["nosuid", "noexec", "nodev"];

/** MS_* of mount(2) as options are called. */
const FLAGS = [
  [1, "ro"],
  [2, "nosuid"],
  [4, "nodev"],
  [8, "noexec"],
  [16, "sync"],
  [1024, "noatime"],
  [1 << 21, "relatime"],
] as const;

interface Surroundings {
  readonly isPrivileged: boolean;
  readonly sharedMemoryBytes: number;
  readonly isInHostIpc: boolean;
  readonly visible: CgroupPlan["visible"];
  /** Folder in which the shim has laid out all binds as they shall be seen, by their number (native/shim/rootfs.h, prepareRoot); null leaves that to the runtime. */
  readonly prepared: string | null;
  /** Folder in which the shim keeps what is shared with another container (native/shim/bundle.h). */
  readonly bundle: string;
}

/** `mounts` of config.json: the system's own, then those that records (native/shim/settings.h) ask our own shim for, in their order. */
export function ociMounts(records: readonly LaunchRecord[], own: Surroundings): readonly OciMount[] {
  const system = own.isPrivileged ? [] : ["ro"];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: SAFE },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
    ...memoryMounts(own),
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: SAFE },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...SAFE, ...system] },
    ...cgroupMounts(own.visible, system),
    ...entriesOf(records).map((entry, number) => mountOf(entry, own.prepared === null ? null : `${own.prepared}/${number}`, own.bundle)),
  ];
}

function memoryMounts({ isInHostIpc, sharedMemoryBytes }: Surroundings): readonly OciMount[] {
  const destination = "/dev/shm";
  if (isInHostIpc) return [{ destination, type: "bind", source: destination, options: ["bind", ...SAFE] }];
  if (sharedMemoryBytes === 0) return [];
  return [{ destination, type: "tmpfs", source: "shm", options: [...SAFE, "mode=1777", `size=${sharedMemoryBytes}`] }];
}

/** Bound, as our own shim does it: a mount of version 1 waits for every group of the machine that is being removed. */
function cgroupMounts(visible: CgroupPlan["visible"], system: readonly string[]): readonly OciMount[] {
  const isAlone = visible[0]?.name === "";
  const folder = { destination: "/sys/fs/cgroup", type: "tmpfs", source: "tmpfs", options: [...SAFE, "mode=755", "size=65536"] };
  const binds = visible.map(({ name, path }) => ({
    destination: `/sys/fs/cgroup${name === "" ? "" : `/${name}`}`,
    type: "bind",
    source: path,
    options: ["bind", ...SAFE, ...system],
  }));
  return isAlone || binds.length === 0 ? binds : [folder, ...binds];
}

type Entry = ReadonlyMap<string, string>;

function entriesOf(records: readonly LaunchRecord[]): readonly Entry[] {
  const entries: Map<string, string>[] = [];
  for (const [key, value] of records) {
    if (key === "mount") entries.push(new Map());
    entries.at(-1)?.set(key, String(value));
  }
  return entries;
}

function mountOf(entry: Entry, prepared: string | null, bundle: string): OciMount {
  const of = (key: string) => entry.get(`mount.${key}`) ?? "";
  for (const key of entry.keys()) {
    if (!KEYS.has(key)) throw new ClusterError("unimplemented", `${key} is not supported under another runtime than our own`);
  }
  const readOnly = of("readonly") === "1" ? ["ro"] : [];
  if (entry.get("mount") === "bind") {
    const isShallow = of("shallow") === "1";
    const propagation = of("propagation") || "rprivate";
    // Write protection, part and owners it has already.
    if (prepared !== null) return { destination: of("target"), type: "bind", source: prepared, options: [isShallow ? "bind" : "rbind", propagation] };
    const recursiveReadOnly = readOnly.length > 0 && !isShallow && of("readonly.shallow") !== "1" ? ["rro"] : readOnly;
    return {
      destination: of("target"),
      type: "bind",
      source: of("shared") === "1" ? `${bundle}/shm` : sourceOf(of),
      options: [isShallow ? "bind" : "rbind", ...recursiveReadOnly, propagation],
    };
  }
  const flags = of("flags") === "" ? SAFE : FLAGS.filter(([bit]) => (Number(of("flags")) & bit) !== 0).map(([, name]) => name);
  return { destination: of("target"), type: "tmpfs", source: "tmpfs", options: [...flags, ...readOnly, ...of("data").split(",").filter(Boolean)] };
}

function sourceOf(of: (key: string) => string): string {
  if (of("subpath") === "") return of("source");
  throw new ClusterError("unimplemented", `a subpath of ${of("source")} is not supported under another runtime than our own`);
}

/** Whose owners are in it matters with maps of users alone: then binds are prepared. */
const KEYS: ReadonlySet<string> = new Set(
  ["", ".own", ".source", ".target", ".readonly", ".readonly.shallow", ".shallow", ".propagation", ".flags", ".data", ".subpath", ".shared"].map(
    (suffix) => `mount${suffix}`,
  ),
);
