import type { EngineEvent } from "../../../engine/events.js";
import type { Node, ObjectKind, Service } from "../../../model/objects.js";
import type { AppliedChanges } from "../../../store/change-history.js";
import type { StoreEvent } from "../../../store/view.js";
import type { Json } from "../json.js";
import { unlessEmpty } from "./zero-values.js";

/** The kinds of objects whose changes are events of the swarm (swarm-surface 2.3). */
export const EVENT_KINDS = ["service", "node", "secret", "config", "network"] as const satisfies readonly ObjectKind[];

/** What happened, as clients and filters see it. */
export interface DockerEvent {
  readonly type: string;
  readonly action: string;
  readonly actorId: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly scope: "swarm" | "local";
  readonly timeMs: number;
  /** By which a client goes on, on any manager; undefined for what happens on one host alone. */
  readonly revision: number | undefined;
}

export function swarmEvents({ revision, atMs, events }: AppliedChanges): readonly DockerEvent[] {
  return events.map((event) => ({
    type: event.kind,
    action: event.action,
    actorId: event.object.id,
    attributes: { name: nameOf(event), ...changesOf(event) },
    scope: "swarm",
    timeMs: atMs,
    revision,
  }));
}

/** An event of this host alone. */
export function engineEvent({ type, action, id, attributes, timeMs }: EngineEvent): DockerEvent {
  return { type, action, actorId: id, attributes, scope: "local", timeMs, revision: undefined };
}

export function eventToDocker(event: DockerEvent): Json {
  return {
    ...legacyFields(event),
    Type: event.type,
    Action: event.action,
    Actor: { ID: event.actorId, Attributes: event.attributes },
    scope: event.scope,
    time: Math.floor(event.timeMs / 1000),
    timeNano: BigInt(event.timeMs) * 1_000_000n,
    revision: event.revision,
  };
}

function nameOf(event: StoreEvent): string {
  if (event.kind === "node") return event.object.spec?.name || (event.object.description?.hostname ?? "");
  return event.kind === "task" || event.kind === "cluster" ? "" : (event.object.spec?.name ?? "");
}

function changesOf(event: StoreEvent): Readonly<Record<string, string>> {
  if (event.action !== "update") return {};
  if (event.kind === "node") return nodeChanges(event.object, event.previous);
  return event.kind === "service" ? serviceChanges(event.object, event.previous) : {};
}

function nodeChanges(node: Node, before: Node): Readonly<Record<string, string>> {
  return {
    ...change("availability", before.spec?.availability, node.spec?.availability),
    ...change("role", before.role, node.role),
    ...change("state", before.status?.state, node.status?.state),
  };
}

function serviceChanges(service: Service, before: Service): Readonly<Record<string, string>> {
  const state = service.updateStatus?.state;
  return {
    ...change("image", before.spec?.task?.container?.image, service.spec?.task?.container?.image),
    ...change("replicas", replicasOf(before), replicasOf(service)),
    // A status that goes, because a new update begins, is no news of its own.
    ...(state === undefined ? {} : change("updatestate", before.updateStatus?.state ?? "", state)),
  };
}

function replicasOf(service: Service): string | undefined {
  const mode = service.spec?.mode;
  return mode?.type === "replicated" ? String(mode.replicated.replicas) : undefined;
}

/** Only where both sides have the attribute, and it is another one. */
function change(name: string, before: string | undefined, after: string | undefined): Readonly<Record<string, string>> {
  if (before === undefined || after === undefined || before === after) return {};
  return { [`${name}.old`]: before, [`${name}.new`]: after };
}

/** As events were before 1.22, which clients still read, of what there was then. */
function legacyFields({ type, action, actorId, attributes, scope }: DockerEvent): { readonly [name: string]: Json } {
  if (scope !== "local" || (type !== "container" && type !== "image")) return {};
  const from = type === "container" ? unlessEmpty(attributes.image ?? "") : undefined;
  return { status: action, id: unlessEmpty(actorId), from };
}
