import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { makeCertificates } from "./certificate-files.js";
import { ownAddress } from "./own-address.js";
import { until } from "./until.js";

/** Unpacked from Debian's packages by deploy/setup. */
const ROOT = resolve(import.meta.dirname, "../../.tools/rsyslog/usr");
const LIBRARIES = () => join(ROOT, "lib", readdirSync(join(ROOT, "lib")).find((name) => name.includes("linux")) ?? "");

/** A message as rsyslog understood it: its own words for the parts (rsyslog: properties). */
export interface ParsedMessage {
  readonly input: string;
  readonly version: string;
  readonly pri: string;
  readonly time: string;
  readonly hostname: string;
  readonly tag: string;
  readonly app: string;
  readonly procid: string;
  readonly msgid: string;
  readonly structured: string;
  readonly msg: string;
}

const PROPERTIES = {
  input: "inputname",
  version: "protocol-version",
  pri: "pri",
  hostname: "hostname",
  tag: "syslogtag",
  app: "app-name",
  procid: "procid",
  msgid: "msgid",
  structured: "structured-data",
  msg: "msg",
};

/** Debian's rsyslogd at an address of its own, over UDP, TCP and TLS, and at a unix socket; it writes what it parsed into a file. */
export class Rsyslog implements AsyncDisposable {
  readonly address = ownAddress();
  readonly folder: string;
  /** What it said about itself and its clients. */
  readonly complaints: string[] = [];
  #process: ChildProcess | null = null;

  /** `folder` is made. */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder);
    makeCertificates(folder, this.address);
    writeFileSync(join(folder, "rsyslog.conf"), this.#settings());
  }

  get socket(): string {
    return join(this.folder, "log");
  }

  get authority(): string {
    return join(this.folder, "ca.crt");
  }

  /** Resolves when it listens everywhere. */
  async start(): Promise<void> {
    const words = ["-n", "-C", "-f", join(this.folder, "rsyslog.conf"), "-i", join(this.folder, "pid"), "-M", join(LIBRARIES(), "rsyslog")];
    const env = { ...process.env, LD_LIBRARY_PATH: LIBRARIES() };
    const started = spawn(join(ROOT, "sbin/rsyslogd"), words, { stdio: ["ignore", "ignore", "pipe"], env });
    started.stderr.on("data", (data: Buffer) => this.complaints.push(data.toString()));
    this.#process = started;
    await until("rsyslogd listens", () => existsSync(this.socket) && this.#listeners() === 3, 30);
  }

  async stop(): Promise<void> {
    const process = this.#process;
    if (process === null || process.exitCode !== null) return;
    const ended = once(process, "exit");
    process.kill("SIGTERM");
    await ended;
  }

  messages(): readonly ParsedMessage[] {
    const path = join(this.folder, "messages");
    if (!existsSync(path)) return [];
    // What it is writing is not there yet.
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as ParsedMessage);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #listeners(): number {
    return execFileSync("ss", ["-lntuH", "src", this.address], { encoding: "utf8" }).split("\n").filter(Boolean).length;
  }

  #settings(): string {
    const { address, folder } = this;
    const listening = (port: number) => `address="${address}" port="${port}"`;
    const properties = Object.entries(PROPERTIES).map(([outname, name]) => `property(outname="${outname}" name="${name}" format="jsonf")`);
    return `
global(workDirectory="${folder}" defaultNetstreamDriverCAFile="${folder}/ca.crt" defaultNetstreamDriverCertFile="${folder}/server.crt" defaultNetstreamDriverKeyFile="${folder}/server.key")
module(load="imudp")
module(load="imtcp")
module(load="imuxsock" sysSock.use="off")
template(name="parsed" type="list" option.jsonf="on") {
  ${properties.join("\n  ")}
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
}
input(type="imudp" ${listening(514)} name="udp")
input(type="imtcp" ${listening(514)} name="tcp")
input(type="imtcp" ${listening(6514)} name="tls" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imuxsock" socket="${folder}/log" useSysTimeStamp="off" ignoreTimestamp="off")
action(type="omfile" file="${folder}/messages" template="parsed")
`;
  }
}
