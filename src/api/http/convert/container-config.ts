import { hostname as hostnameOfHost } from "node:os";
import { hasHostsName } from "../../../runtime/process-config.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import type { ImageConfig } from "../../../runtime/image-store.js";
import { EMPTY_CONFIG } from "../../../runtime/images/import-changes.js";
import { exposedPortsOf, mergeEnv, programOf } from "../../../runtime/process-config.js";
import type { Json } from "../json.js";
import { healthcheckToDocker } from "./health.js";
import { unlessEmpty } from "./zero-values.js";

/** The part of `inspect` that a container could be made of again: what was asked for, and the image's where nothing was. `image` is null for one that is gone. */
export function configToDocker(container: ContainerInfo, image: ImageConfig | null): { readonly [name: string]: Json } {
  const { config } = container;
  const { single, terminal } = config;
  return {
    Hostname: config.hostname || (hasHostsName(config) ? hostnameOfHost() : config.id.slice(0, 12)),
    Domainname: config.domainname,
    AttachStdin: single?.request.attachStdin ?? false,
    AttachStdout: single?.request.attachStdout ?? false,
    AttachStderr: single?.request.attachStderr ?? false,
    Tty: terminal.isTerminal,
    OpenStdin: terminal.hasInput,
    StdinOnce: terminal.isInputOnce,
    Image: config.image,
    ...mergedWithImage(container, image ?? EMPTY_CONFIG),
    OnBuild: null,
    MacAddress: unlessEmpty(single?.macAddress ?? ""),
    ...(single === null || single.stopTimeoutMs === 0 ? {} : { StopTimeout: Math.round(single.stopTimeoutMs / 1000) }),
    Healthcheck: healthcheckToDocker(container.health === null ? config.health : container.health),
  };
}

function mergedWithImage(container: ContainerInfo, image: ImageConfig): { readonly [name: string]: Json } {
  const { config } = container;
  const { entrypoint, command } = programOf(config, image);
  return {
    User: config.user || image.user,
    Env: mergeEnv([...image.env, ...config.env]),
    Cmd: unlessEmpty(command) ?? null,
    Entrypoint: unlessEmpty(entrypoint) ?? null,
    WorkingDir: config.workingDir || image.workingDir,
    Labels: config.labels,
    ExposedPorts: unlessEmpty(setOf(exposedPortsOf(config, image))),
    Volumes: unlessEmpty(setOf([...image.volumes, ...anonymousPathsOf(container)])) ?? null,
    StopSignal: unlessEmpty(config.stopSignal || image.stopSignal),
    Shell: unlessEmpty(image.shell),
  };
}

function anonymousPathsOf({ config }: ContainerInfo): readonly string[] {
  return config.mounts.filter(({ volume }) => volume?.isAnonymous === true).map(({ target }) => target);
}

/** As Docker writes sets of names. */
function setOf(names: readonly string[]): Readonly<Record<string, Json>> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}
