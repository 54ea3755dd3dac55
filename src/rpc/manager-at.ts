import type { Clock } from "../base/clock.js";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import { identityOf } from "../pki/identity.js";
import { CONNECT_TIMEOUT_MS } from "./connection.js";
import type { LiveIdentity } from "./live-identity.js";
import { dialManager } from "./raft-stream.js";
import { connectionError, unreachable } from "./status.js";

/** How TLS says that no root that is trusted here vouches for a certificate. */
const UNTRUSTED = new Set([
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

/** Id of the node that answers at an address (host:port) and proves to be a manager of this node's swarm. Rejects with ClusterError `unavailable` when none does. */
export function managerAt(address: string, { identity, clock }: { readonly identity: LiveIdentity; readonly clock: Clock }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = dialManager({ address }, identity);
    const cancelTimeout = clock.after(CONNECT_TIMEOUT_MS, () => socket.destroy(unreachable(address, `no answer within ${CONNECT_TIMEOUT_MS} ms`)));
    socket.on("secureConnect", () => {
      const peer = socket.getPeerX509Certificate();
      if (peer !== undefined) {
        const { nodeId, clusterId } = identityOf(peer);
        // Swarms may have one root: that of the organisation.
        if (clusterId === identity.identity.clusterId) resolve(nodeId);
        else reject(stranger(address, `its certificate is of swarm ${clusterId}`));
      }
      socket.destroy();
    });
    socket.on("error", (cause) => {
      if (cause instanceof ClusterError) reject(cause);
      else if (UNTRUSTED.has(systemCodeOf(cause) ?? "")) reject(stranger(address, "its certificate is of another root"));
      else reject(connectionError(address, cause));
    });
    socket.on("close", () => {
      cancelTimeout();
      reject(unreachable(address, "the connection was lost", "broken"));
    });
  });
}

function stranger(address: string, reason: string): ClusterError {
  return new ClusterError("unavailable", `what answers at ${address} is no manager of this node's swarm: ${reason}`);
}
