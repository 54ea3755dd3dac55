import { createHash } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClusterError, messageOf } from "../../base/errors.js";
import { startPiped } from "../../base/piped-process.js";

/** The compiler is done in 10 ms; a machine under load may take its time. */
const COMPILE_TIMEOUT_MS = 30_000;

/** Compiled filters of this daemon, one file for each policy, made when it is first asked for. */
export class SeccompFilters {
  readonly #folder: string;
  readonly #compilerPath: string;
  readonly #files = new Map<string, Promise<string>>();
  readonly #named = new Map<string, Promise<string>>();

  constructor(options: { readonly folder: string; readonly compilerPath: string }) {
    this.#folder = options.folder;
    this.#compilerPath = options.compilerPath;
  }

  /** Path of the filter for a policy. Throws `invalid_argument` with the compiler's reason. */
  fileFor(policy: string): Promise<string> {
    const name = createHash("sha256").update(policy).digest("hex");
    const known = this.#files.get(name);
    if (known !== undefined) return known;
    const made = this.#make(name, policy);
    this.#files.set(name, made);
    // One that failed is tried again by the next who asks.
    made.catch(() => this.#files.delete(name));
    return made;
  }

  /** The same for a policy that is asked for with each start: `policy` is called when the name is new. Throws as `fileFor`. */
  fileNamed(name: string, policy: () => string): Promise<string> {
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const made = this.fileFor(policy());
    this.#named.set(name, made);
    made.catch(() => this.#named.delete(name));
    return made;
  }

  /** Written anew by each daemon: a newer one may compile otherwise. */
  async #make(name: string, policy: string): Promise<string> {
    const path = join(this.#folder, `${name}.bpf`);
    const filter = await this.#compile(policy);
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeFile(`${path}.new`, filter, { mode: 0o600 });
    await rename(`${path}.new`, path);
    return path;
  }

  #compile(policy: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const refuse = (reason: string) => reject(new ClusterError("invalid_argument", `seccomp profile cannot be compiled: ${reason}`));
      const { child, pipe } = startPiped(this.#compilerPath, [], { stdio: ["pipe", "pipe", "pipe"], env: {}, timeout: COMPILE_TIMEOUT_MS });
      const [output, errors]: [Buffer[], Buffer[]] = [[], []];
      pipe(1).on("data", (part: Buffer) => output.push(part));
      pipe(2).on("data", (part: Buffer) => errors.push(part));
      child.once("error", (cause) => refuse(messageOf(cause)));
      child.once("close", (code) => {
        if (code === 0) resolve(Buffer.concat(output));
        else refuse(Buffer.concat(errors).toString().trim() || `the compiler ended with ${code}`);
      });
      // A compiler that ends early says why on its errors.
      pipe(0)
        .on("error", () => undefined)
        .end(policy);
    });
  }
}
