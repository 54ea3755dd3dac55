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
