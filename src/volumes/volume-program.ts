import { execFile } from "node:child_process";
import { ClusterError } from "../base/errors.js";
import { withServerAddress } from "./mount-options.js";
import type { Volume } from "./volume-store.js";

/** A server that does not answer is given up after this. */
const MOUNT_TIMEOUT_MS = 120_000;

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

  async mount({ options: { type = "", device = "", o = "" }, folder }: Volume): Promise<void> {
    const options = await withServerAddress({ type, device, o });
    // Arguments are for everybody to see, and a password may be among the options.
    await this.#run(["mount", type, options.device, folder], { timeoutMs: MOUNT_TIMEOUT_MS, input: options.o });
  }

  async unmount(folder: string): Promise<void> {
    await this.#run(["unmount", folder], { timeoutMs: MOUNT_TIMEOUT_MS });
  }

  #run(args: readonly string[], { timeoutMs = 0, input = "" } = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = execFile(this.#path, [...args], { env: {}, cwd: "/", timeout: timeoutMs, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout.trim());
        else if (error.killed === true) reject(new ClusterError("failed_precondition", `${args[0]} took longer than ${timeoutMs / 1000} s`));
        else reject(failureOf(stderr.trim() || error.message));
      });
      // It may end before it has read that: its reason is what counts.
      child.stdin?.on("error", () => undefined).end(input);
    });
  }
}

function failureOf(reason: string): ClusterError {
  return new ClusterError(reason.startsWith("cannot mount volume over existing file") ? "invalid_argument" : "failed_precondition", reason);
}
