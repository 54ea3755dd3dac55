import type { HostPort } from "../../../model/host-port.js";
import type { ContainerConfig, HealthConfig, RestartPolicy } from "../../../runtime/container-config.js";
import type { ContainerInfo } from "../../../runtime/container-runtime.js";
import type { ImageConfig } from "../../../runtime/image-store.js";
import type { ResourceAbilities } from "../../../runtime/resource-abilities.js";
import type { NetworkChoice } from "../../../engine/engine.js";
import { badRequest, HttpError } from "../errors.js";
import type { ApiMinor } from "../version.js";
import { isolationFromDocker, securityFromDocker } from "./container-isolation.js";
import { mountsFromDocker, type RequestedMounts } from "./container-mounts.js";
import { namesFromDocker } from "./container-names.js";
import { networkFromDocker } from "./container-network.js";
import { bindingsFromDocker, exposedFromDocker } from "./container-ports.js";
import { resourcesFromDocker } from "./container-resources.js";
import { Fields } from "./fields.js";

/** What a request for a container comes to. */
export interface ContainerRequest {
  readonly config: Omit<ContainerConfig, "network">;
  readonly network: NetworkChoice;
  /** Folders of the host that are made if they are missing: sources of `-v`, and of mounts that ask for it. */
  readonly foldersToMake: readonly string[];
  /** About what was left out. */
  readonly warnings: readonly string[];
}

export interface ContainerRequestContext {
  readonly id: string;
  readonly name: string;
  /** Of the image, for what the request leaves to it; null when the image is not here. */
  readonly image: ImageConfig | null;
  /** By what a person calls it; throws 404. */
  readonly findContainer: (reference: string) => ContainerInfo;
  /** Containers that do not ask for the host's user namespace get their own. */
  readonly isRemapped: boolean;
  readonly abilities: ResourceAbilities;
  readonly apiMinor: ApiMinor;
}

const RESTART_NAMES = { no: "no", always: "always", "unless-stopped": "unless-stopped", "on-failure": "on-failure" } as const;
const NANOSECONDS_PER_MS = 1e6;
const DISCARDED_PORTS_TEXT = "Published ports are discarded when using host network mode";

/** The body of POST /containers/create. Throws 400 for what is wrong in it and 501 for what is not built. */
export function containerFromDocker(body: unknown, context: ContainerRequestContext): ContainerRequest {
  const fields = new Fields(body, "");
  const host = fields.child("HostConfig") ?? new Fields({}, "HostConfig");
  const anonymousPaths = fields.entries("Volumes").map(({ key }) => key);
  const shared = { ...context, findContainer: (reference: string) => sharedContainer(context, reference) };
  const mounts = mountsFromDocker(host, anonymousPaths, shared.findContainer);
  const exposed = exposedFromDocker(fields);
  const ports = bindingsFromDocker(host, [...exposed, ...(context.image?.exposedPorts ?? [])]);
  const { network, macAddress } = networkFromDocker(host, fields, shared);
  for (const [what, asked] of [
    ["publishing", ports],
    ["exposing", exposed],
  ] as const) {
    if (asked.length > 0 && typeof network === "object") throw badRequest(`conflicting options: port ${what} and the container type network mode`);
  }
  const isolation = isolationFromDocker(host, shared);
  if (isolation.hostNamespaces.includes("uts") && fields.string("Hostname") !== "") throw badRequest("conflicting options: hostname and the UTS mode");
  const security = securityFromDocker(host);
  const { resources, warnings } = resourcesFromDocker(host, context.abilities);
  const config = {
    id: context.id,
    name: context.name,
    ...programFromDocker(fields),
    ...namesFromDocker(host),
    ...isolation,
    ...security,
    mounts: mounts.mounts,
    resources,
    log: logFromDocker(host),
    single: singleFromDocker(fields, host, { ports, exposed, mounts, macAddress }),
  };
  // Some SDKs put the query into the body as well.
  fields.ignore("OnBuild", "ArgsEscaped", "name", "platform");
  fields.end();
  host.ignore("ConsoleSize", "ContainerIDFile");
  host.end();
  return {
    config,
    network,
    foldersToMake: mounts.foldersToMake,
    warnings: [...warnings, ...(ports.length > 0 && network === "host" ? [DISCARDED_PORTS_TEXT] : [])],
  };
}

/** One whose namespaces or mounts are to be shared. Throws 400 where there is none: Docker's command line takes a 404 for a missing image, and pulls it. */
function sharedContainer({ findContainer }: ContainerRequestContext, reference: string): ContainerInfo {
  try {
    return findContainer(reference);
  } catch (cause) {
    if (cause instanceof HttpError && cause.status === 404) throw badRequest(cause.message);
    throw cause;
  }
}

export function restartFromDocker(fields: Fields | null): RestartPolicy | null {
  if (fields === null) return null;
  const name = fields.word("Name", RESTART_NAMES, null);
  const retriesMax = fields.count("MaximumRetryCount");
  fields.end();
  if (name !== null && name !== "on-failure" && retriesMax > 0) throw badRequest(`invalid restart policy: maximum retry count cannot be used with "${name}"`);
  return name === null ? null : { name, retriesMax };
}

function programFromDocker(fields: Fields) {
  const isTerminal = fields.boolean("Tty");
  return {
    image: fields.string("Image"),
    labels: fields.record("Labels"),
    entrypoint: fields.strings("Entrypoint"),
    command: fields.strings("Cmd"),
    env: environmentFromDocker(fields),
    workingDir: fields.string("WorkingDir"),
    user: fields.string("User"),
    hostname: fields.string("Hostname"),
    domainname: fields.string("Domainname"),
    stopSignal: fields.string("StopSignal"),
    terminal: { isTerminal, hasInput: fields.boolean("OpenStdin"), isInputOnce: fields.boolean("StdinOnce") },
    health: healthFromDocker(fields.child("Healthcheck")),
  };
}

function environmentFromDocker(fields: Fields): readonly string[] {
  const env = fields.strings("Env");
  const nameless = env.find((entry) => entry === "" || entry.startsWith("="));
  if (nameless !== undefined) throw badRequest(`invalid environment variable: ${nameless}`);
  return env;
}

function healthFromDocker(fields: Fields | null): HealthConfig | null {
  if (fields === null) return null;
  const ms = (name: string) => {
    const value = Number(fields.integer(name));
    if (value < 0 || (value > 0 && value < NANOSECONDS_PER_MS)) throw badRequest(`${name} in Healthcheck cannot be less than 1ms`);
    return value / NANOSECONDS_PER_MS;
  };
  const health = {
    test: fields.strings("Test"),
    intervalMs: ms("Interval"),
    timeoutMs: ms("Timeout"),
    startPeriodMs: ms("StartPeriod"),
    startIntervalMs: ms("StartInterval"),
    retries: fields.count("Retries"),
  };
  fields.end();
  return health;
}

/** The runtime knows which drivers there are, and what they take. */
function logFromDocker(host: Fields): ContainerConfig["log"] {
  const log = host.child("LogConfig");
  const made = { driver: log?.string("Type") ?? "", options: log?.record("Config") ?? {} };
  log?.end();
  return made;
}

interface MadeParts {
  readonly ports: readonly HostPort[];
  readonly exposed: readonly string[];
  readonly mounts: RequestedMounts;
  readonly macAddress: string;
}

function singleFromDocker(fields: Fields, host: Fields, made: MadeParts) {
  const isAutoRemoved = host.boolean("AutoRemove");
  const restart = restartFromDocker(host.child("RestartPolicy")) ?? { name: "no", retriesMax: 0 };
  if (isAutoRemoved && restart.name !== "no") throw badRequest("can't create 'AutoRemove' container with restart policy");
  return {
    restart,
    isAutoRemoved,
    ports: made.ports,
    ...(made.exposed.length === 0 ? {} : { exposed: made.exposed }),
    published: [],
    isStopped: false,
    request: {
      attachStdin: fields.boolean("AttachStdin"),
      attachStdout: fields.boolean("AttachStdout"),
      attachStderr: fields.boolean("AttachStderr"),
      binds: made.mounts.binds,
      storage: made.mounts.storage,
    },
    stopTimeoutMs: Number(fields.integer("StopTimeout")) * 1000,
    ...(made.macAddress === "" ? {} : { macAddress: made.macAddress }),
  } as const;
}
