import { arch } from "node:os";
import { ClusterError } from "../../base/errors.js";

/** What an image is made for, in the words of the OCI image specification. */
export interface ImagePlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

/** Architectures as images name them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** `os[/arch[/variant]]`; empty is this host's. Throws ClusterError `invalid_argument` for what no Linux host runs. */
export function parsePlatform(platform: string): ImagePlatform {
  const [os = "", architecture = "", variant = "", ...more] = platform.split("/");
  if (more.length > 0 || (platform !== "" && !/^[a-z0-9_]+(?:\/[A-Za-z0-9_.-]+)*$/i.test(platform))) {
    throw new ClusterError("invalid_argument", `"${platform}" is not a platform (os[/arch[/variant]])`);
  }
  if (os !== "" && os.toLowerCase() !== "linux") throw new ClusterError("invalid_argument", `operating system "${os}" is not supported`);
  return { os: "linux", architecture: architecture === "" ? (ARCHITECTURES[arch()] ?? arch()) : architecture.toLowerCase(), variant };
}

export function platformText({ os, architecture, variant }: ImagePlatform): string {
  return [os, architecture, variant].filter((part) => part !== "").join("/");
}

/** An image that does not say which variant it is for, or a wish that does not, goes with any. */
export function isFor(found: ImagePlatform, wanted: ImagePlatform): boolean {
  const isVariant = wanted.variant === "" || found.variant === "" || found.variant === wanted.variant;
  return found.os === wanted.os && found.architecture === wanted.architecture && isVariant;
}

/** Throws ClusterError `not_found`, in Docker's words, for an image that is for another platform; its reference is as people write it. */
export function assertFor(found: ImagePlatform, wanted: ImagePlatform, reference: string): void {
  if (isFor(found, wanted)) return;
  const [want, have] = [platformText(wanted), platformText(found)];
  throw new ClusterError("not_found", `image with reference ${reference} was found but does not match the specified platform: wanted ${want}, actual: ${have}`);
}
