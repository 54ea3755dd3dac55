import type { DockerEvent } from "./convert/event.js";
import { Filters } from "./filters.js";
import type { Query } from "./query.js";

/** Keys whose value is the beginning of an id or a name, of whatever kind of object (moby: daemon/events/filter.go). */
const NAMES = ["config", "container", "daemon", "network", "node", "plugin", "secret", "service", "volume"] as const;
const KNOWN = [...NAMES, "event", "image", "label", "scope", "type"];
/** Events whose action goes on after a colon: asked for by their first word. */
const OPEN_ENDED = ["health_status", "exec_create", "exec_start"];

/** Which events a client asked for. Throws 400 for a filter that there is not. */
export function eventFilter(query: Query): (event: DockerEvent) => boolean {
  const filters = Filters.parse(query, KNOWN);
  const isOpenEnded = filters.get("event").some((value) => OPEN_ENDED.includes(value));
  return (event) => {
    const { name = "" } = event.attributes;
    return (
      (isOpenEnded ? filters.get("event").some((value) => event.action.startsWith(value)) : filters.allows("event", event.action)) &&
      filters.allows("type", event.type) &&
      filters.allows("scope", event.scope) &&
      NAMES.every((key) => !filters.has(key) || filters.get(key).some((value) => event.actorId.startsWith(value) || name.startsWith(value))) &&
      isOfImage(filters, event) &&
      filters.allowsLabels("label", event.attributes)
    );
  };
}

/** Images by id or name; other events by the image that they name. */
function isOfImage(filters: Filters, event: DockerEvent): boolean {
  const image = event.attributes[event.type === "image" ? "name" : "image"] ?? "";
  return [event.actorId, image].some((candidate) => filters.allows("image", candidate) || filters.allows("image", withoutTag(candidate)));
}

function withoutTag(image: string): string {
  return /^(.+):[^/:]+$/.exec(image)?.[1] ?? image;
}
