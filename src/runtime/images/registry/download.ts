import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Hash } from "node:crypto";
import type { Clock } from "../../../base/clock.js";
import { ClusterError, isClusterError } from "../../../base/errors.js";
import { finishDigest, startDigest } from "../digest.js";
import type { Descriptor } from "../manifest.js";
import { failure } from "./http-client.js";
import type { Repository } from "./repository.js";
import { retrying } from "./retry.js";

/** Attempts that brought nothing. */
const ATTEMPTS_MAX = 5;
/** Less than this is nothing. */
const PROGRESS_BYTES = 64 * 1024;

export interface DownloadOptions {
  readonly repository: Repository;
  readonly blob: Descriptor;
  /** Where it is kept; what is there already is gone on from. */
  readonly path: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Bytes that are there. */
  readonly onProgress: (currentBytes: number) => void;
}

/**
 * Fetches a blob into a file: from where an earlier attempt ended, as often as connections break. When it resolves the file is complete, on disk, and has the
 * digest. Throws ClusterError `invalid_argument` when what came is not what was asked for; then the file is empty again.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { path, clock, signal } = options;
  const file = await open(path, "a+", 0o600);
  try {
    await retrying({ clock, signal, attemptsMax: ATTEMPTS_MAX, isConnectRetried: true }, (progressed) => attempt(file, options, progressed));
    await file.sync();
  } catch (cause) {
    if (isClusterError(cause, "invalid_argument")) await file.truncate(0);
    throw cause;
  } finally {
    await file.close();
  }
}

async function attempt(file: FileHandle, options: DownloadOptions, progressed: () => void): Promise<void> {
  const { repository, blob, signal } = options;
  let have = await hashed(file, options);
  if (have.sizeBytes > blob.size) have = await emptied(file);
  let hadBytes = have.sizeBytes;
  if (have.sizeBytes < blob.size) {
    const { reply, fromByte, url } = await repository.blob(blob, have.sizeBytes, signal);
    if (fromByte !== have.sizeBytes) {
      have = await emptied(file);
      hadBytes = 0;
    }
    try {
      for await (const chunk of reply as AsyncIterable<Buffer>) {
        have.sizeBytes += chunk.length;
        if (have.sizeBytes > blob.size) throw wrong(blob, `${url.origin} sent more than its ${blob.size} bytes`);
        have.hash.update(chunk);
        await file.appendFile(chunk);
        if (have.sizeBytes - hadBytes >= PROGRESS_BYTES) progressed();
        options.onProgress(have.sizeBytes);
      }
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw cause instanceof ClusterError || isLocal(cause) ? cause : failure(url, cause, true);
    } finally {
      reply.destroy();
    }
    if (have.sizeBytes < blob.size)
      throw new ClusterError("unavailable", `${url.origin} ended after ${have.sizeBytes} of ${blob.size} bytes of ${blob.digest}`);
  }
  const digest = finishDigest(have.hash);
  if (digest !== blob.digest && hadBytes > 0) {
    // What was there from before may be what is wrong: from the beginning, then.
    await file.truncate(0);
    throw new ClusterError("unavailable", `what there was of blob ${blob.digest} does not fit what came`);
  }
  if (digest !== blob.digest) throw wrong(blob, `what came from ${repository.endpoint.base} has the digest ${digest}`);
}

interface Content {
  readonly hash: Hash;
  sizeBytes: number;
}

async function hashed(file: FileHandle, { path, onProgress }: DownloadOptions): Promise<Content> {
  const content: Content = { hash: startDigest(), sizeBytes: 0 };
  if ((await file.stat()).size === 0) return content;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    content.hash.update(chunk);
    content.sizeBytes += chunk.length;
  }
  onProgress(content.sizeBytes);
  return content;
}

async function emptied(file: FileHandle): Promise<Content> {
  await file.truncate(0);
  return { hash: startDigest(), sizeBytes: 0 };
}

function wrong({ digest }: Descriptor, reason: string): ClusterError {
  return new ClusterError("invalid_argument", `blob ${digest} cannot be trusted: ${reason}`);
}

/** A failure of this host's disk, not of the connection. */
function isLocal(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && ["ENOSPC", "EIO", "EDQUOT", "EROFS", "EFBIG"].includes(String(cause.code));
}
