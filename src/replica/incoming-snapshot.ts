import { ClusterError } from "../base/errors.js";
import type { Disk, DiskFile } from "./disk.js";
import { plainRecords, type RecordCodec } from "./record-codec.js";
import { FrameWriter, NOTHING_RECEIVED, nextProgress, readFrames, type SnapshotPlace, type SnapshotProgress } from "./snapshot-frames.js";

/** A snapshot on its way from a peer: whole frames, sealed anew, in a file aside that outlives the connection which brought them. */
export class IncomingSnapshot {
  readonly place: SnapshotPlace;
  readonly path: string;
  readonly #disk: Disk;
  readonly #writer: FrameWriter;
  #position = 0;
  #progress: SnapshotProgress = NOTHING_RECEIVED;
  #attempt = 0;
  #isBroken = false;
  /** One frame is written at a time, whichever attempt brings it. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: { readonly place: SnapshotPlace; readonly path: string; readonly codec: RecordCodec; readonly disk: Disk }) {
    this.place = options.place;
    this.path = options.path;
    this.#disk = options.disk;
    this.#writer = new FrameWriter(options.codec, options.place);
  }

  get progress(): SnapshotProgress {
    return this.#progress;
  }

  /** True when the file could not be written or synced: nothing can be added to it any more. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /**
   * Adds what follows `progress`, and resolves when all of it is durable. When the chunks fail, what came before stays. An earlier attempt, which may still
   * wait for a connection that is dead, adds nothing from then on.
   */
  async fill(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const attempt = ++this.#attempt;
    await using file = await this.#disk.open(this.path, this.#position === 0 ? "replace" : "extend");
    for await (const plain of readFrames(chunks, plainRecords, this.place, this.#progress)) {
      if (attempt !== this.#attempt) throw new ClusterError("aborted", "another connection brings this snapshot now");
      this.#writing = this.#add(file, plain);
      await this.#writing;
    }
    await this.#unlessBroken(() => file.sync());
  }

  /** Nothing is added any more from when this resolves. */
  async end(): Promise<void> {
    this.#attempt++;
    await Promise.allSettled([this.#writing]);
  }

  async #add(file: DiskFile, plain: Uint8Array): Promise<void> {
    const frame = this.#writer.frame(plain);
    await this.#unlessBroken(() => file.write(frame, this.#position));
    this.#position += frame.length;
    this.#progress = nextProgress(this.#progress, plain);
  }

  /** After a failed sync the next one may succeed although what was written is gone, so the file is not tried again. */
  async #unlessBroken(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (cause) {
      this.#isBroken = true;
      throw cause;
    }
  }
}
