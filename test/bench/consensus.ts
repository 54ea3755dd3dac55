import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inCgroups, removeCgroups } from "./cgroups.js";
import { startChild } from "./child.js";
import { type BenchLab, etcdLab, median, ourLab, repository } from "./lab-command.js";
import { type Lane, type LoadResult, runLoad } from "./load.js";
import type { BenchOptions, Figure } from "./main.js";
import { etcdGrpcTarget, etcdHttpTarget, MEMBERS, ourTarget, socketsOf, type Target } from "./targets.js";
import { until } from "../support/until.js";

const IN_FLIGHT = 256;
/** What is compiled while it runs is compiled by then: steady state is measured. */
const LOAD = { warmUpMs: 10_000, measureMs: 6_000 };
/** The first load of a process that was just started. */
const FIRST_LOAD = { ...LOAD, warmUpMs: 25_000 };
const FSYNCS = 500;
const ECHO_PORT = 7;
/** Beside the cgroup of the lab, so that a busy machine gives both the same share. */
const PLAIN_CGROUP = "swarm-lab/bench-plain";

type Series = Map<string, LoadResult[]>;

/**
 * Writes and linearizable reads through the API of three real members on three hosts, beside etcd in the same layout on the same disk under the same
 * load. The client shares the machine with those whom it measures, so it is as cheap as can be and the same for both; etcd is also measured over its
 * own protocol.
 */
export async function benchConsensus({ runs, say }: BenchOptions): Promise<readonly Figure[]> {
  const series: Series = new Map();
  const bounds: number[] = [];
  const measure = async (name: string, lanes: readonly Lane[], load = LOAD) => {
    const result = await runLoad(lanes, load);
    say(`${name}: ${result.perSecond.toFixed(0)} a second, p50 ${result.p50Ms.toFixed(2)} ms, p99 ${result.p99Ms.toFixed(1)} ms`);
    for (const [reason, count] of result.failures) say(`${name}: ${count} failed: ${reason}`);
    series.set(name, [...(series.get(name) ?? []), result]);
  };
  for (let run = 1; run <= runs; run++) {
    say(`round ${run} of ${runs}`);
    await measureOurs(measure, bounds);
    await measurePlain(measure);
    const peer = etcdLab();
    if (peer !== null) await measureEtcd(peer, measure);
  }
  const failed = [...series].filter(([name, results]) => !name.startsWith("etcd") && results.some(({ failures }) => failures.size > 0));
  if (failed.length > 0) throw new Error(`requests of "${failed[0]?.[0]}" failed: no figure stands for them`);
  return figuresOf(series, median(bounds));
}

type Measure = (name: string, lanes: readonly Lane[], load?: typeof LOAD) => Promise<void>;

async function measureTarget(target: Target, measure: Measure): Promise<void> {
  await measure(`${target.name}, writes`, target.writes(IN_FLIGHT), FIRST_LOAD);
  // The first member: with us and mostly with etcd the one that leads.
  await measure(`${target.name}, one write at a time`, target.writes(1));
  await measure(`${target.name}, reads`, target.reads(IN_FLIGHT));
}

async function measureOurs(measure: Measure, bounds: number[]): Promise<void> {
  const lab = ourLab();
  try {
    await lab.verb("up", "--managers", String(MEMBERS), "--workers", "0");
    using target = await ourTarget(await socketsOf(lab));
    bounds.push(2 * (2 * fsyncMs() + (await roundTripMs(lab))));
    await measureTarget(target, measure);
  } finally {
    await lab.verb("down");
  }
}

/** The same reads by as many processes, none of which asks anybody. */
async function measurePlain(measure: Measure): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bench-plain-"));
  const servers: AsyncDisposable[] = [];
  try {
    const sockets = Array.from({ length: MEMBERS }, (_, index) => join(folder, `${index}.sock`));
    for (const socket of sockets) servers.push(await startChild("plain-api.ts", [socket], inCgroups(PLAIN_CGROUP, MEMBERS)));
    using target = await ourTarget(sockets);
    await measure("the same reads without ReadIndex", target.reads(IN_FLIGHT), FIRST_LOAD);
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]();
    await removeCgroups(PLAIN_CGROUP);
    rmSync(folder, { recursive: true });
  }
}

async function measureEtcd(lab: BenchLab, measure: Measure): Promise<void> {
  try {
    await lab.verb("up", "--managers", String(MEMBERS));
    const sockets = await socketsOf(lab);
    using http = etcdHttpTarget(sockets);
    const [probe] = http.writes(1);
    await until("etcd takes a write", () =>
      probe?.()
        .then(() => true)
        .catch(() => false),
    );
    await measureTarget(http, measure);
    using grpc = etcdGrpcTarget(sockets);
    await measureTarget(grpc, measure);
  } finally {
    await lab.verb("down");
  }
}

/** Median time of making a small write durable, with nothing between us and the disk. */
function fsyncMs(): number {
  const folder = mkdtempSync("/var/lib/bench-fsync-");
  try {
    const file = openSync(join(folder, "file"), "w");
    const times: number[] = [];
    for (let count = 0; count < FSYNCS; count++) {
      writeSync(file, Buffer.alloc(500));
      const started = performance.now();
      fdatasyncSync(file);
      times.push(performance.now() - started);
    }
    closeSync(file);
    return median(times);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function roundTripMs(lab: BenchLab): Promise<number> {
  await using _echo = await startChild("round-trip.ts", ["echo", String(ECHO_PORT)], [join(repository, "deploy/lab"), "--name", "bench", "exec", "1"]);
  const host = await lab.verb("address", "1");
  return Number(await lab.verb("exec", "2", process.execPath, "--import", "tsx", join(repository, "test/bench/round-trip.ts"), "ask", host, String(ECHO_PORT)));
}

function figuresOf(series: Series, oneWriteBoundMs: number): readonly Figure[] {
  const of = (name: string, value: (result: LoadResult) => number) => median((series.get(name) ?? []).map(value));
  const rate = (name: string) => of(name, ({ perSecond }) => perSecond);
  const beside = (name: string, value: (result: LoadResult) => number, peerName: string) => {
    const peer = of(`${peerName}, ${name}`, value);
    return Number.isNaN(peer) ? {} : { peer, peerName };
  };
  const rows = (name: string, peerName: string, isTarget: boolean): readonly Figure[] => {
    const perSecond = beside(name, (result) => result.perSecond, peerName);
    const p99 = beside(name, (result) => result.p99Ms, peerName);
    return [
      {
        name: `${name}, ${IN_FLIGHT} in flight`,
        unit: "a second",
        ours: rate(`swarmd, ${name}`),
        isMoreBetter: true,
        ...perSecond,
        ...(isTarget && perSecond.peer !== undefined ? { target: perSecond.peer } : {}),
      },
      {
        name: `${name}, ${IN_FLIGHT} in flight, p99`,
        unit: "ms",
        ours: of(`swarmd, ${name}`, ({ p99Ms }) => p99Ms),
        ...p99,
        ...(isTarget && p99.peer !== undefined ? { target: p99.peer } : {}),
      },
    ];
  };
  const one = "one write at a time";
  // Within each round, since the machine's own speed changes from one to the next.
  const readsPer = (other: string) => {
    const others = series.get(other) ?? [];
    return median((series.get("swarmd, reads") ?? []).map((reads, round) => reads.perSecond / (others[round]?.perSecond ?? Number.NaN)));
  };
  return [
    ...rows("writes", "etcd, HTTP", true),
    ...rows("writes", "etcd, gRPC", false),
    {
      name: `${one}, p50`,
      unit: "ms",
      ours: of(`swarmd, ${one}`, ({ p50Ms }) => p50Ms),
      target: oneWriteBoundMs,
      ...beside(one, ({ p50Ms }) => p50Ms, "etcd, HTTP"),
    },
    ...rows("reads", "etcd, HTTP", false),
    { name: "reads a write", unit: "times", ours: readsPer("swarmd, writes"), target: 3, isMoreBetter: true },
    { name: "reads, of those without ReadIndex", unit: "times", ours: readsPer("the same reads without ReadIndex"), target: 0.7, isMoreBetter: true },
  ];
}
