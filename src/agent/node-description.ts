import { arch, availableParallelism, hostname, totalmem } from "node:os";
import type { GenericResource, NodeDescription, NodeTlsInfo } from "../model/objects.js";
import { LOG_DRIVERS } from "../runtime/logs/log-plan.js";

/** Machine names as `uname -m` has them, which is what nodes report. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", arm: "armv7l", ia32: "i686" };

const PLUGINS: readonly { readonly type: string; readonly name: string }[] = [
  ...LOG_DRIVERS.filter((name) => name !== "none").map((name) => ({ type: "Log", name })),
  { type: "Network", name: "bridge" },
  { type: "Network", name: "host" },
  { type: "Network", name: "null" },
  { type: "Volume", name: "local" },
];

export interface DescriptionOptions {
  readonly engineVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tlsInfo?: NodeTlsInfo | null;
  readonly genericResources?: readonly GenericResource[];
}

/** What this host is and has, as managers keep it (swarm-surface 3.10). */
export function describeNode(options: DescriptionOptions): NodeDescription {
  return {
    hostname: hostname(),
    platform: { architecture: ARCHITECTURES[arch()] ?? arch(), os: "linux" },
    resources: {
      nanoCpus: BigInt(availableParallelism()) * 1_000_000_000n,
      memoryBytes: BigInt(totalmem()),
      generic: options.genericResources ?? [],
    },
    engine: { engineVersion: options.engineVersion, labels: options.labels, plugins: PLUGINS },
    tlsInfo: options.tlsInfo ?? null,
  };
}
