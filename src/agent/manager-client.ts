import type {
  AssignmentsMessage,
  AssignmentsRequest,
  HeartbeatReply,
  HeartbeatRequest,
  ListenSubscriptionsRequest,
  LogSubscription,
  ManagerPeer,
  PublishLogsMessage,
  SessionMessage,
  SessionRequest,
  UpdateDescriptionRequest,
  UpdateTaskStatusRequest,
} from "../wire/generated/dispatcher.js";

/**
 * What an agent asks of the leader's dispatcher. A manager that does not lead refuses each call with ClusterError `unavailable` whose
 * `details.leader` is the leader's host:port, empty when it knows none. Streams end with an error when the connection breaks, and stop
 * when the signal aborts.
 */
export interface ManagerClient {
  session(request: SessionRequest, signal: AbortSignal): AsyncIterable<SessionMessage>;
  heartbeat(request: HeartbeatRequest, signal: AbortSignal): Promise<HeartbeatReply>;
  updateTaskStatus(request: UpdateTaskStatusRequest, signal: AbortSignal): Promise<void>;
  updateDescription(request: UpdateDescriptionRequest, signal: AbortSignal): Promise<void>;
  assignments(request: AssignmentsRequest, signal: AbortSignal): AsyncIterable<AssignmentsMessage>;
  listenSubscriptions(request: ListenSubscriptionsRequest, signal: AbortSignal): AsyncIterable<LogSubscription>;
  publishLogs(messages: AsyncIterable<PublishLogsMessage>, signal: AbortSignal): Promise<void>;
}

/** A client for one manager, until closed. */
export interface ManagerConnection {
  readonly client: ManagerClient;
  close(): void;
}

/** Finds a manager to talk to. */
export interface ManagerConnector {
  /** `leader` is the address that the last manager named, empty when it named none. Rejects when no manager could be reached. */
  connect(leader: string, signal: AbortSignal): Promise<ManagerConnection>;
  /** The managers as the cluster sees them now: the places to look when the present one is lost. */
  learn(managers: readonly ManagerPeer[]): void;
}
