import type { Change, Meta, ObjectKind, Transaction } from "../model/objects.js";
import { anyTable, objectOf, type TableByKind } from "./schema.js";
import type { AnyObject, StoreEvent } from "./view.js";

/**
 * Applies a committed transaction and says what changed. Depends on nothing but the tables and the arguments, so that every
 * member comes to the same state. A create of an object that is there replaces it, an update of one that is not creates
 * it, a remove of one that is not does nothing: a log entry can never be refused.
 */
export function applyTransaction(tables: TableByKind, index: number, transaction: Transaction): readonly StoreEvent[] {
  const events: StoreEvent[] = [];
  for (const change of transaction.changes) {
    const event = applyChange(tables, change, index, transaction.atMs);
    if (event !== undefined) events.push(event);
  }
  return events;
}

function applyChange(tables: TableByKind, change: Change, index: number, atMs: number): StoreEvent | undefined {
  if (change.type === "remove") {
    const previous = anyTable(tables, change.remove.kind).delete(change.remove.id);
    return previous === undefined ? undefined : eventOf(change.remove.kind, "remove", previous, previous);
  }
  const stored = change.type === "create" ? change.create : change.update;
  const table = anyTable(tables, stored.type);
  const written = objectOf(stored);
  const previous = table.get(written.id);
  const object = { ...written, meta: appliedMeta(previous?.meta, { clientWrite: change.clientWrite, index, atMs }) } as AnyObject;
  table.replace(previous, object);
  return eventOf(stored.type, previous === undefined ? "create" : "update", object, previous);
}

/** Versions follow what is applied, never what the proposer believed: see Meta in proto/objects.proto. */
function appliedMeta(previous: Meta | null | undefined, write: { readonly clientWrite: boolean; readonly index: number; readonly atMs: number }): Meta {
  return {
    version: write.clientWrite || !previous ? write.index : previous.version,
    revision: write.index,
    createdAtMs: previous ? previous.createdAtMs : write.atMs,
    updatedAtMs: write.atMs,
  };
}

/** What watchers are told of one change. */
export function eventOf(kind: ObjectKind, action: StoreEvent["action"], object: AnyObject, previous: AnyObject | undefined): StoreEvent {
  return { kind, action, object, previous } as StoreEvent;
}
