import type { Cluster } from "../../../model/objects.js";
import { wantedTlsInfo } from "../../../pki/tls-info.js";
import type { Json } from "../json.js";
import { clusterSpecToDocker } from "./cluster-spec.js";
import { tlsInfoToDocker } from "./node.js";
import { metaJson } from "./time.js";

/** The cluster without its join tokens: what `docker info` shows. The signing key never leaves the managers. */
export function clusterInfoToDocker(cluster: Cluster): { readonly [name: string]: Json } {
  const { rootCa } = cluster;
  return {
    ID: cluster.id,
    ...metaJson(cluster.meta),
    Spec: cluster.spec === null ? {} : clusterSpecToDocker(cluster.spec),
    // Clients compare it with that of each node, to tell which nodes still trust another root.
    TLSInfo: tlsInfoToDocker(rootCa === null ? null : wantedTlsInfo(rootCa)),
    RootRotationInProgress: rootCa !== null && rootCa.rotation !== null,
    DefaultAddrPool: cluster.defaultAddressPool,
    SubnetSize: cluster.subnetSize,
    DataPathPort: cluster.dataPathPort,
  };
}

export function clusterToDocker(cluster: Cluster): Json {
  const tokens = cluster.rootCa?.joinTokens;
  return { ...clusterInfoToDocker(cluster), JoinTokens: { Worker: tokens?.worker ?? "", Manager: tokens?.manager ?? "" } };
}
