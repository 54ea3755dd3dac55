import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busyboxTar } from "../support/root-filesystem.js";
import { type BenchLab, dockerLab, median, ourLab, seconds } from "./lab-command.js";
import type { BenchOptions, Figure } from "./main.js";

/** The steps of one life of a swarm of three managers, in seconds each. */
const TARGETS: Readonly<Record<string, number | undefined>> = {
  "30 tasks, create to running": 1.0,
  "scale 30 to 90": 2.0,
  "remove 90": undefined,
  "update 9 by 3, monitor 1 s": undefined,
  "leader kill -9 to next accepted write": 2.0,
};

/** The same life, driven the same way by the same docker command line, on our lab and on one of real Docker Swarm nodes. */
export async function benchScenario({ runs, say }: BenchOptions): Promise<readonly Figure[]> {
  const tar = join(tmpdir(), `bench-${process.pid}.tar`);
  writeFileSync(tar, busyboxTar());
  try {
    const ours = await series("swarmd", ourLab(), runs, tar, say);
    const peerLab = dockerLab();
    // The peer takes minutes a life: one is enough to see where it stands.
    const peer = peerLab === null ? null : await series("docker swarm", peerLab, 1, tar, say);
    return Object.keys(TARGETS).map((name) => {
      const target = TARGETS[name];
      const other = peer?.get(name);
      return {
        name,
        unit: "s",
        ours: median(ours.get(name) ?? []),
        ...(target === undefined ? {} : { target }),
        ...(other === undefined ? {} : { peer: median(other), peerName: "docker swarm" }),
      };
    });
  } finally {
    rmSync(tar);
  }
}

async function series(label: string, lab: BenchLab, runs: number, tar: string, say: (line: string) => void): Promise<ReadonlyMap<string, readonly number[]>> {
  const results = new Map<string, number[]>();
  for (let run = 1; run <= runs; run++) {
    try {
      for (const [name, value] of await life(lab, tar)) {
        results.set(name, [...(results.get(name) ?? []), value]);
        say(`${label}, life ${run} of ${runs}: ${name} ${value.toFixed(2)} s`);
      }
    } finally {
      await lab.verb("down");
    }
  }
  return results;
}

async function life(lab: BenchLab, tar: string): Promise<readonly (readonly [string, number])[]> {
  await lab.verb("up", "--managers", "3", "--workers", "0");
  for (const node of [1, 2, 3]) {
    await lab.docker(node, ["import", "-c", 'CMD ["sh"]', tar, "bb:v1"]);
    await lab.docker(node, ["tag", "bb:v1", "bb:v2"]);
  }
  const results: (readonly [string, number])[] = [];
  const step = async (name: string, action: () => Promise<unknown>) => results.push([name, await seconds(action)]);
  const replicas = (service: string, count: number) =>
    poll(async () => (await lab.docker(1, ["service", "ls", "--filter", `name=${service}`, "--format", "{{.Replicas}}"])).startsWith(`${count}/${count}`));
  const create = (service: string, count: number) =>
    lab.docker(1, ["service", "create", "-d", "-q", "--name", service, "--replicas", String(count), "--stop-grace-period", "1s", "bb:v1", "sleep", "100000"]);
  await step("30 tasks, create to running", async () => {
    await create("s1", 30);
    await replicas("s1", 30);
  });
  await step("scale 30 to 90", async () => {
    await lab.docker(1, ["service", "scale", "-d", "s1=90"]);
    await replicas("s1", 90);
  });
  await step("remove 90", async () => {
    await lab.docker(1, ["service", "rm", "s1"]);
    for (const node of [1, 2, 3]) await poll(async () => (await lab.docker(node, ["ps", "-q"])) === "");
  });
  await create("s2", 9);
  await replicas("s2", 9);
  await step("update 9 by 3, monitor 1 s", () =>
    lab.docker(1, [
      "service",
      "update",
      "-q",
      "--image",
      "bb:v2",
      "--update-parallelism",
      "3",
      "--update-monitor",
      "1s",
      "--update-order",
      "start-first",
      "s2",
    ]),
  );
  const leader = Number(
    /^node-(\d+)|^pl-(\d+)/m
      .exec(
        (await lab.docker(1, ["node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}"])).split("\n").find((line) => line.endsWith("Leader")) ?? "",
      )?.[0]
      ?.replace(/^\D+/, ""),
  );
  const other = (leader % 3) + 1;
  await lab.verb("kill", String(leader));
  await step("leader kill -9 to next accepted write", () =>
    poll(async () => {
      try {
        await lab.docker(other, ["service", "update", "-d", "-q", "--label-add", `k=${Date.now()}`, "s2"], 5_000);
        return true;
      } catch {
        // Refused, or no leader yet: that is what is being timed.
        return false;
      }
    }),
  );
  return results;
}

/** Both labs are polled alike, with nothing but the command line's own time between two looks. */
async function poll(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await condition())) if (Date.now() > deadline) throw new Error("gave up after 120 s");
}
