import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "../..");

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A lab of the test's own: one pid namespace, one mount namespace with its own /run/netns and a tmpfs for all state. Its init process ends when this
 * process does, however that happens, and the kernel then removes every process, namespace, mount and file; cgroups that a killed run left are
 * swept by the next one.
 */
export class TestLab {
  readonly name: string;
  readonly #init: ChildProcess;
  readonly #initPid: number;

  private constructor(name: string, init: ChildProcess, initPid: number) {
    this.name = name;
    this.#init = init;
    this.#initPid = initPid;
  }

  static async open(): Promise<TestLab> {
    if (process.getuid?.() !== 0) throw new Error("the lab tests need root: they make network namespaces and containers");
    sweepCgroups();
    const script = `
      mount --make-rprivate /
      mkdir -p /run/netns
      mount -t tmpfs tmpfs /run/netns
      # Not on /var/lib/swarm-lab itself: when that is removed outside, by the end of another lab, the kernel detaches what is mounted on it here.
      mount -t tmpfs tmpfs /var/lib
      mkdir /var/lib/swarm-lab
      echo ready
      while read -r line; do :; done`;
    const init = spawn("unshare", ["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "bash", "-c", script], { stdio: ["pipe", "pipe", "inherit"] });
    await new Promise<void>((done, fail) => {
      init.once("error", fail);
      init.once("exit", (code) => fail(new Error(`the lab's init process ended with ${code}`)));
      init.stdout?.once("data", () => done());
    });
    const children = readFileSync(`/proc/${init.pid}/task/${init.pid}/children`, "utf8").trim();
    return new TestLab(`t${process.pid}-${labs++}`, init, Number(children.split(" ")[0]));
  }

  /** Runs a command inside the lab's namespaces, with its hosts' files in view. */
  run(command: readonly string[], options: { readonly input?: string | Uint8Array; readonly env?: Readonly<Record<string, string>> } = {}): Promise<Outcome> {
    if (this.#init.exitCode !== null || this.#init.signalCode !== null)
      return Promise.reject(new Error("the lab's init process has ended, and everything with it"));
    return new Promise((done, fail) => {
      const child = spawn("nsenter", ["--target", String(this.#initPid), "--pid", "--mount", "--root", `--wd=${repository}`, "--", ...command], {
        cwd: repository,
        env: { ...process.env, ...options.env },
        stdio: ["pipe", "pipe", "pipe"],
      });
      const stdout: Buffer[] = [];
      const stderr: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
      child.once("error", fail);
      child.once("close", (code, signal) =>
        done({ code: code ?? (signal === null ? 1 : 128), stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
      );
      child.stdin.on("error", () => {
        // The command ended without reading its input; its exit code tells whether that was right.
      });
      child.stdin.end(options.input);
    });
  }

  /** Sends a signal to a process of the lab; the outcome's code tells whether there was one. 0 only asks. */
  signal(signal: string, pid: string | number): Promise<Outcome> {
    return this.run(["bash", "-c", `kill -${signal} ${pid}`]);
  }

  /** `deploy/lab --name … verb`; fails the test with its words unless it exits with 0. */
  async lab(...args: readonly string[]): Promise<string> {
    const outcome = await this.run(["deploy/lab", "--name", this.name, ...args]);
    if (outcome.code !== 0) throw new Error(`deploy/lab ${args.join(" ")} exited with ${outcome.code}: ${outcome.stderr}${outcome.stdout}`);
    return outcome.stdout.trim();
  }

  /** Path of a node's API socket as this process can reach it. */
  socket(node: number): string {
    return `/proc/${this.#initPid}/root/var/lib/swarm-lab/${this.name}/${node}/swarmd.sock`;
  }

  /** The docker command line against a node; `client` is a path of one. */
  docker(client: string, node: number, ...args: readonly string[]): Promise<Outcome> {
    return this.run([client, "-H", `unix:///var/lib/swarm-lab/${this.name}/${node}/swarmd.sock`, ...args]);
  }

  logOf(node: number): string {
    return readFileSync(`/proc/${this.#initPid}/root/var/lib/swarm-lab/${this.name}/${node}/log`, "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run(["deploy/lab", "--name", this.name, "down"]);
    const ended = new Promise((done) => this.#init.once("exit", done));
    this.#init.stdin?.end();
    await ended;
    sweepCgroups();
  }
}

let labs = 0;

/** Command lines to test with: the 20.10 client that the set-up unpacked, and a newer one where it is on the PATH. */
export function dockerClients(): readonly string[] {
  const unpacked = join(repository, ".tools/docker/docker");
  const onPath = (process.env.PATH ?? "")
    .split(":")
    .map((folder) => join(folder, "docker"))
    .find(existsSync);
  return [unpacked, ...(onPath === undefined ? [] : [onPath])];
}

/** Removes the cgroups of test labs whose runner is gone, and of this one's that are down. Those of anybody else are left alone, also when they are idle. */
function sweepCgroups(): void {
  const hierarchies = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter((fields) => fields[2] === "cgroup" || fields[2] === "cgroup2")
    .map((fields) => join(fields[1] ?? "", "swarm-lab"))
    .filter(existsSync);
  for (const folder of hierarchies) {
    for (const name of namesIn(folder)) {
      const runner = /^t(\d+)-\d+$/.exec(name)?.[1];
      if (runner !== undefined && (runner === String(process.pid) || !existsSync(`/proc/${runner}`))) removeIdle(join(folder, name));
    }
    // Alone: what another runner makes in it at this moment is not idle, though nothing is in it yet.
    unlessTaken(() => rmdirSync(folder));
  }
}

function removeIdle(folder: string): void {
  unlessTaken(() => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeIdle(join(folder, entry.name));
    rmdirSync(folder);
  });
}

/** Another runner may use the folder again, or sweep it at the same time. */
function unlessTaken(sweep: () => void): void {
  try {
    sweep();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== "EBUSY" && code !== "ENOTEMPTY" && code !== "ENOENT") throw cause;
  }
}

function namesIn(folder: string): readonly string[] {
  let names: readonly string[] = [];
  unlessTaken(() => {
    names = readdirSync(folder);
  });
  return names;
}
