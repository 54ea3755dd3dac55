import { AbortScope } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import { SharedCalls } from "../base/shared-calls.js";
import { familiarName, parseReference } from "../model/image-reference.js";
import type { ImageInfo, ImageStore } from "../runtime/image-store.js";
import type { ImageTransfer } from "../runtime/image-transfer.js";

/** The longest that a task waits for a registry to say whether an image that is here is still the newest of its name. */
const REFRESH_MS_MAX = 10_000;

export interface ImageFetcherOptions {
  readonly images: ImageStore;
  readonly transfer: ImageTransfer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Brings the images of tasks to this node. Tasks that want the same one share its pull. */
export class ImageFetcher {
  readonly #images: ImageStore;
  readonly #transfer: ImageTransfer;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #pulls = new SharedCalls<void>();

  constructor({ images, transfer, clock, logger }: ImageFetcherOptions) {
    this.#images = images;
    this.#transfer = transfer;
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Resolves when the image is here. One that is named by its digest, or that never came from a registry, is taken as it is; of a tag the registry is asked for a newer one, and
   * what is here will do when it does not answer. Throws with why the image could not be had.
   */
  async ensure(image: string, credentials: string, signal: AbortSignal): Promise<void> {
    const local = this.#images.resolve(image);
    if (local !== undefined && isFinal(image, local)) return;
    using waiting = new AbortScope(signal);
    const cancel =
      local === undefined
        ? () => undefined
        : this.#clock.after(REFRESH_MS_MAX, () => waiting.abort(new ClusterError("deadline_exceeded", `no answer within ${REFRESH_MS_MAX / 1000} s`)));
    try {
      await this.#pulls.run(`${image} ${credentials}`, waiting.signal, async (pulling) => {
        await this.#transfer.pull(image, { platform: "", credentials, signal: pulling, onProgress: () => undefined });
      });
    } catch (cause) {
      if (signal.aborted) throw cause;
      if (local === undefined) throw new ClusterError("not_found", `No such image: ${image} (${messageOf(cause)})`, { cause });
      this.#logger.warn({ image, reason: messageOf(cause) }, "a registry does not say whether there is a newer image; the one that is here is used");
    } finally {
      cancel();
    }
  }
}

/** Nobody can have a newer one. */
function isFinal(image: string, local: ImageInfo): boolean {
  if (/^(sha256:)?[a-f0-9]{64}$/.test(image) || image.includes("@")) return true;
  const name = familiarName(parseReference(image));
  return !local.digests.some((digest) => familiarName(parseReference(digest)) === name);
}
