import { readdirSync, readFileSync } from "node:fs";

const TICKS_PER_SECOND = 100;

/** Percent of a core that a process uses over a window. */
export async function processorShare(pid: number, windowMs: number): Promise<number> {
  const before = processorTicks(pid);
  await new Promise((resolve) => setTimeout(resolve, windowMs));
  return ((processorTicks(pid) - before) / TICKS_PER_SECOND / (windowMs / 1000)) * 100;
}

function processorTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

export function statusMegabytes(pid: number, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

export function proportionalMegabytes(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]) / 1024;
}

/** Shims of the bench's lab: told from containers by their program, and from spawners by being the parent of something else. */
export function shimsOfLab(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const isShim = readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "swarm-shim";
        return (
          isShim &&
          readFileSync(`/proc/${pid}/cgroup`, "utf8").includes("/swarm-lab/bench/") &&
          readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
            .trim()
            .split(" ")
            .some((child) => child !== "" && readFileSync(`/proc/${child}/comm`, "utf8").trim() !== "swarm-shim")
        );
      } catch {
        // Gone between the listing and the look.
        return false;
      }
    });
}
