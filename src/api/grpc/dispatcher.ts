import type { ServiceHandlers } from "../../rpc/server-call.js";
import type {
  AssignmentsMessage,
  AssignmentsRequest,
  DispatcherService,
  HeartbeatReply,
  HeartbeatRequest,
  SessionMessage,
  SessionRequest,
  UpdateDescriptionRequest,
  UpdateTaskStatusRequest,
} from "../../wire/generated/dispatcher.js";
import { type LeaderAccess, requireLeader } from "./leader.js";

/** A node, proven by its certificate, and the IP address that it was seen at. */
export interface NodeCaller {
  readonly nodeId: string;
  readonly address: string;
}

/** The leader's dispatcher, as far as agents reach it. */
export interface Dispatcher {
  session(caller: NodeCaller, request: SessionRequest, signal: AbortSignal): AsyncIterable<SessionMessage>;
  heartbeat(caller: NodeCaller, request: HeartbeatRequest): Promise<HeartbeatReply>;
  updateTaskStatus(caller: NodeCaller, request: UpdateTaskStatusRequest): Promise<void>;
  updateDescription(caller: NodeCaller, request: UpdateDescriptionRequest): Promise<void>;
  assignments(caller: NodeCaller, request: AssignmentsRequest, signal: AbortSignal): AsyncIterable<AssignmentsMessage>;
}

/** Agents and the leader's dispatcher. A follower refuses and says where the leader is. */
export function dispatcherHandlers(access: LeaderAccess<{ readonly dispatcher: Dispatcher }>): ServiceHandlers<typeof DispatcherService> {
  const dispatcher = () => requireLeader(access).dispatcher;
  return {
    session: (request, { caller, signal }) => dispatcher().session(caller, request, signal),
    heartbeat: async (request, { caller }) => dispatcher().heartbeat(caller, request),
    async updateTaskStatus(request, { caller }) {
      await dispatcher().updateTaskStatus(caller, request);
      return {};
    },
    async updateDescription(request, { caller }) {
      await dispatcher().updateDescription(caller, request);
      return {};
    },
    assignments: (request, { caller, signal }) => dispatcher().assignments(caller, request, signal),
  };
}
