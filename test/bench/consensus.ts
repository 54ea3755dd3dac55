import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inCgroups, removeCgroups } from "./cgroups.js";
import { script, startChild } from "./child.js";
import { etcdLab, type BenchLab, median, ourLab, repository } from "./lab-command.js";
import { type Lane, type LoadResult, runLoad } from "./load.js";
import type { BenchOptions, Figure } from "./main.js";
import { etcdGrpcTarget, etcdHttpTarget, MEMBERS, ourTarget, socketsOf, type Target } from "./targets.js";
import { Opened } from "../support/disposables.js";
import { until } from "../support/until.js";

const IN_FLIGHT = 256;
/** What is compiled while it runs is compiled by then, and every target has so many objects: steady state is measured. */
const WARM_UP = { warmUpMs: 0, measureMs: 25_000 };
/** The targets take turns, in slices so short that the machine's own speed, which changes from minute to minute, is the same for all. */
const SLICE = { warmUpMs: 1_000, measureMs: 4_000 };
const SLICES = 4;
const FSYNCS = 500;
const ECHO_PORT = 7;
/** Beside the cgroup of the lab, so that a busy machine gives both the same share. */
const PLAIN_CGROUP = "swarm-lab/bench-plain";
const OURS = "swarmd";
const PLAIN = "the same reads without ReadIndex";
const ETCD = "etcd, HTTP";
const ETCD_GRPC = "etcd, gRPC";

/** Results of all slices of all rounds: the same place in two of them is the same slice. */
type Series = Map<string, LoadResult[]>;

/**
 * Writes and linearizable reads through the API of three real members on three hosts, beside etcd in the same layout on the same disk under the same
 * load, and beside as many processes that read without asking anybody. The client shares the machine with those whom it measures, so it is as cheap as can be and
 * the same for all; etcd is also measured over its own protocol.
 */
export async function benchConsensus({ runs, say }: BenchOptions): Promise<readonly Figure[]> {
  const series: Series = new Map();
  const bounds: number[] = [];
  const measure = async (name: string, lanes: readonly Lane[], load = SLICE) => {
    const result = await runLoad(lanes, load);
    say(`${name}: ${result.perSecond.toFixed(0)} a second, p50 ${result.p50Ms.toFixed(2)} ms, p99 ${result.p99Ms.toFixed(1)} ms`);
    for (const [reason, count] of result.failures) say(`${name}: ${count} failed: ${reason}`);
    if (load === SLICE) series.set(name, [...(series.get(name) ?? []), result]);
  };
  for (let run = 1; run <= runs; run++) {
    say(`round ${run} of ${runs}`);
    await measureRound(measure, bounds);
  }
  const failed = [...series].filter(([name, results]) => !name.startsWith("etcd") && results.some(({ failures }) => failures.size > 0));
  if (failed.length > 0) throw new Error(`requests of "${failed[0]?.[0]}" failed: no figure stands for them`);
  return figuresOf(series, median(bounds));
}

type Measure = (name: string, lanes: readonly Lane[], load?: typeof SLICE) => Promise<void>;

async function measureRound(measure: Measure, bounds: number[]): Promise<void> {
  const opened = new Opened();
  try {
    await measureTargets(opened, measure, bounds);
  } finally {
    await opened.close();
  }
}

async function measureTargets(opened: Opened, measure: Measure, bounds: number[]): Promise<void> {
  const lab = ourLab();
  opened.add(() => lab.verb("down"));
  await lab.verb("up", "--managers", String(MEMBERS), "--workers", "0");
  const ours = lanesOf(opened.use(await ourTarget(await socketsOf(lab))));
  const plain = lanesOf(await plainTarget(opened));
  const peers = (await etcdTargets(opened)).map(lanesOf);
  const writers = [ours, ...peers];

  for (const { name, writes } of writers) await measure(`${name}, warming up`, writes, WARM_UP);
  await measure(`${PLAIN}, warming up`, plain.reads, WARM_UP);
  // Reads and writes in one turn each: they are compared too.
  await inTurns([
    ...writers.map(
      ({ name, writes }) =>
        () =>
          measure(`${name}, writes`, writes),
    ),
    () => measure(`${ours.name}, reads`, ours.reads),
    () => measure(PLAIN, plain.reads),
    ...peers.map(
      ({ name, reads }) =>
        () =>
          measure(`${name}, reads`, reads),
    ),
  ]);
  await inTurns([
    async () => void bounds.push(2 * (2 * fsyncMs() + (await roundTripMs(lab)))),
    ...writers.map(
      ({ name, oneWrite }) =>
        async () =>
          measure(`${name}, one write at a time`, await oneWrite()),
    ),
  ]);
}

/** Connections that stay open for all slices. */
const lanesOf = (target: Target) => ({
  name: target.name,
  writes: target.writes(IN_FLIGHT),
  /** To the member that leads by then. */
  oneWrite: async () => target.writes(1, await target.leader()),
  reads: target.reads(IN_FLIGHT),
});

async function inTurns(parts: readonly (() => Promise<void>)[]): Promise<void> {
  for (let slice = 0; slice < SLICES; slice++) for (const part of parts) await part();
}

/** Reads by as many processes, none of which asks anybody. */
async function plainTarget(opened: Opened): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), "bench-plain-"));
  opened.add(async () => {
    await removeCgroups(PLAIN_CGROUP);
    rmSync(folder, { recursive: true });
  });
  const sockets = Array.from({ length: MEMBERS }, (_, index) => join(folder, `${index}.sock`));
  for (const socket of sockets) opened.use(await startChild([...inCgroups(PLAIN_CGROUP, MEMBERS), ...script("plain-api.ts", [socket], daemonFlags())]));
  return opened.use(await ourTarget(sockets));
}

/** What the daemon's first line has Node.js run it with. */
function daemonFlags(): readonly string[] {
  const [line = ""] = readFileSync(join(repository, "dist/main/swarmd.js"), "utf8").split("\n");
  return line.split(" ").filter((word) => word.startsWith("--"));
}

/** None where Debian's etcd could not be unpacked. */
async function etcdTargets(opened: Opened): Promise<readonly Target[]> {
  const lab = etcdLab();
  if (lab === null) return [];
  opened.add(() => lab.verb("down"));
  await lab.verb("up", "--managers", String(MEMBERS));
  const sockets = await socketsOf(lab);
  const http = opened.use(etcdHttpTarget(sockets));
  const [probe] = http.writes(1);
  await until("etcd takes a write", () =>
    probe?.()
      .then(() => true)
      .catch(() => false),
  );
  return [http, opened.use(etcdGrpcTarget(sockets))];
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
  await using _echo = await startChild([
    join(repository, "deploy/lab"),
    "--name",
    "bench",
    "exec",
    "1",
    ...script("round-trip.ts", ["echo", String(ECHO_PORT)]),
  ]);
  const host = await lab.verb("address", "1");
  return Number(await lab.verb("exec", "2", ...script("round-trip.ts", ["ask", host, String(ECHO_PORT)])));
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
        ours: rate(`${OURS}, ${name}`),
        isMoreBetter: true,
        ...perSecond,
        ...(isTarget && perSecond.peer !== undefined ? { target: perSecond.peer } : {}),
      },
      {
        name: `${name}, ${IN_FLIGHT} in flight, p99`,
        unit: "ms",
        ours: of(`${OURS}, ${name}`, ({ p99Ms }) => p99Ms),
        ...p99,
        ...(isTarget && p99.peer !== undefined ? { target: p99.peer } : {}),
      },
    ];
  };
  const one = "one write at a time";
  const readsPer = (other: string) => {
    const others = series.get(other) ?? [];
    return median((series.get(`${OURS}, reads`) ?? []).map((reads, slice) => reads.perSecond / (others[slice]?.perSecond ?? Number.NaN)));
  };
  return [
    ...rows("writes", ETCD, true),
    ...rows("writes", ETCD_GRPC, false),
    {
      name: `${one}, p50`,
      unit: "ms",
      ours: of(`${OURS}, ${one}`, ({ p50Ms }) => p50Ms),
      target: oneWriteBoundMs,
      ...beside(one, ({ p50Ms }) => p50Ms, ETCD),
    },
    ...rows("reads", ETCD, false),
    { name: "reads a write", unit: "times", ours: readsPer(`${OURS}, writes`), target: 3, isMoreBetter: true },
    { name: "reads, of those without ReadIndex", unit: "times", ours: readsPer(PLAIN), target: 0.7, isMoreBetter: true },
  ];
}
