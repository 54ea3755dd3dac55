import type { NetworkAttachmentConfig, Placement, RestartCondition, RestartPolicy, TaskRuntime, TaskSpec } from "../../../model/objects.js";
import { badRequest } from "../errors.js";
import type { Json } from "../json.js";
import { containerSpecFromDocker, containerSpecToDocker } from "./container-spec.js";
import { driverFromDocker, driverToDocker } from "./driver.js";
import type { Fields } from "./fields.js";
import { resourcesFromDocker, resourcesToDocker } from "./resources.js";
import { dashed, dashedWords } from "./words.js";
import { optionalInteger, unlessBlank, unlessEmpty, unlessZero } from "./zero-values.js";

const RUNTIMES: Readonly<Record<string, TaskRuntime>> = { container: "container", plugin: "plugin", attachment: "attachment" };
const CONDITIONS = dashedWords<RestartCondition>("any", "none", "on_failure");

/** `networks` are those that clients before API 1.44 put beside the task template. */
export function taskSpecFromDocker(fields: Fields, options: { readonly registryAuth: string; readonly networks: readonly Fields[] }): TaskSpec {
  const runtime = fields.word("Runtime", RUNTIMES, "container");
  const container = fields.child("ContainerSpec");
  if (runtime === "container" && container === null) throw badRequest("ContainerSpec: a container runtime needs a container specification");
  const networks = fields.children("Networks", networkFromDocker);
  const spec: TaskSpec = {
    runtime,
    container: container === null ? null : containerSpecFromDocker(container, options.registryAuth),
    resources: resourcesFromDocker(fields.child("Resources")),
    restart: restartFromDocker(fields.child("RestartPolicy")),
    placement: placementFromDocker(fields.child("Placement")),
    networks: networks.length > 0 || options.networks.length === 0 ? networks : options.networks.map(networkFromDocker),
    logDriver: driverFromDocker(fields.child("LogDriver")),
    forceUpdate: fields.count("ForceUpdate"),
  };
  fields.end();
  return spec;
}

export function taskSpecToDocker(spec: TaskSpec): Json {
  return {
    ContainerSpec: spec.container === null ? {} : containerSpecToDocker(spec.container),
    Resources: resourcesToDocker(spec.resources),
    RestartPolicy: restartToDocker(spec.restart),
    Placement: placementToDocker(spec.placement),
    Networks: unlessEmpty(
      spec.networks.map((network) => ({
        Target: unlessEmpty(network.target),
        Aliases: unlessEmpty(network.aliases),
        DriverOpts: unlessEmpty(network.driverOptions),
      })),
    ),
    LogDriver: driverToDocker(spec.logDriver),
    ForceUpdate: spec.forceUpdate,
    Runtime: spec.runtime,
  };
}

function restartFromDocker(fields: Fields | null): RestartPolicy | null {
  if (fields === null) return null;
  const delayNs = fields.optionalInteger("Delay");
  const policy: RestartPolicy = {
    condition: fields.word("Condition", CONDITIONS, "any"),
    ...(delayNs === undefined ? {} : { delayNs }),
    maxAttempts: fields.count("MaxAttempts"),
    windowNs: fields.integer("Window"),
  };
  fields.end();
  return policy;
}

function restartToDocker(policy: RestartPolicy | null): Json {
  if (policy === null) return undefined;
  return {
    Condition: dashed(policy.condition),
    Delay: optionalInteger(policy.delayNs),
    MaxAttempts: policy.maxAttempts,
    Window: unlessZero(policy.windowNs),
  };
}

function placementFromDocker(fields: Fields | null): Placement | null {
  if (fields === null) return null;
  const placement: Placement = {
    constraints: fields.strings("Constraints"),
    preferences: fields.children("Preferences", preferenceFromDocker),
    maxReplicas: fields.count("MaxReplicas"),
    platforms: fields.children("Platforms", platformFromDocker),
  };
  fields.end();
  return unlessBlank(placement);
}

function placementToDocker(placement: Placement | null): Json {
  if (placement === null) return {};
  return {
    Constraints: unlessEmpty(placement.constraints),
    Preferences: unlessEmpty(placement.preferences.map((preference) => ({ Spread: { SpreadDescriptor: preference.descriptor } }))),
    MaxReplicas: unlessZero(placement.maxReplicas),
    Platforms: unlessEmpty(placement.platforms.map((platform) => ({ Architecture: unlessEmpty(platform.architecture), OS: unlessEmpty(platform.os) }))),
  };
}

function preferenceFromDocker(fields: Fields): Placement["preferences"][number] {
  const spread = fields.child("Spread");
  fields.end();
  if (spread === null) throw badRequest("a placement preference must be a spread");
  const descriptor = spread.string("SpreadDescriptor");
  spread.end();
  return { descriptor };
}

function platformFromDocker(fields: Fields): Placement["platforms"][number] {
  const platform = { architecture: fields.string("Architecture"), os: fields.string("OS") };
  // Variants of an architecture do not take part in Swarm's placement.
  fields.ignore("Variant", "OSVersion", "OSFeatures");
  fields.end();
  return platform;
}

function networkFromDocker(fields: Fields): NetworkAttachmentConfig {
  const network: NetworkAttachmentConfig = {
    target: fields.string("Target"),
    aliases: fields.strings("Aliases"),
    driverOptions: fields.record("DriverOpts"),
  };
  fields.end();
  return network;
}
