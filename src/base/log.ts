import { pino } from "pino";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
export const LOG_LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/** Structured log: fields first, then a sentence. Errors go in the field `err`. Secrets never. */
export interface Logger {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds these fields to each line. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
}

/** Lines of JSON on the given descriptor (2 is stderr), written synchronously: the last line before a crash is there. */
export function createLogger(options: { readonly level: LogLevel; readonly descriptor?: number }): Logger {
  return pino(
    { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
    pino.destination({ dest: options.descriptor ?? 2, sync: true }),
  );
}

export const silentLogger: Logger = pino({ level: "silent" });
