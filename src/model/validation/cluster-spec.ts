import { NANOSECONDS_PER_SECOND } from "../defaults.js";
import type { ClusterSpec } from "../objects.js";
import { invalid } from "./invalid.js";
import { validateLabels } from "./names.js";

const CERT_EXPIRY_NS_MIN = 3600n * NANOSECONDS_PER_SECOND;
/** Below this, heartbeats of a large cluster would be its main work. */
const HEARTBEAT_NS_MIN = NANOSECONDS_PER_SECOND / 10n;
/** A minute of ticks of 100 ms. A leader that dies is succeeded no sooner than this, and what is wrong cannot be set right before that. */
const ELECTION_TICKS_MAX = 600;

/** Checks a spec that has its defaults filled in. Throws ClusterError `invalid_argument`, then `unimplemented`. */
export function validateClusterSpec(spec: ClusterSpec): void {
  if (spec.name !== "default") throw invalid(`modification of cluster name is not allowed: "${spec.name}"`);
  validateLabels("cluster", spec.labels);
  if (spec.heartbeatPeriodNs < 0n) throw invalid("heartbeat time period cannot be a negative duration");
  if (spec.heartbeatPeriodNs < HEARTBEAT_NS_MIN) throw invalid("heartbeat time period must be at least 100ms");
  if (spec.nodeCertExpiryNs < CERT_EXPIRY_NS_MIN) throw invalid("minimum certificate expiry time is: 1h0m0s");
  const { heartbeatTick = 1, electionTick = 10 } = spec.raft ?? {};
  if (electionTick <= heartbeatTick) throw invalid(`election tick (${electionTick}) must be greater than heartbeat tick (${heartbeatTick})`);
  if (electionTick > ELECTION_TICKS_MAX)
    throw invalid(`election tick (${electionTick}) must be at most ${ELECTION_TICKS_MAX}, which is a minute: without a leader nothing is done that long`);
}
