import { ClusterError } from "../base/errors.js";
import type { HealthConfig } from "./container-config.js";
import type { HealthPlan } from "./container-runtime.js";
import type { ImageConfig } from "./image-store.js";

const SHELL = ["/bin/sh", "-c"];

/**
 * Docker's rule (moby: daemon/commit.go): what a container leaves empty is its image's, field by field. Null when nothing is to be tested. Throws `invalid_argument`
 * for a test of the container's that is none.
 */
export function planHealth(own: HealthConfig | null, image: Pick<ImageConfig, "health" | "shell">): HealthPlan | null {
  const theirs = image.health;
  const given = own ?? theirs;
  if (given === null) return null;
  requireTest(own?.test ?? []);
  const test = given.test.length > 0 ? given.test : (theirs?.test ?? []);
  // NONE, or what an image says that nobody understands.
  if (test.length < 2 || (test[0] !== "CMD" && test[0] !== "CMD-SHELL")) return null;
  return {
    test,
    intervalMs: given.intervalMs || (theirs?.intervalMs ?? 0),
    timeoutMs: given.timeoutMs || (theirs?.timeoutMs ?? 0),
    startPeriodMs: given.startPeriodMs || (theirs?.startPeriodMs ?? 0),
    startIntervalMs: given.startIntervalMs || (theirs?.startIntervalMs ?? 0),
    retries: given.retries || (theirs?.retries ?? 0),
    shell: image.shell.length > 0 ? image.shell : SHELL,
  };
}

function requireTest([kind, ...args]: readonly string[]): void {
  if (kind === undefined || kind === "NONE") return;
  if (kind !== "CMD" && kind !== "CMD-SHELL") {
    throw new ClusterError("invalid_argument", `Unknown healthcheck type '${kind}' (expected 'CMD', 'CMD-SHELL' or 'NONE')`);
  }
  if (args.length === 0 || args[0] === "") throw new ClusterError("invalid_argument", `the healthcheck ["${kind}"] names no command`);
}
