import type { Node, Service, Task } from "../../model/objects.js";
import type { ContainerInfo, ContainerRuntime } from "../../runtime/container-runtime.js";
import type { StoreView } from "../../store/view.js";
import { DAMAGED_TEXT } from "./convert/dead-container.js";
import { badRequest, HttpError, notFound } from "./errors.js";
import { findDamaged } from "./left-alone.js";

/**
 * Finds an object as people name it: by full id, then by full name, then by a unique prefix of its id. Throws 404 when there is none
 * and 400 when several match.
 */
function find<T>(kind: string, reference: string, steps: readonly (() => readonly T[])[]): T {
  for (const step of steps) {
    const matches = step();
    if (matches.length > 1) throw badRequest(`${kind} ${reference} is ambiguous (${matches.length} matches found)`);
    const [match] = matches;
    if (match !== undefined) return match;
  }
  throw notFound(`${kind} ${reference} not found`);
}

export function findService(view: StoreView, reference: string): Service {
  return find("service", reference, [
    () => present(view.services.get(reference)),
    () => view.services.byName(reference),
    () => prefixed(reference, view.services),
  ]);
}

export function findNode(view: StoreView, reference: string): Node {
  return find("node", reference, [() => present(view.nodes.get(reference)), () => view.nodes.byName(reference), () => prefixed(reference, view.nodes)]);
}

export function findTask(view: StoreView, reference: string): Task {
  return find("task", reference, [
    () => present(view.tasks.get(reference)),
    () => [...view.tasks.all()].filter((task) => task.name === reference),
    () => prefixed(reference, view.tasks),
  ]);
}

/** A container of this host, as its runtime finds it. Throws 404 with dockerd's sentence when there is none, 400 when several match, 409 for one whose record is damaged. */
export function findContainer(containers: Pick<ContainerRuntime, "inspect" | "leftAlone">, reference: string): ContainerInfo {
  const container = containers.inspect(reference);
  if (container !== undefined) return container;
  const damaged = findDamaged(containers, reference);
  if (damaged === undefined) throw notFound(`No such container: ${reference}`);
  throw new HttpError(409, `conflict: container ${damaged.id} has a damaged record, and nothing can be done with it: ${DAMAGED_TEXT}`);
}

function present<T>(object: T | undefined): readonly T[] {
  return object === undefined ? [] : [object];
}

/** An empty reference is nobody's prefix. */
function prefixed<T>(reference: string, table: { byIdPrefix(prefix: string): readonly T[] }): readonly T[] {
  return reference === "" ? [] : table.byIdPrefix(reference);
}
