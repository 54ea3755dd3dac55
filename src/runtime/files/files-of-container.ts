import { access } from "node:fs/promises";
import { shortName } from "../container-paths.js";
import type { HeldVolumes } from "../held-volumes.js";
import type { IdMaps } from "../launch.js";
import { encodeFilesView } from "../launch-request.js";
import type { LocalContainer } from "../local-container.js";
import type { FilesOf } from "./local-files.js";

/** What a container does not know of its own files. */
export interface FileSurroundings {
  readonly volumes: HeldVolumes;
  /** Folders, uppermost first. */
  readonly layers: readonly string[];
  readonly maps: IdMaps | null;
}

/** A container as those see it who read and write its files. */
export function filesOfContainer(container: LocalContainer, { volumes, layers, maps }: FileSurroundings): FilesOf {
  const { record, paths } = container;
  const { config } = record;
  return {
    settled: () => container.settled(),
    ended: container.ended,
    user: record.process.user,
    // What runs has its volumes mounted already.
    useVolumes: () => volumes.visit(container.info.pid === 0 ? config : { id: config.id, mounts: [] }),
    view: async () => {
      // What is not there any more hides nothing.
      const present = await Promise.all(config.mounts.map((mount) => mount.type === "tmpfs" || isThere(mount.source)));
      const mounts = config.mounts.filter((_, index) => present[index]);
      const { pid } = container.info;
      const running = pid === 0 ? null : { pid, group: `/${shortName(config.id)}` };
      return encodeFilesView({ config: { ...config, mounts }, paths, layers, maps, running });
    },
  };
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
