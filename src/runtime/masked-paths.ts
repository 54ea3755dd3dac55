import type { ContainerConfig } from "./container-config.js";

type PathChoice = Pick<ContainerConfig, "isPrivileged" | "maskedPaths" | "readOnlyPaths">;

/** Docker's defaults: what shows or changes the machine is hidden or write-protected. Missing ones are skipped. */
const MASKED_PATHS = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READ_ONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

export function maskedPathsOf({ isPrivileged, maskedPaths = MASKED_PATHS }: PathChoice): readonly string[] {
  return isPrivileged ? [] : maskedPaths;
}

export function readOnlyPathsOf({ isPrivileged, readOnlyPaths = READ_ONLY_PATHS }: PathChoice): readonly string[] {
  return isPrivileged ? [] : readOnlyPaths;
}
