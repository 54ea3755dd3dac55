import { DEFAULT_CLUSTER_SPEC } from "../../src/model/defaults.js";
import type { Cluster } from "../../src/model/objects.js";

/** The cluster object as `init` makes it, without a root certificate. */
export function testCluster(change: Partial<Cluster> = {}): Cluster {
  return {
    id: "cluster1",
    meta: null,
    spec: DEFAULT_CLUSTER_SPEC,
    rootCa: null,
    defaultAddressPool: [],
    subnetSize: 24,
    dataPathPort: 4789,
    incarnation: "one",
    removedNodes: {},
    formerIncarnations: [],
    ...change,
  };
}
