import { isAbsolute } from "node:path";
import { ClusterError } from "../../base/errors.js";
import type { SyslogFormat } from "./syslog-format.js";

/** Where and how messages are sent; files of certificates are read when a connection is made. */
export interface SyslogTarget {
  readonly type: "syslog";
  readonly transport:
    | { readonly type: "udp" | "tcp"; readonly host: string; readonly port: number }
    | {
        readonly type: "tls";
        readonly host: string;
        readonly port: number;
        readonly ca: string;
        readonly certificate: string;
        readonly key: string;
        readonly isVerified: boolean;
      }
    | { readonly type: "unix" | "unixgram"; readonly path: string };
  readonly facility: number;
  readonly format: SyslogFormat;
}

/** RFC 5424, table 1. */
const FACILITIES = [
  "kern",
  "user",
  "mail",
  "daemon",
  "auth",
  "syslog",
  "lpr",
  "news",
  "uucp",
  "cron",
  "authpriv",
  "ftp",
  "ntp",
  "security",
  "console",
  "solaris-cron",
  "local0",
  "local1",
  "local2",
  "local3",
  "local4",
  "local5",
  "local6",
  "local7",
];
const FORMATS: readonly SyslogFormat[] = ["", "rfc3164", "rfc5424", "rfc5424micro"];
const DEFAULT_PORT = 514;
/** What this host's own server listens on. */
const LOCAL_SOCKET = "/dev/log";

/** Throws `invalid_argument` that names the option. */
export function parseSyslogTarget(options: Readonly<Record<string, string>>): SyslogTarget {
  return {
    type: "syslog",
    transport: transportOf(options),
    facility: facilityOf(options["syslog-facility"] ?? ""),
    format: formatOf(options["syslog-format"] ?? ""),
  };
}

function transportOf(options: Readonly<Record<string, string>>): SyslogTarget["transport"] {
  const address = options["syslog-address"] ?? "";
  if (address === "") return { type: "unixgram", path: LOCAL_SOCKET };
  const [, scheme = "", rest = ""] = /^([a-z+]+):\/\/(.*)$/.exec(address) ?? [];
  switch (scheme) {
    case "unix":
    case "unixgram":
      if (!isAbsolute(rest)) throw invalid(`syslog-address "${address}" names no absolute path`);
      return { type: scheme, path: rest };
    case "udp":
    case "tcp":
      return { type: scheme, ...hostOf(address, rest) };
    case "tcp+tls":
      return { type: "tls", ...hostOf(address, rest), ...tlsOf(options) };
    case "":
      throw invalid(`syslog-address should be in form proto://address, got ${address}`);
    default:
      throw invalid(`unsupported scheme: '${scheme}' in syslog-address "${address}"`);
  }
}

function hostOf(address: string, rest: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:/[\]]+))(?::(\d{1,5}))?\/?$/i.exec(rest);
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  if (match === null || port < 1 || port > 65_535) throw invalid(`syslog-address "${address}" is not ${address.split(":")[0]}://host[:port]`);
  return { host: match[1] ?? match[2] ?? "", port };
}

function tlsOf(options: Readonly<Record<string, string>>) {
  const [ca = "", certificate = "", key = ""] = ["syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key"].map((name) => {
    const path = options[name] ?? "";
    if (path !== "" && !isAbsolute(path)) throw invalid(`${name} "${path}" is not an absolute path`);
    return path;
  });
  if ((certificate === "") !== (key === "")) throw invalid("syslog-tls-cert and syslog-tls-key belong together");
  // Docker skips it as soon as the option is there.
  return { ca, certificate, key, isVerified: options["syslog-tls-skip-verify"] === undefined };
}

/** A name or a number; Docker's default is daemon. */
function facilityOf(text: string): number {
  if (text === "") return FACILITIES.indexOf("daemon");
  const facility = /^\d{1,2}$/.test(text) ? Number(text) : FACILITIES.indexOf(text);
  if (facility < 0 || facility >= FACILITIES.length) throw invalid(`invalid syslog facility "${text}"`);
  return facility;
}

function formatOf(text: string): SyslogFormat {
  const format = FORMATS.find((each) => each === text);
  if (format === undefined) throw invalid(`Invalid syslog format "${text}": it is none of rfc3164, rfc5424 and rfc5424micro`);
  return format;
}

function invalid(text: string): ClusterError {
  return new ClusterError("invalid_argument", text);
}
