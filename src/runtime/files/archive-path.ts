import { posix } from "node:path";
import { ClusterError } from "../../base/errors.js";

export interface ArchivePath {
  /** Absolute; ends with `/` or `/.` where the one that was asked for does. */
  readonly path: string;
  /** Last part, as archives and `docker cp` name it: `/` for the root, `.` for what ends with `/.`. */
  readonly base: string;
}

/** A path of a container as people write it, relative to its root. Throws ClusterError `invalid_argument` for one that is none. */
export function parseArchivePath(text: string): ArchivePath {
  if (text === "") throw new ClusterError("invalid_argument", "bad parameter: the path is empty");
  if (text.includes("\0")) throw new ClusterError("invalid_argument", "bad parameter: the path has a NUL character in it");
  const clean = posix.normalize(`/${text}`).replace(/(.)\/+$/, "$1");
  if (/(^|\/)\.$/.test(text)) return { path: clean === "/" ? "/." : `${clean}/.`, base: "." };
  const base = clean === "/" ? "/" : posix.basename(clean);
  return { path: text.endsWith("/") && clean !== "/" ? `${clean}/` : clean, base };
}
