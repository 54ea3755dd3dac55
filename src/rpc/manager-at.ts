import { connect, type PeerCertificate } from "node:tls";
import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import { identityOf } from "../pki/identity.js";
import { MANAGER_NAME } from "./channel-options.js";
import { CONNECT_TIMEOUT_MS, checkManager } from "./connection.js";
import type { LiveIdentity } from "./live-identity.js";
import { RAFT_PROTOCOL } from "./raft-stream.js";
import { endpointOf } from "./secure-listener.js";
import { connectionError, unreachable } from "./status.js";

/** Id of the node that answers at an address (host:port) and proves to be a manager of this node's swarm. Rejects with ClusterError `unavailable` when none does. */
export function managerAt(address: string, { identity, clock }: { readonly identity: LiveIdentity; readonly clock: Clock }): Promise<string> {
  const { rootCertificate, certificate, key } = identity.credentials;
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...endpointOf(address),
      ca: rootCertificate,
      cert: certificate,
      key,
      ALPNProtocols: [RAFT_PROTOCOL],
      servername: MANAGER_NAME,
      checkServerIdentity: (name: string, peer: PeerCertificate) => checkManager(name, undefined, peer),
    });
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
