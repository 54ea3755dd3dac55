import { messageOf } from "../../base/errors.js";
import type { ContainerSpec } from "../objects.js";
import { expandTemplate } from "../template.js";
import { invalid } from "./invalid.js";

/** Any task of any node: what can be expanded for it can be for all. */
const SAMPLE = {
  node: { id: "node", hostname: "node", platform: { architecture: "x86_64", os: "linux" } },
  task: { id: "task", name: "task", slot: "1" },
};

/**
 * Expands every template of a container once, so that a mistake is told to who made it instead of to each node. Templates are allowed in values
 * of the environment, the host name and mounts (swarm-surface 3.14). Throws ClusterError `invalid_argument`.
 */
export function validateTemplates(container: ContainerSpec, service: { readonly name: string; readonly labels: Readonly<Record<string, string>> }): void {
  const context = { ...SAMPLE, service: { id: "service", name: service.name, labels: service.labels } };
  const check = (place: string, text: string) => {
    try {
      expandTemplate(text, context);
    } catch (cause) {
      throw invalid(`ContainerSpec: ${place}: ${messageOf(cause)}`);
    }
  };
  for (const entry of container.env)
    if (entry.includes("=")) check(`environment variable ${entry.slice(0, entry.indexOf("="))}`, entry.slice(entry.indexOf("=") + 1));
  check("hostname", container.hostname);
  for (const mount of container.mounts) {
    check("mount source", mount.source);
    check("mount target", mount.target);
    for (const value of Object.values(mount.volumeOptions?.labels ?? {})) check("volume label", value);
    for (const value of Object.values(mount.volumeOptions?.driver?.options ?? {})) check("volume driver option", value);
  }
}
