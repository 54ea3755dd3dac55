import { invalid } from "./invalid.js";

const SERVICE_NAME = /^[a-zA-Z0-9]+(?:[-_]+[a-zA-Z0-9]+)*$/;
const SERVICE_NAME_LENGTH_MAX = 63;

/** Names of services and networks (swarm-surface 3.13). Throws ClusterError `invalid_argument`. */
export function validateServiceName(name: string): void {
  if (name === "") throw invalid("meta: name must be provided");
  if (!SERVICE_NAME.test(name)) throw invalid("name must be valid as a DNS name component");
  if (name.length > SERVICE_NAME_LENGTH_MAX) throw invalid("name must be 63 characters or fewer");
}

/** Labels need a key. Throws ClusterError `invalid_argument`. */
export function validateLabels(what: string, labels: Readonly<Record<string, string>>): void {
  if (Object.keys(labels).some((key) => key.trim() === "")) throw invalid(`${what}: a label must have a name`);
}
