import { ClusterError } from "../../base/errors.js";
import { type LogAttributeSource, attributesOf, expandTag } from "./log-attributes.js";
import { type SyslogTarget, parseSyslogTarget } from "./syslog-target.js";

/** Which driver takes a container's output, and with which options, as Docker names them. An empty driver is the daemon's. */
export interface LogConfig {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

export const LOG_DRIVERS = ["json-file", "local", "none", "journald", "syslog"] as const;
export type LogDriver = (typeof LOG_DRIVERS)[number];

/** What a driver comes to: how the shim keeps output in files, and where it is sent from there. */
export interface LogPlan {
  /** "none" keeps nothing. */
  readonly format: "json-file" | "local" | "none";
  /** 0 is no limit. */
  readonly sizeBytesMax: number;
  readonly filesMax: number;
  /** Files are compressed once they are full. */
  readonly isCompressed: boolean;
  /** Told with each entry. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly isReadable: boolean;
  readonly forwarding: LogForwarding | null;
}

export interface LogForwarding {
  readonly target: { readonly type: "journald" } | SyslogTarget;
  readonly tag: string;
  /** More than this that was not sent yet is given up, oldest first; 0 leaves it to the files. */
  readonly backlogBytesMax: number;
}

const ATTRIBUTES = ["labels", "labels-regex", "env", "env-regex", "tag"];
const SYSLOG = ["syslog-address", "syslog-facility", "syslog-format", "syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify"];
const CACHE = ["cache-disabled", "cache-max-size", "cache-max-file"];
const MODE = ["mode", "max-buffer-size"];
const OPTIONS: Readonly<Record<LogDriver, readonly string[]>> = {
  "json-file": ["max-size", "max-file", "compress", ...ATTRIBUTES, ...MODE],
  local: ["max-size", "max-file", "compress", ...MODE],
  none: [],
  journald: [...ATTRIBUTES, ...CACHE, ...MODE],
  syslog: [...SYSLOG, ...ATTRIBUTES, ...CACHE, ...MODE],
};

const MEBIBYTE = 1024 ** 2;
/** Docker's default of max-buffer-size. */
const BUFFER_BYTES = MEBIBYTE;

/** Docker's rule: the daemon's driver where none is named, and its options wherever its driver is used. */
export function withDefaultLog(config: LogConfig, defaults: LogConfig): LogConfig {
  const driver = config.driver || defaults.driver;
  return { driver, options: driver === defaults.driver ? { ...defaults.options, ...config.options } : config.options };
}

/** Throws `invalid_argument`, in Docker's words where it has some. */
export function planLog({ driver, options }: LogConfig, source: LogAttributeSource): LogPlan {
  requireOptions(driver, options);
  const attributes = attributesOf(options, source);
  const none = { sizeBytesMax: 0, filesMax: 1, isCompressed: false, attributes, isReadable: true, forwarding: null };
  switch (driver) {
    case "none":
      return { ...none, format: "none", isReadable: false };
    case "json-file":
      return { ...none, format: "json-file", ...rotationOf(options, { prefix: "", sizeBytesMax: 0, filesMax: 1, isCompressed: false }) };
    case "local":
      return { ...none, format: "local", ...rotationOf(options, { prefix: "", sizeBytesMax: 20 * MEBIBYTE, filesMax: 5, isCompressed: true }) };
    default:
      return {
        ...none,
        format: "local",
        ...rotationOf(options, { prefix: "cache-", sizeBytesMax: 20 * MEBIBYTE, filesMax: 5, isCompressed: false }),
        isReadable: !booleanOf(options, "cache-disabled", false),
        forwarding: {
          target: driver === "journald" ? { type: "journald" } : parseSyslogTarget(options),
          tag: expandTag(options.tag || "{{.ID}}", source),
          backlogBytesMax: options.mode === "non-blocking" ? sizeOf(options, "max-buffer-size", BUFFER_BYTES) : 0,
        },
      };
  }
}

function requireOptions(driver: string, options: LogConfig["options"]): asserts driver is LogDriver {
  const known = LOG_DRIVERS.find((each) => each === driver);
  if (known === undefined) throw invalid(`logger: no log driver named '${driver}' is registered`);
  const unknown = Object.keys(options).find((name) => !OPTIONS[known].includes(name));
  if (unknown !== undefined && known !== "none") throw invalid(`unknown log opt '${unknown}' for ${known} log driver`);
  const { mode = "", "max-buffer-size": buffer } = options;
  if (!["", "blocking", "non-blocking"].includes(mode)) throw invalid(`logger: logging mode not supported: ${mode}`);
  if (buffer !== undefined && mode !== "non-blocking") throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  sizeOf(options, "max-buffer-size", 0);
}

interface Rotation {
  readonly sizeBytesMax: number;
  readonly filesMax: number;
  readonly isCompressed: boolean;
}

function rotationOf(options: LogConfig["options"], defaults: Rotation & { readonly prefix: string }): Rotation {
  const { prefix } = defaults;
  const sizeBytesMax = options[`${prefix}max-size`] === "-1" ? 0 : sizeOf(options, `${prefix}max-size`, defaults.sizeBytesMax);
  const files = options[`${prefix}max-file`] ?? `${defaults.filesMax}`;
  if (!/^\d{1,5}$/.test(files)) throw invalid(`log opt ${prefix}max-file "${files}" is not a number`);
  const filesMax = Number(files);
  if (filesMax < 1) throw invalid(`${prefix}max-file cannot be less than 1`);
  const isAsked = options.compress !== undefined;
  const isCompressed = booleanOf(options, "compress", defaults.isCompressed);
  if (isAsked && isCompressed && (filesMax < 2 || sizeBytesMax === 0)) {
    throw invalid("compress cannot be true when max-file is less than 2 or max-size is not set");
  }
  return { sizeBytesMax, filesMax, isCompressed: isCompressed && filesMax > 1 && sizeBytesMax > 0 };
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: MEBIBYTE, g: 1024 ** 3, t: 1024 ** 4 };

function sizeOf(options: LogConfig["options"], name: string, fallback: number): number {
  const text = options[name] ?? "";
  if (text === "") return fallback;
  const match = /^(\d{1,15}(?:\.\d{1,9})?)\s?([kmgt]?)(?:i?b)?$/i.exec(text);
  const size = match === null ? 0 : Math.floor(Number(match[1]) * (UNITS[(match[2] ?? "").toLowerCase()] ?? 1));
  if (size < 1 || !Number.isSafeInteger(size)) throw invalid(`log opt ${name} "${text}" is not a size such as 10m`);
  return size;
}

function booleanOf(options: LogConfig["options"], name: string, fallback: boolean): boolean {
  const text = options[name] ?? "";
  if (text === "") return fallback;
  // As Go parses it.
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalid(`log opt ${name} "${text}" is neither true nor false`);
}

function invalid(text: string): ClusterError {
  return new ClusterError("invalid_argument", text);
}
