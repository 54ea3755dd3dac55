import type { ImageInfo } from "../../runtime/image-store.js";
import type { Filters } from "./filters.js";
import { pruneTimeMs } from "./prune-time.js";

export const IMAGE_FILTERS = ["before", "dangling", "label", "reference", "since", "until"];

const DANGLING_WORDS = ["true", "false", "1", "0"];

type Claim = (image: ImageInfo) => boolean;

/** Which images a list shall have (Docker's filters of images). Throws 400 for a value that means nothing, as `findImage` for an image that is not there. */
export function imageFilter(filters: Filters, { nowMs, findImage }: { readonly nowMs: number; readonly findImage: (name: string) => ImageInfo }): Claim {
  const untilMs = pruneTimeMs(filters, nowMs);
  const madeAt = (key: string) => filters.get(key).map((name) => findImage(name).createdAtMs);
  const [before, since] = [madeAt("before"), madeAt("since")];
  const dangling = filters.words("dangling", DANGLING_WORDS).map((word) => word === "true" || word === "1");
  return (image) =>
    filters.allowsLabels("label", image.config.labels) &&
    image.createdAtMs <= untilMs &&
    before.every((timeMs) => image.createdAtMs < timeMs) &&
    since.every((timeMs) => image.createdAtMs > timeMs) &&
    (dangling.length === 0 || dangling.includes(image.tags.length === 0)) &&
    (!filters.has("reference") || hasName(withWantedNames(image, filters)));
}

/** With those of its names alone that `reference` asks for, as a list shows it. */
export function withWantedNames(image: ImageInfo, filters: Filters): ImageInfo {
  if (!filters.has("reference")) return image;
  const isWanted = (name: string) => filters.get("reference").some((pattern) => matchesReference(name, pattern));
  return { ...image, tags: image.tags.filter(isWanted), digests: image.digests.filter(isWanted) };
}

function hasName({ tags, digests }: ImageInfo): boolean {
  return tags.length > 0 || digests.length > 0;
}

/** Which images that nobody uses a pruning removes: those without a name, unless told otherwise. */
export function unwantedImageFilter(filters: Filters, nowMs: number): Claim {
  const onlyDangling = !filters.words("dangling", DANGLING_WORDS).some((word) => word === "false" || word === "0");
  const untilMs = pruneTimeMs(filters, nowMs);
  return (image) =>
    (!onlyDangling || image.tags.length === 0) &&
    image.createdAtMs <= untilMs &&
    filters.allowsLabels("label", image.config.labels) &&
    !(filters.has("label!") && filters.allowsLabels("label!", image.config.labels));
}

/** `*` and `?` match within one part of a path, as in a shell; a pattern without a tag means any tag, and any digest. */
function matchesReference(name: string, pattern: string): boolean {
  const regex = new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", "[^/]*")
      .replaceAll("?", "[^/]")}$`,
  );
  return regex.test(name) || regex.test(name.replace(/(?:@.*|:[^:/]+)$/, ""));
}
