import type { ContainerMount } from "../../../runtime/container-runtime.js";
import { badRequest, notSupported } from "../errors.js";
import type { Fields } from "./fields.js";
import { mountFromDocker } from "./mount.js";

const PROPAGATIONS = ["rprivate", "private", "rslave", "slave"];
const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Binds, Mounts and Tmpfs of a HostConfig. */
export function mountsFromDocker(host: Fields): {
  readonly mounts: readonly ContainerMount[];
  readonly binds: readonly string[];
  /** Sources that `-v` makes where they are missing. */
  readonly foldersToMake: readonly string[];
} {
  const binds = host.strings("Binds");
  const fromBinds = binds.map(bindOf);
  const fromMounts = host.children("Mounts").map((fields) => {
    const mount = mountFromDocker(fields);
    const common = { source: mount.source, target: mount.target, isReadOnly: mount.readOnly, propagation: "", sizeBytes: 0, mode: 0 };
    if (mount.type === "bind") return { ...common, type: "bind", propagation: mount.bindOptions?.propagation ?? "" } as const;
    if (mount.type !== "tmpfs") throw notSupported(`mounts of type ${mount.type} are not supported yet: bind and tmpfs are`);
    const options = mount.tmpfsOptions;
    return { ...common, type: "tmpfs", source: "", sizeBytes: Number(options?.sizeBytes ?? 0n), mode: options?.mode ?? 0 } as const;
  });
  const fromTmpfs = Object.entries(host.record("Tmpfs")).map(([target, options]) => tmpfsOf(target, options));
  const mounts = [...fromBinds, ...fromMounts, ...fromTmpfs];
  const targets = mounts.map((mount) => mount.target.replace(/\/+$/, ""));
  const twice = targets.find((target, index) => targets.indexOf(target) !== index);
  if (twice !== undefined) throw badRequest(`Duplicate mount point: ${twice}`);
  return { mounts, binds, foldersToMake: fromBinds.map((mount) => mount.source) };
}

/** `source:target[:options]`. */
function bindOf(text: string): ContainerMount {
  const [source = "", target = "", options = "", ...rest] = text.split(":");
  if (target === "" || rest.length > 0) throw badRequest(`invalid volume specification: '${text}'`);
  if (!source.startsWith("/")) throw notSupported(`named volumes are not supported yet: "${source}"`);
  let [isReadOnly, propagation] = [false, ""];
  for (const option of options.split(",").filter((word) => word !== "")) {
    if (PROPAGATIONS.includes(option)) propagation = option;
    else if (option === "ro" || option === "rw") isReadOnly = option === "ro";
    // Labels of SELinux, which is not here, and the way of a Mac to cache.
    else if (!["z", "Z", "cached", "delegated", "consistent"].includes(option)) throw badRequest(`invalid mode: ${option} in '${text}'`);
  }
  return { type: "bind", source, target, isReadOnly, propagation, sizeBytes: 0, mode: 0 };
}

/** Options of mount(8) for a tmpfs, as far as they are built. */
function tmpfsOf(target: string, options: string): ContainerMount {
  let [isReadOnly, sizeBytes, mode] = [false, 0, 0];
  for (const option of options.split(",").filter((word) => word !== "")) {
    const size = /^size=(\d+)([kmg]?)$/i.exec(option);
    const bits = /^mode=([0-7]{1,4})$/.exec(option);
    if (size !== null) sizeBytes = Number(size[1]) * (UNITS[(size[2] ?? "").toLowerCase()] ?? 1);
    else if (bits !== null) mode = Number.parseInt(bits[1] ?? "0", 8);
    else if (option === "ro" || option === "rw") isReadOnly = option === "ro";
    else if (!["noexec", "nosuid", "nodev"].includes(option)) throw notSupported(`the tmpfs option "${option}" is not supported yet`);
  }
  return { type: "tmpfs", source: "", target, isReadOnly, propagation: "", sizeBytes, mode };
}
