import { ClusterError } from "../../base/errors.js";
import { isDigest } from "./digest.js";
import { type HistoryEntry, type ImageDocument, optional, setOf } from "./image-document.js";
import type { ImageHealth } from "./image-health.js";
import { parseJson } from "./parse-json.js";

type Fields = Readonly<Record<string, unknown>>;

/** What clients read counts and nanoseconds as ends before it. */
const INT64_END = 2 ** 63;

/**
 * Reads the configuration of an image. Throws ClusterError `invalid_argument` that says what is wrong with it: its author may have been anybody, so what is
 * used later is looked at here, and everything else is left out.
 */
export function decodeImage(bytes: Uint8Array): ImageDocument {
  const document = recordOf(parseJson(bytes, "the image configuration"), "the image configuration");
  const rootfs = recordOf(document.rootfs, "rootfs of the image configuration");
  const diffIds = rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) throw invalid("rootfs.diff_ids of the image configuration is not a list of digests");
  const config = recordOf(document.config ?? {}, "config of the image configuration");
  const history = document.history ?? [];
  if (!Array.isArray(history)) throw invalid("history of the image configuration is not a list");
  return {
    architecture: textIn(document, "architecture") ?? "",
    ...optional("variant", textIn(document, "variant")),
    ...optional("created", textIn(document, "created")),
    ...optional("author", textIn(document, "author")),
    os: textIn(document, "os") ?? "",
    config: {
      ...optional("User", textIn(config, "User")),
      ...optional("ExposedPorts", setIn(config, "ExposedPorts")),
      ...optional("Env", listIn(config, "Env")),
      ...optional("Entrypoint", listIn(config, "Entrypoint")),
      ...optional("Cmd", listIn(config, "Cmd")),
      ...optional("Volumes", setIn(config, "Volumes")),
      ...optional("WorkingDir", textIn(config, "WorkingDir")),
      ...optional("Labels", labelsIn(config)),
      ...optional("StopSignal", textIn(config, "StopSignal")),
      ...optional("Healthcheck", healthIn(config)),
      ...optional("Shell", listIn(config, "Shell")),
    },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: history.map((entry) => historyOf(recordOf(entry, "an entry of the image's history"))),
  };
}

function historyOf(entry: Fields): HistoryEntry {
  return {
    ...optional("created", textIn(entry, "created")),
    ...optional("created_by", textIn(entry, "created_by")),
    ...optional("comment", textIn(entry, "comment")),
    ...(entry.empty_layer === true ? { empty_layer: true } : {}),
  };
}

function textIn(fields: Fields, key: string): string | undefined {
  const value = fields[key] ?? undefined;
  if (value !== undefined && typeof value !== "string") throw invalid(`"${key}" of the image configuration is not a string`);
  return value;
}

function listIn(fields: Fields, key: string): readonly string[] | undefined {
  const value = fields[key] ?? undefined;
  if (value !== undefined && !(Array.isArray(value) && value.every((item) => typeof item === "string"))) {
    throw invalid(`"${key}" of the image configuration is not a list of strings`);
  }
  return value;
}

function setIn(fields: Fields, key: string): Readonly<Record<string, object>> | undefined {
  const value = fields[key] ?? undefined;
  return value === undefined ? undefined : setOf(Object.keys(recordOf(value, `"${key}" of the image configuration`)));
}

function labelsIn(fields: Fields): Readonly<Record<string, string>> | undefined {
  const value = fields.Labels ?? undefined;
  if (value === undefined) return undefined;
  const labels = recordOf(value, `"Labels" of the image configuration`);
  if (!Object.values(labels).every((label) => typeof label === "string")) throw invalid(`"Labels" of the image configuration has a value that is not a string`);
  return labels as Readonly<Record<string, string>>;
}

function healthIn(fields: Fields): ImageHealth | undefined {
  const value = fields.Healthcheck ?? undefined;
  if (value === undefined) return undefined;
  const health = recordOf(value, `"Healthcheck" of the image configuration`);
  const number = (key: string) => {
    const count = health[key] ?? undefined;
    if (count !== undefined && !(typeof count === "number" && Number.isInteger(count) && count >= 0 && count < INT64_END))
      throw invalid(`"Healthcheck.${key}" of the image configuration is not a 64-bit integer from 0`);
    return count;
  };
  return {
    ...optional("Test", listIn(health, "Test")),
    ...optional("Interval", number("Interval")),
    ...optional("Timeout", number("Timeout")),
    ...optional("StartPeriod", number("StartPeriod")),
    ...optional("StartInterval", number("StartInterval")),
    ...optional("Retries", number("Retries")),
  };
}

function recordOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${what} is not a JSON object`);
  return value as Fields;
}

function invalid(text: string): ClusterError {
  return new ClusterError("invalid_argument", text);
}
