import type { ManagerClient } from "../agent/manager-client.js";
import { createClient } from "../rpc/client.js";
import type { Connection } from "../rpc/connection.js";
import type { Dispatcher } from "../manager/dispatcher/dispatcher.js";
import type { LogBroker } from "../manager/dispatcher/log-broker.js";
import { DispatcherService, LogsService } from "../wire/generated/dispatcher.js";

/** What an agent asks of a manager, over the network. */
export function remoteManagerClient(connection: Connection): ManagerClient {
  const dispatcher = createClient(connection, DispatcherService);
  const logs = createClient(connection, LogsService);
  return {
    session: (request, signal) => dispatcher.session(request, { signal }),
    heartbeat: (request, signal) => dispatcher.heartbeat(request, { signal, timeoutMs: HEARTBEAT_TIMEOUT_MS }),
    updateTaskStatus: async (request, signal) => void (await dispatcher.updateTaskStatus(request, { signal })),
    updateDescription: async (request, signal) => void (await dispatcher.updateDescription(request, { signal })),
    assignments: (request, signal) => dispatcher.assignments(request, { signal }),
    listenSubscriptions: (request, signal) => logs.listenSubscriptions(request, { signal }),
    publishLogs: async (messages, signal) => void (await logs.publishLogs(messages, { signal })),
  };
}

/** A heartbeat that takes longer has failed: the next manager is asked (swarm-surface 3.10). */
const HEARTBEAT_TIMEOUT_MS = 5_000;

/** The same, for an agent whose own process leads: no connection in between. */
export function localManagerClient(
  leader: { readonly dispatcher: Dispatcher; readonly logs: LogBroker },
  caller: { readonly nodeId: string; readonly address: string },
): ManagerClient {
  const { dispatcher, logs } = leader;
  return {
    session: (request, signal) => dispatcher.session(caller, request, signal),
    heartbeat: (request) => dispatcher.heartbeat(caller, request),
    updateTaskStatus: (request) => dispatcher.updateTaskStatus(caller, request),
    updateDescription: (request) => dispatcher.updateDescription(caller, request),
    assignments: (request, signal) => dispatcher.assignments(caller, request, signal),
    listenSubscriptions: (request, signal) => logs.listen(caller, request, signal),
    publishLogs: (messages) => logs.publish(caller, messages),
  };
}
