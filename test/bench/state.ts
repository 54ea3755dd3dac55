import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plainRecords, type RecordCodec } from "../../src/replica/record-codec.js";
import { SnapshotFolder } from "../../src/replica/snapshot-folder.js";
import { longestTurnMs } from "../support/longest-turn.js";
import { MemoryNetwork } from "../support/memory-network.js";
import { recordsOf } from "../support/records.js";
import { Host, setRaftConfig, until } from "../support/replica-group.js";
import { assignedTask } from "../support/tasks.js";
import { median } from "./lab-command.js";
import type { BenchOptions, Figure } from "./main.js";

const OBJECTS = 100_000;
const OBJECTS_PER_WRITE = 200;
const WRITES = 500;

/** One member's state on a real disk, without daemon and network: what a large store costs, and what encryption at rest does. */
export async function benchState({ runs, say }: BenchOptions): Promise<readonly Figure[]> {
  const root = await mkdtemp(join(tmpdir(), "bench-state-"));
  try {
    const [sealed, plain]: [number[], number[]] = [[], []];
    for (let run = 1; run <= runs; run++) {
      plain.push(await writeMs(join(root, `plain-${run}`), plainRecords));
      sealed.push(await writeMs(join(root, `sealed-${run}`), recordsOf("a")));
      say(`state, run ${run} of ${runs}: a write ${sealed.at(-1)?.toFixed(2)} ms sealed, ${plain.at(-1)?.toFixed(2)} ms plain`);
    }
    const large = join(root, "large");
    const turns = await fill(large, runs, say);
    const restarts: number[] = [];
    for (let run = 1; run <= runs; run++) {
      restarts.push(await restartSeconds(large));
      say(`state, run ${run} of ${runs}: restart ${restarts.at(-1)?.toFixed(2)} s`);
    }
    return [
      { name: "write to one member, sealed, one in flight", unit: "ms", ours: median(sealed), peer: median(plain), peerName: "not sealed" },
      { name: "restart with 100,000 tasks to leading", unit: "s", ours: median(restarts), target: 3 },
      { name: "longest turn while 100,000 tasks are written to a snapshot", unit: "ms", ours: Math.max(...turns), target: 50 },
    ];
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function opened(root: string, codec: RecordCodec = recordsOf("a")): Promise<Host> {
  return await new Host(new MemoryNetwork(), "a", root).open({ codec });
}

async function founded(root: string, codec?: RecordCodec): Promise<Host> {
  const host = await opened(root, codec);
  await host.replica.bootstrap({ nodeId: "a", address: host.address });
  host.run();
  await until(() => host.isLeader);
  return host;
}

/** Median of writes that follow each other. */
async function writeMs(root: string, codec: RecordCodec): Promise<number> {
  const host = await founded(root, codec);
  const times: number[] = [];
  for (let at = 0; at < WRITES; at++) {
    const begin = performance.now();
    await host.write(`object-${at}`);
    times.push(performance.now() - begin);
  }
  await host.stop();
  return median(times);
}

/** Makes the tasks, so that snapshots and a log are on the disk; resolves with the longest turn, in ms, of each of some more snapshots. */
async function fill(root: string, runs: number, say: (line: string) => void): Promise<readonly number[]> {
  const host = await founded(root);
  await setRaftConfig(host, { snapshotInterval: 200, logEntriesForSlowFollowers: 50 });
  for (let from = 0; from < OBJECTS; from += OBJECTS_PER_WRITE) {
    await host.store.update((tx) => {
      for (let at = from; at < from + OBJECTS_PER_WRITE; at++) tx.create("task", { ...assignedTask(`task-${at}`), meta: null, serviceId: `s${at % 1000}` });
    });
  }
  const folder = await SnapshotFolder.open(join(root, "more"), recordsOf("a"));
  const { applied, term } = host.replica.status();
  const turns: number[] = [];
  for (let run = 1; run <= runs; run++) {
    turns.push(await longestTurnMs(() => folder.write({ meta: { index: applied, term, config: null }, members: [] }, host.store.objects())));
    say(`state, run ${run} of ${runs}: longest turn while a snapshot is written ${turns.at(-1)?.toFixed(1)} ms`);
  }
  await host.stop();
  return turns;
}

async function restartSeconds(root: string): Promise<number> {
  const begin = performance.now();
  const host = await opened(root);
  host.run();
  await until(() => host.isLeader);
  const took = (performance.now() - begin) / 1000;
  const count = [...host.store.objects()].filter((object) => object.type === "task").length;
  await host.stop();
  if (count !== OBJECTS) throw new Error(`${count} of ${OBJECTS} tasks are there after a restart`);
  return took;
}
