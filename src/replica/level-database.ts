import { Level } from "level";
import { ClusterError, messageOf } from "../base/errors.js";
import type { KeyRange, LogDatabase, LogRecord } from "./disk.js";
import { setDamagedTablesAside } from "./level-tables.js";

type Store = Level<string, Uint8Array>;

/** Checks the tables before LevelDB trusts them. Rejects with ClusterError `internal`, whose cause has LevelDB's own code; damaged tables are named. */
export async function openLevelDatabase(path: string, { createIfMissing }: { readonly createIfMissing: boolean }): Promise<LogDatabase> {
  const damaged = await setDamagedTablesAside(path);
  const level: Store = new Level(path, { valueEncoding: "view", compression: false, createIfMissing });
  try {
    await level.open();
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
    throw new ClusterError("internal", [messageOf(reason), ...damaged].join(": "), { cause: reason });
  }
  return new LevelDatabase(level);
}

class LevelDatabase implements LogDatabase {
  readonly #level: Store;

  constructor(level: Store) {
    this.#level = level;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#level.get(key);
  }

  range(range: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    return this.#level.iterator(range);
  }

  write(records: readonly LogRecord[]): Promise<void> {
    return this.#level.batch(
      records.map(({ key, value }) => ({ type: "put" as const, key, value })),
      { sync: true },
    );
  }

  put(key: string, value: Uint8Array): Promise<void> {
    return this.#level.put(key, value);
  }

  clear(range: KeyRange): Promise<void> {
    return this.#level.clear(range);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#level.close();
  }
}
