import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import { identityOf } from "../pki/identity.js";
import { CONNECT_TIMEOUT_MS } from "./connection.js";
import type { LiveIdentity } from "./live-identity.js";
import { dialManager } from "./raft-stream.js";
import { connectionError, unreachable } from "./status.js";

/** Id of the node that answers at an address (host:port) and proves to be a manager of this node's swarm. Rejects with ClusterError `unavailable` when none does. */
export function managerAt(address: string, { identity, clock }: { readonly identity: LiveIdentity; readonly clock: Clock }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = dialManager({ address }, identity);
    const cancelTimeout = clock.after(CONNECT_TIMEOUT_MS, () => socket.destroy(unreachable(address, `no answer within ${CONNECT_TIMEOUT_MS} ms`)));
    socket.on("secureConnect", () => {
      const peer = socket.getPeerX509Certificate();
      if (peer !== undefined) resolve(identityOf(peer).nodeId);
      socket.destroy();
    });
    socket.on("error", (cause) => reject(cause instanceof ClusterError ? cause : connectionError(address, cause)));
    socket.on("close", () => {
      cancelTimeout();
      reject(unreachable(address, "the connection was lost", "broken"));
    });
  });
}
