import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemCodeOf } from "../../base/errors.js";
import { Turns } from "../../base/turns.js";
import type { HealthState, HealthStatus, ProbeResult } from "./health-state.js";

/** What one run of a container, which its start tells from others, was found to be. */
export interface HealthRecord extends HealthState {
  readonly startedAtMs: number;
}

/** Keeps what containers were found to be over restarts of the daemon. */
export interface HealthRecords {
  /** Null when nothing is known. Drops what is kept of containers that are not among `ids`. */
  load(ids: readonly string[]): Promise<ReadonlyMap<string, HealthRecord>>;
  save(id: string, record: HealthRecord): Promise<void>;
  remove(id: string): Promise<void>;
}

const STATUSES: readonly HealthStatus[] = ["starting", "healthy", "unhealthy"];

/** A file each, whole or not at all. Not flushed: what a power cut takes with it, containers do not survive either. */
export class HealthFolder implements HealthRecords {
  readonly #folder: string;
  /** One write after the other. */
  readonly #turns = new Turns();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async load(ids: readonly string[]): Promise<ReadonlyMap<string, HealthRecord>> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const records = new Map<string, HealthRecord>();
    for (const name of await readdir(this.#folder)) {
      const record = ids.includes(name) ? parseRecord(await readFile(join(this.#folder, name), "utf8")) : null;
      if (record === null) await rm(join(this.#folder, name), { force: true });
      else records.set(name, record);
    }
    return records;
  }

  save(id: string, record: HealthRecord): Promise<void> {
    return this.#inTurn(async () => {
      const path = join(this.#folder, id);
      await writeFile(`${path}.new`, JSON.stringify(record));
      await rename(`${path}.new`, path);
    });
  }

  remove(id: string): Promise<void> {
    return this.#inTurn(() => rm(join(this.#folder, id), { force: true }));
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    return this.#turns.take(write).catch((cause: unknown) => {
      // The folder is gone with the data of a daemon that is being removed.
      if (systemCodeOf(cause) !== "ENOENT") throw cause;
    });
  }
}

function isResult(value: Partial<ProbeResult> | null): boolean {
  const numbers = [value?.startedAtMs, value?.endedAtMs, value?.exitCode];
  return numbers.every((each) => typeof each === "number") && typeof value?.output === "string";
}

/** Null for what is no record: it is only a hint. */
function parseRecord(text: string): HealthRecord | null {
  try {
    const value = JSON.parse(text) as Partial<HealthRecord> | null;
    const status = STATUSES.find((each) => each === value?.status);
    if (status === undefined || typeof value?.startedAtMs !== "number") return null;
    const { startedAtMs, failingStreak = 0, log = [] } = value;
    return typeof failingStreak === "number" && Array.isArray(log) && log.every(isResult) ? { startedAtMs, status, failingStreak, log } : null;
  } catch {
    // Cut or damaged.
    return null;
  }
}
