import { join } from "node:path";
import { readTextIfThere, writeFileDurably } from "../base/durable-file.js";
import { ClusterError } from "../base/errors.js";
import { newId } from "../base/ids.js";
import type { Logger } from "../base/log.js";

const FILE = "engine-id";

/**
 * The engine's own id: drawn once, then kept in the data root. The exec root, which is there as long as containers run, has a copy. Where the two differ the data root
 * is another one, or its disk is not mounted: a daemon that went on would be in no swarm, and would end every container as one that it knows nothing of.
 * Throws ClusterError `failed_precondition` then.
 */
export async function openEngineId(options: { readonly dataRoot: string; readonly execRoot: string; readonly logger: Logger }): Promise<string> {
  const { dataRoot, execRoot, logger } = options;
  const [path, copy] = [join(dataRoot, FILE), join(execRoot, FILE)];
  const [kept, last] = (await Promise.all([path, copy].map(readTextIfThere))).map((text) => text?.trim());
  if (last !== undefined && last !== kept) {
    throw new ClusterError(
      "failed_precondition",
      `the data root ${dataRoot} is not the one that this host's daemon had last: ${path} ${kept === undefined ? "is missing" : `says "${kept}"`}, ${copy} says "${last}"; ` +
        `mount the right one, or remove ${copy} to go on with what is there, which ends the containers that it knows nothing of`,
    );
  }
  if (kept === undefined) logger.info({ dataRoot }, "the data root is new: this host is in no swarm, and has no images and containers");
  const id = kept ?? newId();
  if (kept === undefined) await writeFileDurably(path, `${id}\n`);
  if (last === undefined) await writeFileDurably(copy, `${id}\n`);
  return id;
}
