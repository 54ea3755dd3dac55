import type { Api } from "../api.js";
import { ProgramEnd } from "../failure.js";
import type { Attachment } from "./create-body.js";
import { parseDetachKeys } from "./detach-keys.js";
import { SignalProxy } from "./signal-proxy.js";
import { joinStreams } from "./streams.js";
import { followSize } from "./terminal.js";
import { watchExit, type WaitCondition } from "./wait.js";

export interface Session {
  readonly id: string;
  readonly isTerminal: boolean;
  readonly streams: Attachment;
  readonly detachKeys: string;
  readonly hasSignalProxy: boolean;
  /** `not-running` for a container that runs already. */
  readonly condition: WaitCondition;
  /** Sets it going, once nothing that it writes can be missed; null when it runs already. */
  readonly start: (() => Promise<void>) | null;
}

/**
 * Joins this process with the main program of a container until that ends, and then throws its exit code as a ProgramEnd. Returns when the keys to detach were pressed: it goes on
 * then.
 */
export async function runSession(api: Api, session: Session): Promise<void> {
  const { id, isTerminal, streams, start } = session;
  const keys = parseDetachKeys(session.detachKeys);
  using signals = session.hasSignalProxy ? new SignalProxy(api) : null;
  const flags = Object.fromEntries(Object.entries(streams).map(([name, isOn]) => [name, isOn ? "1" : "0"]));
  const query = { ...flags, stream: "1", ...(session.detachKeys === "" ? {} : { detachKeys: session.detachKeys }) };
  const { socket } = await api.upgrade({ method: "POST", path: `/containers/${id}/attach`, query });
  const exit = await watchExit(api, id, session.condition);
  const joined = joinStreams(socket, { hasInput: streams.stdin, isTerminal, detachKeys: keys });
  joined.catch(() => undefined);
  try {
    await start?.();
    signals?.started(id);
    using _ = isTerminal ? followSize(api, `/containers/${id}/resize`) : null;
    if (await joined) return;
    throw new ProgramEnd(await exit.exitCode);
  } finally {
    exit.cancel();
    socket.destroy();
    await joined.catch(() => undefined);
  }
}
