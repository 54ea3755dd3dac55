import { hostname as hostnameOfHost } from "node:os";
import { ClusterError } from "../base/errors.js";
import type { ContainerConfig } from "./container-config.js";
import type { HealthPlan } from "./container-runtime.js";
import { planHealth } from "./health-plan.js";
import type { ImageConfig } from "./image-store.js";

/** What will be executed: the container's settings with the image's where it has none. */
export interface ProcessConfig {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly stopSignal: string;
  readonly hostname: string;
  readonly health: HealthPlan | null;
}

/** Where the first process that `hasInit` asks for is in a container; Docker's place for it. */
export const INIT_PATH = "/sbin/docker-init";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Where none was asked for. */
export function hasHostsName({ network, hostNamespaces = [] }: Pick<ContainerConfig, "network" | "hostNamespaces">): boolean {
  return network === "host" || hostNamespaces.includes("uts");
}

/** Docker's rules. Throws `invalid_argument` when there is nothing to execute. */
export function planProcess(config: ContainerConfig, image: ImageConfig): ProcessConfig {
  const hostname = firstOf(config.hostname, hasHostsName(config) ? hostnameOfHost() : config.id.slice(0, 12));
  const program = programOf(config, image);
  const command = [...program.entrypoint, ...program.command];
  const args = config.hasInit && command.length > 0 ? [INIT_PATH, "--", ...command] : command;
  if (args.length === 0) throw new ClusterError("invalid_argument", `no command specified for container ${config.name}, and image ${config.image} has none`);
  const process = {
    args,
    env: mergeEnv([DEFAULT_PATH, `HOSTNAME=${hostname}`, ...(config.terminal.isTerminal ? ["TERM=xterm"] : []), ...image.env, ...config.env]),
    workingDir: firstOf(config.workingDir, image.workingDir, "/"),
    user: firstOf(config.user, image.user),
    stopSignal: firstOf(config.stopSignal, image.stopSignal, "SIGTERM"),
    hostname,
  };
  const health = planHealth(config.health, image);
  const texts = { ...process, healthcheck: [...(health?.test ?? []), ...(health?.shell ?? [])] };
  // Of the image too: its author may have been anybody.
  const nul = Object.entries(texts).find(([, value]) => [value].flat().some((text) => text.includes("\0")));
  if (nul !== undefined) throw new ClusterError("invalid_argument", `${nul[0]} of container ${config.name} (image ${config.image}) contains a NUL character`);
  return { ...process, health };
}

/** What is run: an entrypoint of the container's own drops the image's command too, and one empty word both, in favour of the container's command. */
export function programOf(
  { entrypoint, command }: Pick<ContainerConfig, "entrypoint" | "command">,
  image: ImageConfig,
): Pick<ImageConfig, "entrypoint" | "command"> {
  if (entrypoint.length === 1 && entrypoint[0] === "") return { entrypoint: [], command };
  if (entrypoint.length > 0) return { entrypoint, command };
  return { entrypoint: image.entrypoint, command: command.length > 0 ? command : image.command };
}

/** `80/tcp`: where it says that it listens, by its image, by itself, or by what is published. */
export function exposedPortsOf({ single }: Pick<ContainerConfig, "single">, image: Pick<ImageConfig, "exposedPorts">): readonly string[] {
  const published = (single?.ports ?? []).map((port) => `${port.targetPort}/${port.protocol}`);
  return [...new Set([...image.exposedPorts, ...(single?.exposed ?? []), ...published])];
}

/** The last of a name wins; a name without `=` is taken out. */
export function mergeEnv(entries: readonly string[]): readonly string[] {
  const byName = new Map<string, string>();
  for (const entry of entries) {
    const [name = ""] = entry.split("=", 1);
    if (entry.includes("=")) byName.set(name, entry);
    else byName.delete(name);
  }
  return [...byName.values()];
}

function firstOf(...texts: readonly string[]): string {
  return texts.find((text) => text !== "") ?? "";
}
