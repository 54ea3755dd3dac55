import type { ContainerConfig, SeccompChoice } from "../../../runtime/container-config.js";
import { badRequest, notSupported } from "../errors.js";
import { type NamespaceContext, namespacesFromDocker } from "./container-namespaces.js";
import type { Fields } from "./fields.js";

/** What separates a container from its host, and what it may do there. Throws as namespacesFromDocker. */
export function isolationFromDocker(host: Fields, context: NamespaceContext) {
  const technology = host.string("Isolation");
  if (!["", "default"].includes(technology.toLowerCase())) throw badRequest(`Invalid isolation: "${technology}" - linux only supports 'default'`);
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
    ...systemPathsFromDocker(host),
    sysctls: host.record("Sysctls"),
    oomScoreAdj: Number(host.integer("OomScoreAdj")),
    hasInit: host.boolean("Init"),
    runtime: host.string("Runtime"),
    ...namespacesFromDocker(host, context),
    sharedMemoryBytes: host.count("ShmSize"),
  };
}

/** An empty list hides nothing; null stands for Docker's own. */
function systemPathsFromDocker(host: Fields): Pick<ContainerConfig, "maskedPaths" | "readOnlyPaths"> {
  const pathsOf = (name: string) => {
    const paths = host.optionalStrings(name);
    const wrong = paths?.find((path) => !path.startsWith("/"));
    if (wrong !== undefined) throw badRequest(`HostConfig.${name} "${wrong}" is no absolute path`);
    return paths;
  };
  const [maskedPaths, readOnlyPaths] = [pathsOf("MaskedPaths"), pathsOf("ReadonlyPaths")];
  return { ...(maskedPaths === undefined ? {} : { maskedPaths }), ...(readOnlyPaths === undefined ? {} : { readOnlyPaths }) };
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
