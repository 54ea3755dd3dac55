import { existsSync, readFileSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import type { HostDescription } from "../api/http/backend.js";
import type { DaemonConfig } from "./config.js";
import { VERSION } from "./version.js";

const MACHINES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", arm: "armv7l", ia32: "i686" };

/** The architecture as `uname -m` says it, which is what the engine API shows. */
export function machineArchitecture(): string {
  return MACHINES[arch()] ?? arch();
}

export function describeHost(config: DaemonConfig, found: Pick<HostDescription, "id" | "userRemap" | "startedAtMs">): HostDescription {
  return {
    ...found,
    hostname: hostname(),
    version: VERSION,
    gitCommit: "",
    kernelVersion: release(),
    operatingSystem: prettyName(),
    architecture: machineArchitecture(),
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
    dataRoot: config.dataRoot,
    labels: config.labels,
    registries: config.registries,
    runtimes: config.runtimes,
    loggingDriver: config.log.driver,
    cgroupVersion: existsSync("/sys/fs/cgroup/cgroup.controllers") ? "2" : "1",
  };
}

function prettyName(): string {
  if (!existsSync("/etc/os-release")) return "Linux";
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
}
