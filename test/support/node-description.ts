import type { NodeDescription } from "../../src/model/objects.js";

const GIB = 1024n ** 3n;

/** A node with 4 cores and 8 GiB. */
export function nodeDescription(hostname: string, change: Partial<NodeDescription> = {}): NodeDescription {
  return {
    hostname,
    platform: { architecture: "x86_64", os: "linux" },
    resources: { nanoCpus: 4_000_000_000n, memoryBytes: 8n * GIB, generic: [] },
    engine: { engineVersion: "0.1.0", labels: {}, plugins: [{ type: "Log", name: "json-file" }] },
    tlsInfo: null,
    ...change,
  };
}
