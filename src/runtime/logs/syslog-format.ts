/** Docker's syslog-format; empty is the form that local servers take. */
export type SyslogFormat = "" | "rfc3164" | "rfc5424" | "rfc5424micro";

export interface SyslogMessage {
  readonly facility: number;
  readonly isError: boolean;
  readonly timestampNs: bigint;
  readonly hostname: string;
  readonly tag: string;
  readonly pid: number;
  /** Without its newline. */
  readonly text: Uint8Array;
}

const SEVERITY_ERROR = 3;
const SEVERITY_INFO = 6;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** One message as Docker writes it (moby: daemon/logger/syslog/syslog.go, RFC 3164 section 4, RFC 5424 section 6), with the time at which the program wrote it. */
export function formatSyslog(format: SyslogFormat, message: SyslogMessage): Buffer {
  return Buffer.concat([Buffer.from(headOf(format, message)), message.text]);
}

function headOf(format: SyslogFormat, { facility, isError, timestampNs, hostname, tag, pid }: SyslogMessage): string {
  const priority = facility * 8 + (isError ? SEVERITY_ERROR : SEVERITY_INFO);
  switch (format) {
    case "":
      return `<${priority}>${stampOf(timestampNs)} ${tag}[${pid}]: `;
    case "rfc3164":
      return `<${priority}>${stampOf(timestampNs)} ${hostname} ${tag}[${pid}]: `;
    default: {
      const word = wordOf(tag);
      return `<${priority}>1 ${isoTime(timestampNs, format === "rfc5424micro")} ${wordOf(hostname)} ${word} ${pid} ${word} - `;
    }
  }
}

/** Local time, "Nov  7 13:04:05". */
function stampOf(timestampNs: bigint): string {
  const time = new Date(Number(timestampNs / 1_000_000n));
  const two = (value: number) => `${value}`.padStart(2, "0");
  return `${MONTHS[time.getMonth()]} ${`${time.getDate()}`.padStart(2)} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

function isoTime(timestampNs: bigint, isMicro: boolean): string {
  const seconds = new Date(Number(timestampNs / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  const micro = `${(timestampNs % 1_000_000_000n) / 1000n}`.padStart(6, "0");
  return isMicro ? `${seconds}.${micro}Z` : `${seconds}Z`;
}

/** Printable ASCII without spaces, as the header's fields are; at most 48 of them. */
function wordOf(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, "_").slice(0, 48) || "-";
}
