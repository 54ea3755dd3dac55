import { messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { RaftMessage, SnapshotMeta } from "../raft/message.js";
import type { SnapshotProgress } from "../wire/generated/raft.js";
import type { SnapshotFolder } from "./snapshot-folder.js";
import type { RaftTransport } from "./transport.js";

/** Streams snapshots to members that are too far behind for the log, and says how each ended. */
export class SnapshotSender {
  readonly #folder: SnapshotFolder;
  readonly #transport: RaftTransport;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: { readonly folder: SnapshotFolder; readonly transport: RaftTransport; readonly logger: Logger }) {
    this.#folder = options.folder;
    this.#transport = options.transport;
    this.#logger = options.logger;
  }

  /** `report` is called exactly once. Core and transport allow one stream per peer at a time. */
  send(message: RaftMessage, snapshot: SnapshotMeta, report: (ok: boolean) => void): void {
    const sending = this.#send(message, snapshot).then(
      () => report(true),
      (cause: unknown) => {
        this.#logger.warn({ to: message.to, index: snapshot.index, err: cause }, `snapshot was not delivered: ${messageOf(cause)}`);
        report(false);
      },
    );
    this.#underWay.add(sending);
    void sending.finally(() => this.#underWay.delete(sending));
  }

  /** Resolves when all streams have ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#underWay);
  }

  async #send(message: RaftMessage, snapshot: SnapshotMeta): Promise<void> {
    this.#stopping.signal.throwIfAborted();
    const file = await this.#folder.send(snapshot);
    try {
      const after = async (received: SnapshotProgress) => {
        const rest = await file.after(received);
        this.#logger.info({ to: message.to, index: snapshot.index, framesBefore: rest.received.frames, totalBytes: rest.totalBytes }, "sending a snapshot");
        return rest;
      };
      await this.#transport.sendSnapshot(message.to, { message, after }, this.#stopping.signal);
    } finally {
      await file.close();
    }
  }
}
