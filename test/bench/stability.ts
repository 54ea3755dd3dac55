import { execFileSync } from "node:child_process";
import { busyboxTar } from "../support/root-filesystem.js";
import { Hogs } from "./hogs.js";
import { HttpLane, httpRequest } from "./http-lane.js";
import { dockerClient, ourLab } from "./lab-command.js";
import type { BenchOptions, Figure } from "./main.js";
import { MEMBERS, nextSpec, socketsOf } from "./targets.js";

const LOOK_MS = 1_000;
const REPLICAS = 1_000;
const REPLICAS_MS_MAX = 600_000;

/** Whether leadership stays where it is while the machine has no time for it: all processors and the disk busy, and a thousand replicas created. */
export async function benchStability({ minutes, say }: BenchOptions): Promise<readonly Figure[]> {
  const lab = ourLab();
  try {
    await lab.verb("up", "--managers", String(MEMBERS), "--workers", "0");
    const sockets = await socketsOf(lab);
    say(`${minutes} minutes with processors and disk busy`);
    const busy = await underLoad(sockets, minutes * 60_000);
    say(`${busy.writes} writes accepted, ${busy.refused} not, longest time without one ${(busy.longestMs / 1000).toFixed(1)} s`);
    for (const socket of sockets)
      execFileSync(dockerClient(), ["-H", `unix://${socket}`, "import", "-", "bb:v1"], { input: busyboxTar(), stdio: ["pipe", "ignore", "inherit"] });
    say(`creating ${REPLICAS} replicas`);
    const before = await termOf(sockets);
    const started = performance.now();
    await lab.docker(1, ["service", "create", "-d", "-q", "--name", "many", "--replicas", String(REPLICAS), "bb:v1", "sleep", "100000"]);
    for (
      let running = "";
      running !== `${REPLICAS}/${REPLICAS}`;
      running = await lab.docker(1, ["service", "ls", "--filter", "name=many", "--format", "{{.Replicas}}"])
    ) {
      if (performance.now() - started > REPLICAS_MS_MAX) throw new Error(`only ${running} replicas run after ${REPLICAS_MS_MAX / 1000} s`);
      await pause(LOOK_MS);
    }
    const replicasSeconds = (performance.now() - started) / 1000;
    const whileCreating = (await termOf(sockets)) - before;
    return [
      { name: `new terms in ${minutes} minutes, processors and disk busy`, unit: "terms", ours: busy.newTerms, target: 1 },
      { name: "longest time without an accepted write meanwhile", unit: "s", ours: busy.longestMs / 1000 },
      { name: `new terms while ${REPLICAS} replicas are created`, unit: "terms", ours: whileCreating, target: 1 },
      { name: `${REPLICAS} tasks, create to running`, unit: "s", ours: replicasSeconds },
    ];
  } finally {
    await lab.verb("down");
  }
}

interface LoadedTime {
  readonly newTerms: number;
  readonly writes: number;
  readonly refused: number;
  readonly longestMs: number;
}

/** A client writes all the while, through one member after the other. */
async function underLoad(sockets: readonly string[], forMs: number): Promise<LoadedTime> {
  const before = await termOf(sockets);
  const lanes = sockets.map((socket) => new HttpLane(socket));
  const result = { writes: 0, refused: 0, longestMs: 0 };
  try {
    await using _hogs = new Hogs();
    const end = performance.now() + forMs;
    for (let now = performance.now(), accepted = now; now < end; now = performance.now()) {
      const lane = lanes[(result.writes + result.refused) % lanes.length];
      const answer = await lane?.request(httpRequest("POST", "/services/create", nextSpec().text)).catch(() => undefined);
      if (answer?.status === 201) {
        result.writes++;
        result.longestMs = Math.max(result.longestMs, performance.now() - accepted);
        accepted = performance.now();
      } else result.refused++;
      await pause(LOOK_MS / 20);
    }
  } finally {
    for (const lane of lanes) lane[Symbol.dispose]();
  }
  return { ...result, newTerms: (await termOf(sockets)) - before };
}

/** The highest term that any member is in: it grows with each election, won or not. */
async function termOf(sockets: readonly string[]): Promise<number> {
  const terms = await Promise.all(
    sockets.map(async (socket) => {
      using lane = new HttpLane(socket);
      const term = /^swarm_raft_term (\d+)$/m.exec((await lane.request(httpRequest("GET", "/metrics"))).body)?.[1];
      if (term === undefined) throw new Error(`${socket} does not say its raft term`);
      return Number(term);
    }),
  );
  return Math.max(...terms);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
