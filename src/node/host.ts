import { existsSync, readFileSync, statfsSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import type { HostDescription } from "../api/http/backend.js";
import type { DaemonConfig } from "./config.js";
import { VERSION } from "./version.js";

const MACHINES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", arm: "armv7l", ia32: "i686" };

/** The architecture as `uname -m` says it, which is what the engine API shows. */
function machineArchitecture(): string {
  return MACHINES[arch()] ?? arch();
}

/** Magic numbers of file systems (statfs(2)) by Docker's names for them. */
const FILESYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, "extfs"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x01021994, "tmpfs"],
  [0x2fc12fc1, "zfs"],
  [0x794c7630, "overlayfs"],
  [0xf2f52010, "f2fs"],
  [0x6969, "nfs"],
]);

export function describeHost(config: DaemonConfig, own: Pick<HostDescription, "id" | "userRemap" | "startedAtMs" | "bridge">): HostDescription {
  const environment = process.env;
  return {
    ...own,
    hostname: hostname(),
    version: VERSION,
    gitCommit: "",
    kernelVersion: release(),
    operatingSystem: osRelease("PRETTY_NAME") || "Linux",
    osVersion: osRelease("VERSION_ID"),
    architecture: machineArchitecture(),
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
    dataRoot: config.dataRoot,
    backingFilesystem: FILESYSTEMS.get(statfsSync(config.dataRoot).type) ?? "",
    proxies: {
      http: withoutPassword(environment.HTTP_PROXY || environment.http_proxy || ""),
      https: withoutPassword(environment.HTTPS_PROXY || environment.https_proxy || ""),
      none: environment.NO_PROXY || environment.no_proxy || "",
    },
    labels: config.labels,
    registries: config.registries,
    runtimes: config.runtimes,
    loggingDriver: config.log.driver,
    cgroupVersion: existsSync("/sys/fs/cgroup/cgroup.controllers") ? "2" : "1",
  };
}

function osRelease(name: string): string {
  if (!existsSync("/etc/os-release")) return "";
  return new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
}

function withoutPassword(proxy: string): string {
  return proxy.replace(/\/\/[^/@]*@/, "//xxxxx:xxxxx@");
}
