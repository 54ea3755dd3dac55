import type { ContainerInfo, DamagedContainer } from "../../runtime/container-runtime.js";
import type { ImageInfo } from "../../runtime/image-store.js";
import { EMPTY_CONFIG } from "../../runtime/images/import-changes.js";
import { exposedPortsOf } from "../../runtime/process-config.js";
import type { Backend } from "./backend.js";
import { networkModeOf } from "./convert/network-settings.js";
import { badRequest } from "./errors.js";
import type { Filters } from "./filters.js";
import { findContainer } from "./lookup.js";
import { nameMatcher } from "./name-matcher.js";

const STATES = ["created", "restarting", "running", "removing", "paused", "exited", "dead"] as const;
const HEALTH = ["starting", "healthy", "unhealthy", "none"] as const;
const TASK_LABEL = "com.docker.swarm.task.id";
const PORT_MAX = 65_535;

export const CONTAINER_FILTERS = [
  ...["ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label"],
  ...["name", "network", "publish", "since", "status", "volume"],
];

/** What the filters ask of a container beside itself. */
export interface FilterSurroundings extends Pick<Backend, "containers" | "images"> {
  readonly stateOf: (container: ContainerInfo) => string;
  readonly healthOf: (id: string) => string;
}

type Claim = (container: ContainerInfo) => boolean;

/** Which containers a list shall have (Docker's filters of containers). Throws 400 for a value that means nothing, 404 for a container that is not there. */
export function containerFilter(filters: Filters, surroundings: FilterSurroundings): Claim {
  const { stateOf, healthOf } = surroundings;
  const states: readonly string[] = filters.words("status", STATES);
  const health: readonly string[] = filters.words("health", HEALTH);
  const taskWords = filters.words("is-task", ["true", "false", "1", "0"]).map((word) => word === "true" || word === "1");
  const names = filters.get("name").map(nameMatcher);
  const claims: readonly Claim[] = [
    ({ config }) => filters.allowsPrefix("id", config.id) && filters.allowsLabels("label", config.labels),
    ({ config }) => names.length === 0 || names.some((matches) => matches(config.name)),
    madeAtClaim(filters, surroundings),
    portClaim(filters, surroundings),
    ancestorClaim(filters, surroundings),
    exitClaim(filters),
    ({ config }) => filters.allows("network", networkModeOf(config)),
    ({ config }) =>
      !filters.has("volume") ||
      config.mounts.some((mount) => [mount.volume?.name ?? mount.source, mount.target].some((word) => filters.allows("volume", word))),
    // There is one kind of isolation on Linux.
    () => filters.allows("isolation", "default") || filters.allows("isolation", ""),
    ({ config }) => health.length === 0 || health.includes(healthOf(config.id)),
    (container) => states.length === 0 || states.includes(stateOf(container)),
    ({ config }) => taskWords.length === 0 || taskWords.includes(Object.hasOwn(config.labels, TASK_LABEL)),
  ];
  return (container) => claims.every((claim) => claim(container));
}

/** The same for those of which nothing but the id is known: what is asked of anything else is not theirs. */
export function deadFilter(filters: Filters): (container: DamagedContainer) => boolean {
  const isAboutMore = CONTAINER_FILTERS.some((key) => !["id", "name", "status"].includes(key) && filters.has(key));
  const names = filters.get("name").map(nameMatcher);
  return ({ id }) =>
    !isAboutMore &&
    filters.allows("status", "dead") &&
    filters.allowsPrefix("id", id) &&
    (names.length === 0 || names.some((matches) => matches(id.slice(0, 12))));
}

function madeAtClaim(filters: Filters, { containers }: FilterSurroundings): Claim {
  const madeAt = (key: string) => filters.get(key).map((reference) => findContainer(containers, reference).createdAtMs);
  const [before, since] = [madeAt("before"), madeAt("since")];
  return ({ createdAtMs }) => before.every((timeMs) => createdAtMs < timeMs) && since.every((timeMs) => createdAtMs > timeMs);
}

/** `publish` is about ports of the host and of the container, `expose` about the container's, published or not. */
function portClaim(filters: Filters, { images }: FilterSurroundings): Claim {
  const wanted = (key: string) => filters.get(key).flatMap((text) => portsOf(key, text));
  const [publish, expose] = [wanted("publish"), wanted("expose")];
  return ({ config, imageId }) => {
    const bound = config.single?.ports ?? [];
    const published = [...bound, ...(config.single?.published ?? [])].flatMap((port) => [
      `${port.publishedPort}/${port.protocol}`,
      `${port.targetPort}/${port.protocol}`,
    ]);
    const exposed = exposedPortsOf(config, images.resolve(imageId)?.config ?? EMPTY_CONFIG);
    return (publish.length === 0 || publish.some((port) => published.includes(port))) && (expose.length === 0 || expose.some((port) => exposed.includes(port)));
  };
}

/** `80`, `80/udp`, `8000-8010/tcp`. */
function portsOf(key: string, text: string): readonly string[] {
  const [, low = "", high = low, protocol = "tcp"] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  const [first, last] = [Number(low), Number(high)];
  if (low === "" || first > last || last > PORT_MAX) throw badRequest(`invalid filter '${key}=${text}': not a port`);
  return Array.from({ length: last - first + 1 }, (_, offset) => `${first + offset}/${protocol}`);
}

/** The image itself, and images that were made on top of it: all of its layers are their first ones. An image that is not here is nobody's ancestor. */
function ancestorClaim(filters: Filters, { images }: FilterSurroundings): Claim {
  if (!filters.has("ancestor")) return () => true;
  const ancestors = filters.get("ancestor").map((reference) => images.resolve(reference));
  const isBelow = (image: ImageInfo | undefined, ancestor: ImageInfo) =>
    image !== undefined && ancestor.layers.length > 0 && ancestor.layers.every((layer, index) => image.layers[index] === layer);
  return ({ imageId }) => {
    const image = images.resolve(imageId);
    return ancestors.some((ancestor) => ancestor !== undefined && (ancestor.id === imageId || isBelow(image, ancestor)));
  };
}

function exitClaim(filters: Filters): Claim {
  const codes = filters.get("exited").map((text) => {
    if (!/^-?\d{1,9}$/.test(text)) throw badRequest(`invalid filter 'exited=${text}': not an exit code`);
    return Number(text);
  });
  return ({ state, exit }) => codes.length === 0 || (state === "exited" && exit !== null && codes.includes(exit.exitCode));
}
