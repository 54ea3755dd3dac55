import { ClusterError } from "../base/errors.js";
import type { Caller, CallerRole } from "./caller.js";
import { RAFT_PROTOCOL } from "./raft-stream.js";

const EVERYONE: readonly CallerRole[] = ["manager", "worker", "anonymous"];
const NODES: readonly CallerRole[] = ["manager", "worker"];
const MANAGERS: readonly CallerRole[] = ["manager"];

/** Who may call what, the raft stream too. What is not here is refused to everyone. */
export const RULES: ReadonlyMap<string, readonly CallerRole[]> = new Map([
  // How a node gets its identity: a joiner has none yet. The handler asks for a token or a certificate.
  ["/swarm.v1.Ca/RootCertificate", EVERYONE],
  ["/swarm.v1.Ca/IssueCertificate", EVERYONE],
  // Proven by a certificate that TLS does not take any more: the handler looks at it.
  ["/swarm.v1.Ca/RenewalNonce", EVERYONE],
  ["/swarm.v1.Ca/RenewLate", EVERYONE],
  ["/swarm.v1.Dispatcher/Session", NODES],
  ["/swarm.v1.Dispatcher/Heartbeat", NODES],
  ["/swarm.v1.Dispatcher/UpdateTaskStatus", NODES],
  ["/swarm.v1.Dispatcher/UpdateDescription", NODES],
  ["/swarm.v1.Dispatcher/Assignments", NODES],
  ["/swarm.v1.Logs/SubscribeLogs", MANAGERS],
  ["/swarm.v1.Logs/ListenSubscriptions", NODES],
  ["/swarm.v1.Logs/PublishLogs", NODES],
  [RAFT_PROTOCOL, MANAGERS],
  ["/swarm.v1.Raft/Snapshot", MANAGERS],
  ["/swarm.v1.Raft/SnapshotReceived", MANAGERS],
  ["/swarm.v1.Control/Forward", MANAGERS],
]);

/** Throws ClusterError `unauthenticated` or `permission_denied` unless a rule lets the caller's role in. */
export function authorize(path: string, caller: Caller): void {
  if (RULES.get(path)?.includes(caller.role) === true) return;
  if (caller.role === "anonymous") throw new ClusterError("unauthenticated", `${path} needs a valid certificate of this cluster`);
  throw new ClusterError("permission_denied", `${path} is not open to node ${caller.nodeId} as a ${caller.role}`);
}
