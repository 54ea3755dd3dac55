import { HeartbeatRequestCodec } from "../../src/wire/generated/dispatcher.js";

const message = { request: HeartbeatRequestCodec, response: HeartbeatRequestCodec } as const;

/** One method of each kind, all with one text field. Their paths are real ones, since the rules go by path. */
export const EchoService = {
  one: { path: "/swarm.v1.Dispatcher/Heartbeat", requestStream: false, responseStream: false, ...message },
  down: { path: "/swarm.v1.Dispatcher/Session", requestStream: false, responseStream: true, ...message },
  up: { path: "/swarm.v1.Logs/PublishLogs", requestStream: true, responseStream: false, ...message },
  both: { path: "/swarm.v1.Control/Forward", requestStream: true, responseStream: true, ...message },
} as const;

export const text = (value: string) => ({ sessionId: value });

export async function* texts(...values: readonly string[]) {
  for (const value of values) yield text(value);
}
