import { execFile } from "node:child_process";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { ClusterError, messageOf } from "../base/errors.js";
import type { Volume } from "./volume-store.js";

/** A server that does not answer is given up after this. */
const MOUNT_TIMEOUT_MS = 120_000;
/** File systems whose server the kernel must be given as a number, by the option `addr`. */
const OF_SERVERS = /^(nfs4?|cifs|smb3)$/;

/** `swarm-volume` (native/volume): what is done to the folders of volumes, in a process of its own for each. Rejects with ClusterError `failed_precondition`. */
export class VolumeProgram {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Throws `invalid_argument` when the image has a file at that path. */
  async copy(image: { readonly path: string; readonly layers: readonly string[] }, folder: string): Promise<void> {
    await this.#run(["copy", image.path, folder, ...image.layers]);
  }

  /** Bytes. */
  async size(folder: string): Promise<number> {
    return Number(await this.#run(["size", folder]));
  }

  async remove(folder: string): Promise<void> {
    await this.#run(["remove", folder]);
  }

  async mount({ options, folder }: Volume): Promise<void> {
    const { type = "", device = "", o = "" } = options;
    await this.#run(["mount", type, device, OF_SERVERS.test(type) ? await withNumericAddress(o) : o, folder], MOUNT_TIMEOUT_MS);
  }

  async unmount(folder: string): Promise<void> {
    await this.#run(["unmount", folder], MOUNT_TIMEOUT_MS);
  }

  #run(args: readonly string[], timeoutMs = 0): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(this.#path, [...args], { env: {}, cwd: "/", timeout: timeoutMs, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout.trim());
        else if (error.killed === true) reject(new ClusterError("failed_precondition", `${args[0]} took longer than ${timeoutMs / 1000} s`));
        else reject(failureOf(stderr.trim() || error.message));
      });
    });
  }
}

function failureOf(reason: string): ClusterError {
  return new ClusterError(reason.startsWith("cannot mount volume over existing file") ? "invalid_argument" : "failed_precondition", reason);
}

async function withNumericAddress(options: string): Promise<string> {
  const words = options.split(",").map(async (word) => {
    const host = /^addr=(.+)$/.exec(word)?.[1];
    return host === undefined || isIP(host) !== 0 ? word : `addr=${await addressOf(host)}`;
  });
  return (await Promise.all(words)).join(",");
}

async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new ClusterError("failed_precondition", `the server "${host}" cannot be found: ${messageOf(cause)}`, { cause });
  }
}
