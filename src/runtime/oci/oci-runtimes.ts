import { ClusterError } from "../../base/errors.js";

/** A program with the OCI runtime command line interface that makes containers in place of our own code, below the same shim. */
export interface OciRuntime {
  readonly path: string;
  /** Before the words of each call. */
  readonly args: readonly string[];
}

/** What an operator may choose from. */
export interface OciRuntimes {
  readonly byName: Readonly<Record<string, OciRuntime>>;
  /** Of containers that name none; OWN_RUNTIME without another. */
  readonly defaultName: string;
}

/** What the shim does by itself. */
export const OWN_RUNTIME = "swarm-shim";

export const OWN_RUNTIME_ONLY: OciRuntimes = { byName: {}, defaultName: OWN_RUNTIME };

/** The runtime of that name, null for our own. Throws `invalid_argument` when there is none, in Docker's words. */
export function runtimeNamed(runtimes: OciRuntimes, name: string): OciRuntime | null {
  if (name === OWN_RUNTIME || name === "") return null;
  const runtime = Object.hasOwn(runtimes.byName, name) ? runtimes.byName[name] : undefined;
  if (runtime === undefined) throw new ClusterError("invalid_argument", `unknown or invalid runtime name: ${name}`);
  return runtime;
}
