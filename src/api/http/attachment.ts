import type { Duplex, Writable } from "node:stream";
import type { Attachment, ContainerInfo, StreamChoice } from "../../runtime/container-runtime.js";
import type { RouteContext } from "./context.js";
import { parseDetachKeys } from "./detach-keys.js";
import { HttpError } from "./errors.js";
import { joinStreams } from "./join-streams.js";
import { encodeLogEntry } from "./log-stream.js";
import { findContainer } from "./lookup.js";
import type { Query } from "./query.js";

/** What a client that attaches to a container asked for. */
export interface AttachRequest {
  readonly container: ContainerInfo;
  readonly streams: StreamChoice;
  readonly detachKeys: readonly number[];
  /** What was written before comes first. */
  readonly hasLog: boolean;
  /** From now on nothing is missed; null for a client that only wants the log. */
  readonly attachment: Attachment | null;
}

/** Throws 404 for a container that is not there, 409 for one that is paused, 400 for keys that are none. */
export function openAttachment({ backend }: RouteContext, reference: string, query: Query): AttachRequest {
  const { containers } = backend;
  const container = findContainer(containers, reference);
  if (container.isPaused) throw new HttpError(409, `container ${container.config.id} is paused, unpause the container before attach`);
  const hasLog = query.flag("logs");
  if (hasLog && !container.isLogReadable) throw new HttpError(501, "configured logging driver does not support reading");
  const detachKeys = parseDetachKeys(query.text("detachKeys"));
  const streams = { stdin: query.flag("stdin") && container.config.terminal.hasInput, stdout: query.flag("stdout"), stderr: query.flag("stderr") };
  return { container, streams, detachKeys, hasLog, attachment: query.flag("stream") ? containers.attach(container.config.id, streams) : null };
}

/** Shows a client whose connection has become a stream what it asked for, until it goes or the program ends. */
export async function joinAttachment(
  context: RouteContext,
  { container, streams, detachKeys, hasLog, attachment }: AttachRequest,
  client: Duplex,
): Promise<void> {
  const { engine } = context.backend;
  const { id, terminal } = container.config;
  engine.tell("attach", id);
  client.once("close", () => attachment?.cancel());
  if (hasLog) await writeLog(context, container, streams, client);
  if (attachment === null) {
    client.end();
    return;
  }
  try {
    const onDetach = () => engine.tell("detach", id);
    await joinStreams(client, await attachment.stream, { hasInput: streams.stdin, detachKeys: terminal.isTerminal ? detachKeys : null, onDetach });
  } catch (cause) {
    // It did not start, or is gone: who started or removed it was told why.
    context.logger.debug({ err: cause, container: id }, "an attachment came to nothing");
    client.end();
  }
}

/** What was written before, as fast as the client takes it. */
export async function writeLog(
  { backend, closing }: RouteContext,
  { config }: ContainerInfo,
  { stdout, stderr }: StreamChoice,
  client: Writable,
): Promise<void> {
  const query = { follow: false, stdout, stderr, sinceNs: 0n, untilNs: 0n, tail: -1, timestamps: false, details: false };
  for await (const line of backend.containers.logs(config.id, query, closing)) {
    const entry = encodeLogEntry(line, query, { isTty: config.terminal.isTerminal, endLines: false });
    if (client.destroyed) return;
    if (!client.write(entry)) await new Promise<void>((resolve) => client.once("drain", resolve).once("close", resolve));
  }
}
