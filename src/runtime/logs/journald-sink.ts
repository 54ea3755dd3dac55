import type { LogLine } from "../container-runtime.js";
import { formatJournal, journalKey } from "./journald-format.js";
import type { LogSink } from "./log-sink.js";
import type { LogAttributeSource } from "./log-attributes.js";
import type { SinkTools } from "./syslog-sink.js";

/** Where journald listens (systemd-journald.socket). */
const SOCKET = "/run/systemd/journal/socket";
const PRIORITY = { stdout: "6", stderr: "3" } as const;
const NEWLINE = 10;

/** Sends lines to this host's journal, with the fields that Docker gives them (moby: daemon/logger/journald/journald.go). */
export function openJournaldSink(source: LogAttributeSource, tag: string, attributes: Readonly<Record<string, string>>, tools: SinkTools): LogSink {
  const extra = Object.entries(attributes).flatMap(([name, value]) => (name === "tag" || journalKey(name) === "" ? [] : [[journalKey(name), value] as const]));
  const constant = {
    ...Object.fromEntries(extra),
    CONTAINER_ID: source.id.slice(0, 12),
    CONTAINER_ID_FULL: source.id,
    CONTAINER_NAME: source.name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: source.imageName,
    SYSLOG_IDENTIFIER: tag,
  };
  const encode = ({ stream, timestampNs, data }: LogLine) => {
    const isWhole = data.at(-1) === NEWLINE;
    return formatJournal({
      MESSAGE: isWhole ? data.subarray(0, -1) : data,
      PRIORITY: PRIORITY[stream],
      SYSLOG_TIMESTAMP: timeText(timestampNs),
      ...(isWhole ? {} : { CONTAINER_PARTIAL_MESSAGE: "true" }),
      ...constant,
    });
  };
  return { send: async (line) => tools.sendDatagram(SOCKET, encode(line)), close: () => undefined };
}

function timeText(timestampNs: bigint): string {
  const seconds = new Date(Number(timestampNs / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${(timestampNs % 1_000_000_000n).toString().padStart(9, "0")}Z`;
}
