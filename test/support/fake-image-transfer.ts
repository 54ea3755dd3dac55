import { Readable } from "node:stream";
import { ClusterError } from "../../src/base/errors.js";
import type { ImageInfo } from "../../src/runtime/image-store.js";
import type { ImageTransfer, PulledImage, PullOptions, PushedImage, RemoteImage, TransferOptions } from "../../src/runtime/image-transfer.js";

const DIGEST = `sha256:${"d".repeat(64)}`;

/** A registry in memory that has nothing until a test gives it names. Every call is written down. */
export class FakeImageTransfer implements ImageTransfer {
  readonly calls: { readonly verb: "pull" | "push" | "inspect" | "tags" | "login" | "open"; readonly reference: string; readonly credentials: string }[] = [];
  /** By URL. */
  readonly archives = new Map<string, Iterable<Buffer> | AsyncIterable<Buffer>>();
  /** What a pull does with a name that the registry has; resolves with the image. */
  readonly remote = new Map<string, (signal: AbortSignal) => Promise<ImageInfo>>();

  async pull(reference: string, { credentials, signal, onProgress }: PullOptions): Promise<PulledImage> {
    this.calls.push({ verb: "pull", reference, credentials });
    const bring = this.#find(reference);
    onProgress({ status: "Pulling from library/image", id: "latest" });
    onProgress({ status: "Downloading", id: "0123456789ab", currentBytes: 512, totalBytes: 2048 });
    return { image: await bring(signal), digest: DIGEST, isNew: true };
  }

  async push(reference: string, { credentials, onProgress }: TransferOptions): Promise<PushedImage> {
    this.calls.push({ verb: "push", reference, credentials });
    onProgress({ status: "Pushed", id: "0123456789ab" });
    return { tag: "v1", digest: DIGEST, sizeBytes: 300 };
  }

  async inspect(reference: string, { credentials }: Pick<TransferOptions, "credentials">): Promise<RemoteImage> {
    this.calls.push({ verb: "inspect", reference, credentials });
    this.#find(reference);
    const platforms = [{ os: "linux", architecture: "amd64", variant: "", osVersion: "" }];
    return { mediaType: "application/vnd.oci.image.index.v1+json", digest: DIGEST, sizeBytes: 300, platforms };
  }

  async tags(name: string, { credentials }: Pick<TransferOptions, "credentials">): Promise<readonly string[]> {
    this.calls.push({ verb: "tags", reference: name, credentials });
    return [...this.remote.keys()].filter((key) => key.startsWith(`${name}:`)).map((key) => key.slice(name.length + 1));
  }

  async login(domain: string, { credentials }: Pick<TransferOptions, "credentials">): Promise<string> {
    this.calls.push({ verb: "login", reference: domain, credentials });
    const { password } = JSON.parse(Buffer.from(credentials, "base64url").toString()) as { readonly password?: string };
    if (password !== "right") throw new ClusterError("unauthenticated", `${domain}: unauthorized`);
    return "";
  }

  async open(url: string): Promise<{ readonly stream: Readable; readonly sizeBytes: number | null }> {
    this.calls.push({ verb: "open", reference: url, credentials: "" });
    const content = this.archives.get(url);
    if (content === undefined) throw new ClusterError("not_found", `${url}: it answered 404`);
    return { stream: Readable.from(content), sizeBytes: null };
  }

  #find(reference: string): (signal: AbortSignal) => Promise<ImageInfo> {
    const bring = this.remote.get(reference);
    if (bring === undefined) throw new ClusterError("not_found", `manifest for ${reference} not found`);
    return bring;
  }
}
