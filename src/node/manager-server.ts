import { caHandlers } from "../api/grpc/ca.js";
import { controlHandlers } from "../api/grpc/control.js";
import { dispatcherHandlers } from "../api/grpc/dispatcher.js";
import { logsHandlers } from "../api/grpc/logs.js";
import { raftHandlers, raftStreams } from "../api/grpc/raft.js";
import type { Clock } from "../base/clock.js";
import type { Logger } from "../base/log.js";
import type { Manager } from "../manager/manager.js";
import type { CertificateIdentity } from "../pki/identity.js";
import type { Replica } from "../replica/replica.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import { RpcServer } from "../rpc/server.js";
import type { Store } from "../store/store.js";
import { CaService } from "../wire/generated/ca.js";
import { type ControlReply, type ControlRequest, ControlService } from "../wire/generated/control.js";
import { DispatcherService, LogsService } from "../wire/generated/dispatcher.js";
import { RaftService } from "../wire/generated/raft.js";
import { currentRole } from "./admission.js";
import { VERSION } from "./version.js";

export interface ManagerServerParts {
  readonly identity: LiveIdentity;
  readonly incarnation: string;
  readonly store: Store;
  readonly replica: Replica;
  /** What the leader offers, while this member leads. */
  readonly leading: () => Manager | null;
  /** host:port; "" when none is known. */
  readonly leaderAddress: () => string;
  /** Carries a write to the leader. */
  readonly write: (request: ControlRequest) => Promise<ControlReply>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The server on 2377 with all services of a manager; it does not listen yet. */
export function managerServer({ identity, store, replica, leading, leaderAddress, write, clock, logger, ...own }: ManagerServerParts): RpcServer {
  const { clusterId } = identity.identity;
  const incarnation = () => ({ incarnation: own.incarnation, formerIncarnations: store.view.cluster?.formerIncarnations ?? [] });
  const access = { leader: () => leaderParts(leading()), leaderAddress };
  // The loops of the leader run on a store that holds all that was committed before.
  const admit = (certificate: CertificateIdentity) => currentRole(store.view, certificate, leading() !== null);
  const rootCertificate = () => identity.credentials.rootCertificate;
  const raft = { clusterId, incarnation, raftId: replica.status().raftId, nodeOf: (raftId: number) => replica.nodeOf(raftId), inbox: replica };
  return new RpcServer({ identity, clock, logger, admit })
    .add(CaService, caHandlers({ clusterId, programVersion: VERSION, clock, rootCertificate, write }))
    .add(ControlService, controlHandlers({ control: () => leading()?.control ?? null, leaderAddress, incarnation }))
    .add(DispatcherService, dispatcherHandlers(access))
    .add(LogsService, logsHandlers(access))
    .add(RaftService, raftHandlers(raft))
    .addRaftStreams(raftStreams(raft));
}

function leaderParts(manager: Manager | null): { readonly dispatcher: Manager["dispatcher"]; readonly logs: Manager["logBroker"] } | null {
  return manager === null ? null : { dispatcher: manager.dispatcher, logs: manager.logBroker };
}
