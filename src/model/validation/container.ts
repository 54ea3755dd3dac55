import { isIP } from "node:net";
import type { ContainerSpec, HealthConfig, Ulimit } from "../objects.js";
import { isImageReference } from "./image-reference.js";
import { invalid } from "./invalid.js";
import { validateMounts } from "./mounts.js";
import { validateLabels } from "./names.js";

const CAPABILITY = /^(ALL|CAP_[A-Z_]+)$/;
const HOSTNAME_LENGTH_MAX = 63;
const NANOSECONDS_PER_MS = 1_000_000n;

/** Throws ClusterError `invalid_argument`. */
export function validateContainer(container: ContainerSpec): void {
  if (container.image === "") throw invalid("ContainerSpec: image reference must be provided");
  if (!isImageReference(container.image)) throw invalid(`ContainerSpec: "${container.image}" is not a valid repository/tag`);
  validateLabels("ContainerSpec", container.labels);
  validateMounts(container.mounts);
  if (container.hostname.length > HOSTNAME_LENGTH_MAX && !container.hostname.includes("{{"))
    throw invalid("ContainerSpec: hostname must be 63 characters or fewer");
  for (const entry of container.env) if (entry.startsWith("=") || entry === "") throw invalid(`ContainerSpec: invalid environment variable "${entry}"`);
  if ((container.stopGracePeriodNs ?? 0n) < 0n) throw invalid("ContainerSpec: stop-grace-period cannot be negative");
  if (container.dir !== "" && !container.dir.startsWith("/")) throw invalid(`ContainerSpec: working directory "${container.dir}" is not an absolute path`);
  for (const name of [...container.capabilityAdd, ...container.capabilityDrop]) validateCapability(name);
  for (const ulimit of container.ulimits) validateUlimit(ulimit);
  for (const host of container.hosts) validateHost(host);
  for (const server of container.dns?.nameservers ?? []) if (isIP(server) === 0) throw invalid(`ContainerSpec: DNS server "${server}" is not an IP address`);
  if (container.oomScoreAdj < -1000n || container.oomScoreAdj > 1000n)
    throw invalid(`ContainerSpec: invalid oom-score-adj ${container.oomScoreAdj}: must be between -1000 and 1000`);
  validateHealth(container.healthcheck);
}

/** The client writes them with their prefix, in upper case; a container never gets what the kernel does not know. */
function validateCapability(name: string): void {
  const upper = name.toUpperCase();
  if (!CAPABILITY.test(upper) && !CAPABILITY.test(`CAP_${upper}`)) throw invalid(`ContainerSpec: invalid capability "${name}"`);
}

function validateUlimit({ name, soft, hard }: Ulimit): void {
  if (name === "") throw invalid("ContainerSpec: a ulimit must have a name");
  if (hard >= 0n && soft > hard) throw invalid(`ContainerSpec: ulimit ${name}: soft limit ${soft} is above hard limit ${hard}`);
}

function validateHost(host: string): void {
  const [address = "", ...names] = host.trim().split(/\s+/);
  if (isIP(address) === 0 || names.length === 0) throw invalid(`ContainerSpec: invalid extra host "${host}": expected "IP name"`);
}

function validateHealth(health: HealthConfig | null): void {
  if (health === null) return;
  const { intervalNs, timeoutNs, startPeriodNs, startIntervalNs } = health;
  for (const [name, duration] of Object.entries({ Interval: intervalNs, Timeout: timeoutNs, StartPeriod: startPeriodNs, StartInterval: startIntervalNs })) {
    if (duration !== 0n && duration < NANOSECONDS_PER_MS) throw invalid(`ContainerSpec: ${name} in HealthConfig cannot be less than 1ms`);
  }
  const [kind, ...args] = health.test;
  if (kind === undefined || kind === "NONE") return;
  if (kind !== "CMD" && kind !== "CMD-SHELL") throw invalid(`ContainerSpec: unknown healthcheck type "${kind}": expected CMD, CMD-SHELL or NONE`);
  if (args.length === 0 || args[0] === "") throw invalid(`ContainerSpec: the healthcheck ["${kind}"] names no command`);
}
