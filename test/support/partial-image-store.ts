import type { Readable } from "node:stream";
import { ClusterError } from "../../src/base/errors.js";
import type { CommitOptions, HistoryStep, ImageInfo, ImageRemoval, ImageStore, ImportOptions, LoadedImage } from "../../src/runtime/image-store.js";
import { EMPTY_CONFIG } from "../../src/runtime/images/import-changes.js";

/** An image about which there is nothing to say but these parts. */
export function imageInfo(parts: Partial<ImageInfo>): ImageInfo {
  const about = { createdAtMs: 0, sizeBytes: 0, architecture: "amd64", variant: "", os: "linux", author: "", comment: "" };
  return { id: "sha256:fake", tags: [], digests: [], layers: [], config: EMPTY_CONFIG, ...about, ...parts };
}

/** The part of an image store that no fake has: refuses what would change it, has nothing to show, tells nobody. */
export class PartialImageStore implements ImageStore {
  import(_tar: Readable, _options: ImportOptions): Promise<ImageInfo> {
    return refuse("import");
  }

  commit(_imageId: string, _layer: Readable, _options: CommitOptions): Promise<ImageInfo> {
    return refuse("commit");
  }

  load(_archive: Readable): Promise<readonly LoadedImage[]> {
    return refuse("load");
  }

  save(_references: readonly string[]): Promise<Readable> {
    return refuse("save");
  }

  tag(_reference: string, _target: string): Promise<void> {
    return refuse("tag");
  }

  remove(_reference: string, _options: Parameters<ImageStore["remove"]>[1]): Promise<readonly ImageRemoval[]> {
    return refuse("remove");
  }

  prune(_options: Parameters<ImageStore["prune"]>[0]): ReturnType<ImageStore["prune"]> {
    return refuse("prune");
  }

  resolve(_reference: string): ImageInfo | undefined {
    return undefined;
  }

  list(): readonly ImageInfo[] {
    return [];
  }

  history(_reference: string): readonly HistoryStep[] {
    return [];
  }

  layerSizeBytes(_diffId: string): number {
    return 0;
  }

  layerFolders(_imageId: string): readonly string[] {
    return [];
  }

  onChange(): () => void {
    return () => undefined;
  }
}

function refuse(what: string): Promise<never> {
  return Promise.reject(new ClusterError("unimplemented", `this image store does not ${what}`));
}
