import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type Extract, extract } from "tar-stream";
import { ClusterError, messageOf, systemCodeOf } from "../../base/errors.js";
import { type ArchiveEntry, LayerWriter, type LayerSummary } from "./layer-writer.js";

/** What a layer is known by: the digest of its archive without compression. */
export interface UnpackedLayer extends LayerSummary {
  /** `sha256:…`. */
  readonly diffId: string;
}

/**
 * Unpacks an archive, plain or gzip, into an empty folder as it comes: nothing of it is kept in memory. Throws ClusterError
 * `invalid_argument` for what is no archive.
 */
export async function unpackLayer(archive: Readable, folder: string): Promise<UnpackedLayer> {
  const digest = createHash("sha256");
  const entries = extract();
  const writer = new LayerWriter(folder);
  // Never rejects: a failure of the source ends the reader, and is looked at then.
  const source = feed(archive, digest, entries).then(
    () => undefined,
    (cause: unknown) => {
      entries.destroy();
      return { cause };
    },
  );
  try {
    for await (const entry of entries) await writer.add(entry as unknown as ArchiveEntry);
    const failure = await source;
    if (failure !== undefined) throw failure.cause;
    const summary = await writer.finish();
    if (summary.entries === 0) throw new ClusterError("invalid_argument", "the archive is empty");
    return { ...summary, diffId: `sha256:${digest.digest("hex")}` };
  } catch (cause) {
    entries.destroy();
    archive.destroy();
    const failure = await source;
    await writer.settle();
    throw unpackError(cause, failure?.cause);
  }
}

async function feed(archive: Readable, digest: { update(chunk: Uint8Array): unknown }, entries: Extract): Promise<void> {
  const { head, rest } = await peek(archive);
  async function* digested(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      digest.update(chunk);
      yield chunk;
    }
  }
  if (head[0] === 0x1f && head[1] === 0x8b) await pipeline(rest, createGunzip(), digested, entries as unknown as NodeJS.WritableStream);
  else await pipeline(rest, digested, entries as unknown as NodeJS.WritableStream);
}

const COMPRESSIONS: readonly (readonly [string, readonly number[]])[] = [
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/** The first bytes, and a stream that has them still. */
async function peek(archive: Readable): Promise<{ readonly head: Uint8Array; readonly rest: Readable }> {
  const chunks = archive[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 6) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  for (const [name, magic] of COMPRESSIONS) {
    if (magic.every((byte, index) => head[index] === byte))
      throw new ClusterError("invalid_argument", `archives compressed with ${name} are not supported; use gzip or none`);
  }
  async function* all() {
    if (head.length > 0) yield head;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  }
  return { head, rest: Readable.from(all(), { objectMode: false }) };
}

/** A failure of the source comes before what it causes in the reader. */
function unpackError(cause: unknown, source: unknown): unknown {
  if (cause instanceof ClusterError) return cause;
  if (source instanceof ClusterError) return source;
  const code = systemCodeOf(cause) ?? systemCodeOf(source) ?? "";
  if (/^E[A-Z]+$/.test(code)) return new ClusterError("internal", `the archive could not be unpacked: ${messageOf(cause)}`, { cause });
  const isFromSource = source !== undefined && !/premature|destroyed/i.test(messageOf(source));
  return new ClusterError("invalid_argument", `not a valid archive: ${messageOf(isFromSource ? source : cause)}`, { cause });
}
