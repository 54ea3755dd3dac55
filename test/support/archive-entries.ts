import type { Readable } from "node:stream";
import { extract, type Header } from "tar-stream";

export type ArchiveEntry = Header & { readonly text: string };

/** What an archive holds, in its order. */
export async function entriesOf(archive: Readable): Promise<readonly ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  const reader = extract();
  reader.on("entry", (header, stream, next) => {
    const parts: Buffer[] = [];
    stream.on("data", (part) => parts.push(part as Buffer));
    stream.on("end", () => {
      entries.push({ ...header, text: Buffer.concat(parts).toString() });
      next();
    });
  });
  await new Promise((resolve, reject) => {
    reader.once("finish", () => resolve(undefined)).once("error", reject);
    archive.once("error", reject);
    archive.pipe(reader);
  });
  return entries;
}

export async function namesOf(archive: Readable): Promise<readonly string[]> {
  return (await entriesOf(archive)).map(({ name }) => name);
}
