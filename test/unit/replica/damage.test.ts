import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isClusterError } from "../../../src/base/errors.js";
import type { StoreObject } from "../../../src/model/objects.js";
import { MemoryNetwork } from "../../support/memory-network.js";
import { dataKeyOf, recordsOf } from "../../support/records.js";
import { Host, ReplicaGroup, setRaftConfig, until } from "../../support/replica-group.js";

/**
 * Goal: whatever happens to one file under a member's folder, the member either serves all that it acknowledged or refuses to start and says where.
 * Method: a folder is copied while its member runs, as a power cut leaves it, with every kind of file in it (log files and tables of the database,
 * a tail file, a snapshot). Each trial damages one place of a copy and starts a member on it.
 */

/** Files up to this size are damaged at every byte; of larger ones, this many places are drawn. */
const SMALL_BYTES = 256;
const PLACES = 40;
const SEED = 20_261_121;

interface World {
  readonly template: string;
  readonly objects: readonly StoreObject[];
  readonly raftId: number;
  readonly term: number;
}

interface Damage {
  readonly file: string;
  readonly title: string;
  readonly apply: (path: string) => void;
}

// Thousands of synchronous writes would take minutes on a disk.
const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "store-damage-"));
let world: World;
let trials = 0;

beforeAll(async () => {
  await using group = await ReplicaGroup.create();
  const codec = recordsOf("a");
  let a = await group.found("a", undefined, codec);
  await setRaftConfig(a, { snapshotInterval: 40, logEntriesForSlowFollowers: 10 });
  for (let at = 0; at < 60; at++) await a.write(`first-${at}`);
  await until(() => readdirSync(join(a.directory, "snapshots")).every((name) => !/^0+1-/.test(name)));
  // Its data key was changed while it ran: what the one before sealed must not be needed, nor be taken for what is there now.
  codec.rotate(dataKeyOf("a", 1));
  await a.replica.reseal(new AbortController().signal);
  for (let round = 0; round < 2; round++) {
    await a.stop();
    a = await group.restart("a", undefined, recordsOf("a", [1]));
    await until(() => a.isLeader);
    for (let at = 0; at < 6; at++) await a.write(`round-${round}-${at}`);
  }
  // Larger than what the tail keeps, and spread over several blocks of the database's log.
  await Promise.all([a.write("large", "x".repeat(300_000)), a.write("medium", "x".repeat(40_000))]);
  for (let at = 0; at < 4; at++) await a.write(`last-${at}`);
  const template = join(root, "template");
  cpSync(a.directory, template, { recursive: true });
  const { raftId, term } = a.replica.status();
  world = { template, objects: [...a.store.objects()], raftId, term };
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** "serves", "refuses", or what went wrong. */
async function outcomeOf(damage: (directory: string) => void): Promise<string> {
  const trial = join(root, String(trials++));
  mkdirSync(trial);
  const host = new Host(new MemoryNetwork(), "a", trial);
  cpSync(world.template, host.directory, { recursive: true });
  damage(host.directory);
  try {
    await host.open({ codec: recordsOf("a", [1]) });
  } catch (cause) {
    return refusalOf(cause, host.directory);
  } finally {
    if (host.replica === undefined) rmSync(trial, { recursive: true });
  }
  try {
    return await serviceOf(host);
  } finally {
    await host.stop();
    rmSync(trial, { recursive: true });
  }
}

function refusalOf(cause: unknown, directory: string): string {
  if (!isClusterError(cause, "failed_precondition")) return `refuses with ${cause}`;
  const { details, message } = cause;
  if (details.directory !== directory || !message.includes(directory)) return `refuses without naming the directory: ${message}`;
  if (!details.key || !message.includes(details.key)) return `refuses without naming a key: ${message}`;
  return /^\d+$/.test(details.index ?? "") && message.includes(`index ${details.index}`) ? "refuses" : `refuses without naming an index: ${message}`;
}

async function serviceOf(host: Host): Promise<string> {
  if (host.replica.isNew) return "has forgotten that it is a member";
  const { raftId, term } = host.replica.status();
  if (raftId !== world.raftId) return `is member ${raftId}`;
  if (term < world.term) return `has gone back to term ${term}`;
  host.run();
  await Promise.race([until(() => host.isLeader), host.running]);
  expect([...host.store.objects()]).toEqual(world.objects);
  return "serves";
}

function filesOf(folder: string, prefix = ""): readonly string[] {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
    const name = join(prefix, entry.name);
    return entry.isDirectory() ? filesOf(folder, name) : [name];
  });
}

/** Numbers from 0 to 1 that are the same in each run. */
function sequenceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
}

function offsetsOf(path: string, next: () => number): readonly number[] {
  const { size } = statSync(path);
  if (size <= SMALL_BYTES) return Array.from({ length: size }, (_, at) => at);
  // Most of the tail file and of the database's log is filling: half of the places are drawn where something is written.
  const written = [...readFileSync(path).entries()].filter(([, byte]) => byte !== 0).map(([at]) => at);
  return Array.from({ length: PLACES }, (_, at) => (at % 2 === 0 ? Math.floor(next() * size) : (written[Math.floor(next() * written.length)] ?? 0)));
}

function flip(path: string, offset: number, mask: number): void {
  const file = openSync(path, "r+");
  writeSync(file, Uint8Array.of((readFileSync(path)[offset] ?? 0) ^ mask), 0, 1, offset);
  closeSync(file);
}

const flips = (file: string, next: () => number): readonly Damage[] =>
  offsetsOf(join(world.template, file), next).map((offset) => {
    const mask = 1 << Math.floor(next() * 8);
    return { file, title: `byte ${offset} with ${mask}`, apply: (path) => flip(path, offset, mask) };
  });

function truncations(file: string, next: () => number): readonly Damage[] {
  const { size } = statSync(join(world.template, file));
  const lengths = [...new Set([0, 1, size >> 1, size - 1, ...Array.from({ length: 6 }, () => Math.floor(next() * size))])];
  return lengths
    .filter((length) => length >= 0 && length < size)
    .map((length) => ({ file, title: `cut at ${length}`, apply: (path) => truncateSync(path, length) }));
}

const removal = (file: string): Damage => ({ file, title: "removed", apply: (path) => rmSync(path) });

async function wrongOnes(damages: readonly Damage[]): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const { file, title, apply } of damages) {
    const outcome = await outcomeOf((directory) => apply(join(directory, file)));
    if (outcome !== "serves" && outcome !== "refuses") wrong.push(`${file}, ${title}: ${outcome}`);
  }
  return wrong;
}

test("the folder as a power cut leaves it serves everything, and has every kind of file", async () => {
  expect(await outcomeOf(() => undefined)).toBe("serves");
  const kinds = filesOf(world.template).map((file) => file.replace(/\d+/g, "N"));
  expect(kinds).toEqual(expect.arrayContaining(["log/CURRENT", "log/MANIFEST-N", "log/N.ldb", "log/N.log", "snapshots/N-N.snapshot", "tail"]));
});

test("a table that a crash left half written, and that nothing refers to, does no harm", async () => {
  const table = filesOf(world.template).find((file) => file.endsWith(".ldb")) ?? "";
  const half = readFileSync(join(world.template, table)).subarray(0, 100);
  expect(await outcomeOf((directory) => writeFileSync(join(directory, "log", "999999.ldb"), half))).toBe("serves");
});

describe("every file", () => {
  test("a flipped bit", async () => {
    const next = sequenceOf(SEED);
    expect(await wrongOnes(filesOf(world.template).flatMap((file) => flips(file, next)))).toEqual([]);
  });

  test("cut short, or removed", async () => {
    const next = sequenceOf(SEED + 1);
    const all = filesOf(world.template);
    expect(await wrongOnes([...all.flatMap((file) => truncations(file, next)), ...all.map(removal)])).toEqual([]);
  });

  test("folders removed as a whole", async () => {
    for (const names of [["log"], ["snapshots"], ["log", "tail"], ["tail", "snapshots"], ["log", "snapshots"]]) {
      const outcome = await outcomeOf((directory) => {
        for (const name of names) rmSync(join(directory, name), { recursive: true });
      });
      expect([names, outcome]).toEqual([names, "refuses"]);
    }
  });
});
