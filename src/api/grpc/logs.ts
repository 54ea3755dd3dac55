import type { ServiceHandlers } from "../../rpc/server-call.js";
import type {
  ListenSubscriptionsRequest,
  LogBatch,
  LogSubscription,
  LogsService,
  PublishLogsMessage,
  SubscribeLogsRequest,
} from "../../wire/generated/dispatcher.js";
import type { NodeCaller } from "./dispatcher.js";
import { type LeaderAccess, requireLeader } from "./leader.js";

/** The leader's log broker, as far as managers and agents reach it. */
export interface LogBroker {
  subscribe(request: SubscribeLogsRequest, signal: AbortSignal): AsyncIterable<LogBatch>;
  listen(caller: NodeCaller, request: ListenSubscriptionsRequest, signal: AbortSignal): AsyncIterable<LogSubscription>;
  publish(caller: NodeCaller, messages: AsyncIterable<PublishLogsMessage>): Promise<void>;
}

/** Logs on their way from agents through the leader to whoever asked. A follower refuses and says where the leader is. */
export function logsHandlers(access: LeaderAccess<{ readonly logs: LogBroker }>): ServiceHandlers<typeof LogsService> {
  const logs = () => requireLeader(access).logs;
  return {
    subscribeLogs: (request, { signal }) => logs().subscribe(request, signal),
    listenSubscriptions: (request, { caller, signal }) => logs().listen(caller, request, signal),
    async publishLogs(messages, { caller }) {
      await logs().publish(caller, messages);
      return {};
    },
  };
}
