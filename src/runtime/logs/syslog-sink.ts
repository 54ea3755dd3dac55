import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { connect, isIP, type Socket } from "node:net";
import { hostname } from "node:os";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../../base/clock.js";
import { ClusterError } from "../../base/errors.js";
import type { LogLine } from "../container-runtime.js";
import type { LogSink } from "./log-sink.js";
import { StreamSink } from "./stream-sink.js";
import { formatSyslog } from "./syslog-format.js";
import type { SyslogTarget } from "./syslog-target.js";

export interface SinkTools {
  readonly clock: Clock;
  /** Sends one datagram to a unix socket at once; throws when it is not taken. */
  readonly sendDatagram: (path: string, data: Uint8Array) => void;
}

const CONNECT_MS = 10_000;
const NEWLINE = 10;

/** Sends lines to a syslog server. Messages end with a newline (RFC 6587, section 3.4.2), over TLS those of RFC 5424 begin with their length (RFC 5425, section 4.3). */
export function openSyslogSink(target: SyslogTarget, tag: string, tools: SinkTools): LogSink {
  const { transport, format, facility } = target;
  const ownName = hostname();
  const message = ({ stream, timestampNs, data }: LogLine) => {
    const text = data.at(-1) === NEWLINE ? data.subarray(0, -1) : data;
    return formatSyslog(format, { facility, isError: stream === "stderr", timestampNs, hostname: ownName, tag, pid: process.pid, text });
  };
  const ended = (line: LogLine) => Buffer.concat([message(line), Buffer.from("\n")]);
  const measured = (line: LogLine) => {
    const text = message(line);
    return Buffer.concat([Buffer.from(`${text.length} `), text]);
  };
  switch (transport.type) {
    case "unixgram":
      return { send: async (line) => tools.sendDatagram(transport.path, ended(line)), close: () => undefined };
    case "udp":
      return new DatagramSink(transport, ended);
    case "tcp":
      return new StreamSink(() => connected(connect(transport), "connect", tools.clock), ended);
    case "unix":
      return new StreamSink(() => connected(connect(transport), "connect", tools.clock), ended);
    case "tls":
      return new StreamSink(() => connectedByTls(transport, tools.clock), format.startsWith("rfc5424") ? measured : ended);
  }
}

async function connectedByTls(transport: Extract<SyslogTarget["transport"], { type: "tls" }>, clock: Clock): Promise<Socket> {
  const { host, port, ca, certificate, key, isVerified } = transport;
  const socket = connectTls({
    host,
    port,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === "" ? {} : { ca: await readFile(ca) }),
    ...(certificate === "" ? {} : { cert: await readFile(certificate), key: await readFile(key) }),
    rejectUnauthorized: isVerified,
  });
  return connected(socket, "secureConnect", clock);
}

function connected<S extends Socket>(socket: S, event: "connect" | "secureConnect", clock: Clock): Promise<S> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      cancel();
      socket.destroy();
      reject(cause);
    };
    const cancel = clock.after(CONNECT_MS, () => fail(new ClusterError("unavailable", `no connection within ${CONNECT_MS / 1000} s`)));
    socket.once("error", fail);
    socket.once(event, () => {
      cancel();
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

/** The network may lose what it takes: that is what was asked for. */
class DatagramSink implements LogSink {
  readonly #transport: { readonly host: string; readonly port: number };
  readonly #encode: (line: LogLine) => Buffer;
  #open: Promise<{ readonly socket: DatagramSocket; readonly address: string }> | null = null;

  constructor(transport: { readonly host: string; readonly port: number }, encode: (line: LogLine) => Buffer) {
    this.#transport = transport;
    this.#encode = encode;
  }

  async send(line: LogLine): Promise<void> {
    this.#open ??= this.#resolve();
    const { socket, address } = await this.#open;
    await new Promise<void>((resolve, reject) =>
      socket.send(this.#encode(line), this.#transport.port, address, (cause) => (cause ? reject(cause) : resolve())),
    );
  }

  close(): void {
    this.#open?.then(({ socket }) => socket.close()).catch(() => undefined); // Who sends hears of it.
  }

  async #resolve() {
    const { address, family } = await lookup(this.#transport.host);
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    // Every failure of a line is told to who sends it.
    socket.on("error", () => undefined);
    return { socket, address };
  }
}
