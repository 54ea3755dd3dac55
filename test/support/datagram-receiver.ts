import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { until } from "./until.js";

/** Node.js knows no datagrams of unix sockets: perl, which every Debian has, writes each as a line of hexadecimal digits. */
const SCRIPT = `
use strict; use Socket; $| = 1;
socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die "socket: $!"; unlink $ARGV[0];
bind($s, sockaddr_un($ARGV[0])) or die "bind: $!";
while (defined recv($s, my $data, 1 << 20, 0)) { print unpack("H*", $data), "\\n"; }`;

/** What arrives at a unix datagram socket, as journald and /dev/log are. Ends with this process. */
export class DatagramReceiver {
  readonly path: string;
  readonly datagrams: Buffer[] = [];
  readonly #child: ChildProcess;
  #held = "";

  private constructor(path: string) {
    this.path = path;
    this.#child = spawn("perl", ["-e", SCRIPT, path], { stdio: ["ignore", "pipe", "inherit"] });
    this.#child.stdout?.on("data", (data: Buffer) => {
      const lines = (this.#held + data.toString()).split("\n");
      this.#held = lines.pop() ?? "";
      this.datagrams.push(...lines.map((line) => Buffer.from(line, "hex")));
    });
  }

  static async open(path: string): Promise<DatagramReceiver> {
    const receiver = new DatagramReceiver(path);
    await until(`${path} is there`, () => existsSync(path));
    return receiver;
  }

  get texts(): readonly string[] {
    return this.datagrams.map((datagram) => datagram.toString());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}
