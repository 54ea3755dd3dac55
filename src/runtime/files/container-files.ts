import type { Readable } from "node:stream";

/**
 * The files of containers, whether they run or not. Paths are a container's own: links lead within it, whatever its programs do meanwhile. All throw ClusterError `not_found`
 * for a container or a path that is not there, and `invalid_argument` for a path that leads nowhere.
 */
export interface ContainerFiles {
  stat(id: string, path: string): Promise<FileStat>;
  /**
   * A tar of a file or a folder, named as the last part of the path; a path that ends with `/` or `/.` follows a link at its end. Read the archive to its end or destroy it; it fails
   * when not all of it could be read.
   */
  read(id: string, path: string): Promise<FileArchive>;
  /** Unpacks a tar into a folder. Throws `permission_denied` where the container is read-only. */
  write(id: string, path: string, tar: Readable, options: WriteOptions): Promise<void>;
  /** What its writable layer changes of its image. */
  changes(id: string): Promise<readonly FileChange[]>;
  /** A tar of its whole file system, without what is mounted in it. */
  export(id: string): Promise<Readable>;
  /** A tar of its writable layer, in the form of a layer of an image. */
  layer(id: string): Promise<Readable>;
  /** Bytes in the writable layers, by id; containers that are gone are left out. */
  sizes(ids: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

export interface FileStat {
  /** Last part of the path that was asked for. */
  readonly name: string;
  /** Type and permissions as in stat(2). */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly modifiedNs: bigint;
  /** Where a link leads at last, as an absolute path; empty for what is no link. */
  readonly linkTarget: string;
}

export interface FileArchive {
  readonly stat: FileStat;
  readonly archive: Readable;
}

export interface WriteOptions {
  /** A directory is not replaced by something else, nor something else by a directory. */
  readonly keepsKinds: boolean;
  /** Everything belongs to the container's own user instead of whom the archive says. */
  readonly belongsToUser: boolean;
}

export interface FileChange {
  readonly path: string;
  readonly kind: "added" | "changed" | "deleted";
}
