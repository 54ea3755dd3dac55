import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
export const repository = resolve(import.meta.dirname, "../..");

/** A lab of one kind of cluster, driven by the verbs of deploy/lab and by the docker command line. */
export class BenchLab {
  readonly #command: readonly string[];
  readonly #sockets = new Map<number, string>();

  constructor(command: readonly string[]) {
    this.#command = command;
  }

  async verb(...args: readonly string[]): Promise<string> {
    const [program = "", ...rest] = [...this.#command, ...args];
    return (await run(program, rest, { maxBuffer: 1 << 24 })).stdout.trim();
  }

  /** Runs docker against a node and resolves with what it printed. */
  async docker(node: number, args: readonly string[], timeoutMs = 0): Promise<string> {
    const socket = this.#sockets.get(node) ?? (await this.verb("socket", String(node)));
    this.#sockets.set(node, socket);
    return (await run(dockerClient(), ["-H", socket, ...args], { timeout: timeoutMs, maxBuffer: 1 << 24 })).stdout.trim();
  }
}

/** The client that the set-up unpacked: the same one against both labs. */
export function dockerClient(): string {
  return join(repository, ".tools/docker/docker");
}

export const ourLab = () => new BenchLab([join(repository, "deploy/lab"), "--name", "bench"]);

/** A lab of real Docker Swarm nodes, or null where Debian's dockerd could not be unpacked. */
export function dockerLab(): BenchLab | null {
  return existsSync(join(repository, ".tools/peer/usr/sbin/dockerd")) ? new BenchLab([join(repository, "test/bench/docker-lab")]) : null;
}

/** A lab of real etcd members, or null where Debian's etcd could not be unpacked. */
export function etcdLab(): BenchLab | null {
  return existsSync(join(repository, ".tools/etcd/usr/bin/etcd")) ? new BenchLab([join(repository, "test/bench/etcd-lab")]) : null;
}

export const seconds = async (action: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await action();
  return (performance.now() - started) / 1000;
};

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
