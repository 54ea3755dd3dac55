import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../base/errors.js";
import type { Logger } from "../base/log.js";
import type { CgroupTree } from "./cgroup-tree.js";
import { EXEC_PREFIX, shortName, socketsFolder } from "./container-paths.js";
import type { OtherRuntimes } from "./oci/other-runtime.js";
import { ShimConnection } from "./shim/shim-connection.js";

const SIGKILL = 9;
/** Listens to nothing. */
const DEAF = { onRunning: () => undefined, onOutcome: () => undefined };

/** Ends and removes what carries this owner's name and belongs to no container: what an earlier daemon left when it was killed. */
export class ContainerSweep {
  readonly #sockets: string;
  readonly #cgroups: CgroupTree;
  readonly #otherRuntimes: OtherRuntimes;
  readonly #logger: Logger;

  constructor(parts: { readonly execRoot: string; readonly cgroups: CgroupTree; readonly otherRuntimes: OtherRuntimes; readonly logger: Logger }) {
    this.#sockets = socketsFolder(parts.execRoot);
    this.#cgroups = parts.cgroups;
    this.#otherRuntimes = parts.otherRuntimes;
    this.#logger = parts.logger;
  }

  /** `ids` are those of the containers that there are. */
  async run(ids: readonly string[]): Promise<void> {
    const known = new Set(ids.map(shortName));
    await this.#sweepShims(known);
    for (const name of await this.#cgroups.names()) {
      if (known.has(name)) continue;
      this.#logger.warn({ cgroup: name }, "a cgroup without a container is removed");
      await this.#cgroups.remove(name);
    }
  }

  /** Kills a container's shim if there is one, and resolves when nothing of it is left. */
  endShim(id: string): Promise<void> {
    return this.#end(shortName(id));
  }

  async #end(name: string): Promise<void> {
    const socket = this.#socketOf(name);
    const connection = await ShimConnection.open(socket, DEAF);
    if (connection !== null) {
      await connection
        .kill(SIGKILL)
        .catch((cause: unknown) => this.#logger.warn({ container: name, reason: messageOf(cause) }, "a shim without a container did not take the signal"));
      await connection.closed;
    }
    await rm(socket, { force: true });
  }

  async #sweepShims(known: ReadonlySet<string>): Promise<void> {
    const names = (await readdir(this.#sockets)).map((file) => file.replace(/\.sock$/, ""));
    await this.#otherRuntimes.sweep(new Set(names));
    for (const name of names) {
      // A program that somebody ran in a container goes on, and its shim removes the socket with its end.
      if (name.startsWith(EXEC_PREFIX) && (await this.#isAlive(name))) continue;
      if (!known.has(name)) await this.#end(name);
    }
  }

  async #isAlive(name: string): Promise<boolean> {
    const connection = await ShimConnection.open(this.#socketOf(name), DEAF);
    connection?.close();
    return connection !== null;
  }

  #socketOf(name: string): string {
    return join(this.#sockets, `${name}.sock`);
  }
}
