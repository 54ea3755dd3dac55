import type { RemoteImage, TransferProgress } from "../../../runtime/image-transfer.js";
import type { Json } from "../json.js";

const BAR_WIDTH = 50;

/** A line of progress as the docker command line draws it: with numbers for those who draw themselves, and a bar for those who do not. */
export function progressToDocker({ status, id, currentBytes, totalBytes }: TransferProgress): Json {
  const subject = id === "" ? {} : { id };
  if (currentBytes === undefined || totalBytes === undefined) return { status, ...subject };
  return { status, progressDetail: { current: currentBytes, total: totalBytes }, progress: barOf(currentBytes, totalBytes), ...subject };
}

/** The answer to GET /distribution/{name}/json. */
export function distributionToDocker({ mediaType, digest, sizeBytes, platforms }: RemoteImage): Json {
  return {
    Descriptor: { mediaType, digest, size: sizeBytes },
    Platforms: platforms.map(({ os, architecture, variant, osVersion }) => ({
      architecture,
      os,
      ...(variant === "" ? {} : { variant }),
      ...(osVersion === "" ? {} : { "os.version": osVersion }),
    })),
  };
}

function barOf(currentBytes: number, totalBytes: number): string {
  const done = totalBytes === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.floor((BAR_WIDTH * currentBytes) / totalBytes));
  return `[${"=".repeat(Math.max(done - 1, 0))}>${" ".repeat(BAR_WIDTH - Math.max(done, 1))}]  ${sizeText(currentBytes)}/${sizeText(totalBytes)}`;
}

function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(4))}${units[power]}`;
}
