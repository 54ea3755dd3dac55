import { readFile } from "node:fs/promises";
import { checkedText, withCheck } from "../base/checked-text.js";
import { writeFileDurably } from "../base/durable-file.js";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import type { LogConfig } from "./logs/log-plan.js";
import type { ContainerConfig } from "./container-config.js";
import type { ProcessConfig } from "./process-config.js";

/** What is kept of a container from its making on. How it runs and ended is not here: the shim knows, and its exit record after it. */
export interface ContainerRecord {
  readonly version: 1;
  readonly config: ContainerConfig;
  readonly imageId: string;
  readonly process: ProcessConfig;
  readonly createdAtMs: number;
}

/** Whole or not at all, and durable: nobody but this host knows of a container that a person made. */
export async function writeRecord(path: string, record: ContainerRecord): Promise<void> {
  await writeFileDurably(path, withCheck(`${JSON.stringify(record)}\n`));
}

/** What a record has that was written before there was more to say. */
const LATER_SETTINGS = {
  domainname: "",
  terminal: { isTerminal: false, hasInput: false, isInputOnce: false },
  isPrivileged: false,
  devices: [],
  seccomp: "default",
  runtime: "",
  hasInit: false,
  sharedMemoryBytes: 0,
  health: null,
  single: null,
} as const satisfies Partial<ContainerConfig>;

/** Records from when there was one driver say how large its files may be. */
function logOf(log: LogConfig | { readonly sizeBytesMax: number; readonly filesMax: number }): LogConfig {
  if ("driver" in log) return log;
  const size = log.sizeBytesMax === 0 ? {} : { "max-size": `${log.sizeBytesMax}` };
  return { driver: "json-file", options: { ...size, "max-file": `${log.filesMax}` } };
}

function withDefaults(record: ContainerRecord): ContainerRecord {
  return {
    ...record,
    config: { ...LATER_SETTINGS, ...record.config, log: logOf(record.config.log) },
    process: { ...record.process, health: record.process.health ?? null },
  };
}

/** Null when there is none: the container was never made, or is being removed. Throws `internal` when it is damaged or of another version. */
export async function readRecord(path: string): Promise<ContainerRecord | null> {
  try {
    const value: unknown = JSON.parse(checkedText(await readFile(path, "utf8")));
    if (typeof value === "object" && value !== null && "version" in value && value.version === 1) return withDefaults(value as ContainerRecord);
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return null;
    throw new ClusterError("internal", `container record ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  throw new ClusterError("internal", `container record ${path} is of another version`);
}
