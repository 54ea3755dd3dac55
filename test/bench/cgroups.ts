import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/until.js";

/** A cgroup of this name in every hierarchy of the machine where a process may enter a new one just so. */
function cgroupsNamed(name: string): readonly string[] {
  return readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter((fields) => fields[2] === "cgroup" || fields[2] === "cgroup2")
    .map((fields) => fields[1] ?? "")
    .filter((mount) => !readdirSync(mount).includes("cpuset.cpus") || existsSync(join(mount, "cgroup.controllers")))
    .map((mount) => join(mount, name));
}

/** The words of a shell that makes and enters the cgroups, with the share of so many processes, and then becomes the command that follows. */
export function inCgroups(name: string, share: number): readonly string[] {
  const enter = cgroupsNamed(name).map(
    (cgroup) =>
      `mkdir -p ${cgroup}; [ ! -e ${cgroup}/cpu.shares ] || echo ${share * 1024} >${cgroup}/cpu.shares; ` +
      `[ ! -e ${cgroup}/cpu.weight ] || echo ${share * 100} >${cgroup}/cpu.weight; echo $$ >${cgroup}/cgroup.procs;`,
  );
  return ["bash", "-c", `${enter.join(" ")} exec "$@"`, "bash"];
}

/** Removes the cgroups, whose processes have been told to end. */
export async function removeCgroups(name: string): Promise<void> {
  for (const cgroup of cgroupsNamed(name)) {
    await until(`${cgroup} is empty`, () => readFileSync(join(cgroup, "cgroup.procs"), "utf8") === "");
    rmdirSync(cgroup);
  }
}
