import { createReadStream } from "node:fs";
import { lstat, readdir, readlink, stat as statFollowing } from "node:fs/promises";
import { join, posix } from "node:path";
import { Readable } from "node:stream";
import { type Header, type Pack, pack } from "tar-stream";
import { CommandFailure, EXIT } from "../failure.js";
import { feed } from "./feed.js";

type NamedHeader = Partial<Header> & Pick<Header, "name">;

/** An archive of what is at a path of this host, under another name; an empty one leaves out the folder itself. Links are kept as links, except `path` itself where it is followed. */
export function packTree(path: string, name: string, isFollowing: boolean): Readable {
  const archive = pack();
  add(archive, path, name, isFollowing).then(
    () => archive.finalize(),
    (cause: Error) => archive.destroy(cause),
  );
  return Readable.from(archive, { objectMode: false });
}

async function add(archive: Pack, path: string, name: string, isFollowing: boolean): Promise<void> {
  const stat = isFollowing ? await statFollowing(path) : await lstat(path);
  const header = { name, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime: stat.mtime };
  if (stat.isDirectory()) {
    if (name !== "") await addEntry(archive, { ...header, type: "directory" });
    for (const child of (await readdir(path)).toSorted()) await add(archive, join(path, child), posix.join(name, child), false);
  } else if (stat.isSymbolicLink()) {
    await addEntry(archive, { ...header, type: "symlink", linkname: await readlink(path) });
  } else if (stat.isFile()) {
    await addFile(archive, path, { ...header, type: "file", size: stat.size });
  } else if (!stat.isSocket()) {
    // A socket is nothing without who listens; of the others there may be good reasons to miss them.
    throw new CommandFailure(EXIT.refused, `${path} is neither a file, a directory nor a link: it cannot be copied`);
  }
}

function addEntry(archive: Pack, header: NamedHeader): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(header, (cause) => (cause === undefined || cause === null ? resolve() : reject(cause)));
  });
}

/** As long as it was: what it grows meanwhile is not in the header any more. */
async function addFile(archive: Pack, path: string, header: NamedHeader & { readonly size: number }): Promise<void> {
  const written = new Promise<void>((resolve, reject) => {
    const entry = archive.entry(header, (cause) =>
      cause === undefined || cause === null ? resolve() : reject(new CommandFailure(EXIT.refused, `${path} changed while it was read`, { cause })),
    );
    if (header.size === 0) entry.end(null);
    else feed(createReadStream(path, { end: header.size - 1 }), entry).catch(reject);
  });
  await written;
}
