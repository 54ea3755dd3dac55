import { Readable } from "node:stream";
import { type Header, pack } from "tar-stream";

export type ArchiveItem = Partial<Header> & { readonly name: string; readonly content?: string | Buffer };

/** An archive of these entries, in this order. */
export async function archiveOf(items: readonly ArchiveItem[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of items) {
    if (content === undefined) archive.entry(header);
    else archive.entry({ ...header, type: "file" }, Buffer.from(content));
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The bytes as they come over a connection: in pieces of odd sizes. */
export function streamOf(bytes: Buffer, pieceBytes = 10_007): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    })(),
  );
}
