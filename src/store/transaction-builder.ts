import { ClusterError } from "../base/errors.js";
import type { Change, Meta, ObjectKind } from "../model/objects.js";
import { TablesView } from "./rows-view.js";
import { anyOverlay, newOverlay, type OverlayByKind, objectOf, type RowsByKind, storedObject } from "./schema.js";
import type { AnyObject, ObjectOfKind, StoreTransaction, WriteOptions } from "./view.js";

/**
 * Meta.version of an object whose client write is proposed and not yet applied, and its Meta.revision: no applied object
 * ever has it, and no client can send it, so that whoever writes the object before the pending write is applied gets a conflict.
 */
export const PENDING_VERSION = -1;

/** Collects the changes of one transaction over the state that it is built on, and lets its own reads see them. */
export class TransactionBuilder extends TablesView implements StoreTransaction {
  readonly #overlay: OverlayByKind;
  readonly #atMs: number;
  readonly #changes: Change[] = [];
  #isOpen = true;

  constructor(base: RowsByKind, atMs: number) {
    const overlay = newOverlay(base);
    super(overlay);
    this.#overlay = overlay;
    this.#atMs = atMs;
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  create(kind: ObjectKind, object: AnyObject, options?: WriteOptions): void {
    this.#write("create", kind, object, options);
  }

  update(kind: ObjectKind, object: AnyObject, options?: WriteOptions): void {
    this.#write("update", kind, object, options);
  }

  remove(kind: ObjectKind, id: string, options: WriteOptions = {}): void {
    this.#assertOpen();
    const table = anyOverlay(this.#overlay, kind);
    if (table.get(id) === undefined) throw notFound(kind, id);
    this.#changes.push({ clientWrite: options.isClientWrite ?? false, type: "remove", remove: { kind, id } });
    table.remove(id);
  }

  /** Ends the transaction: a callback that kept it cannot write any more. */
  finish(): readonly Change[] {
    this.#isOpen = false;
    return this.#changes;
  }

  /** The object as proposed, with the Meta that it has until it is applied. */
  proposed<K extends ObjectKind>(kind: K, id: string): ObjectOfKind[K] | undefined {
    return this.#overlay[kind].get(id);
  }

  #write(action: "create" | "update", kind: ObjectKind, object: AnyObject, options: WriteOptions = {}): void {
    this.#assertOpen();
    const table = anyOverlay(this.#overlay, kind);
    const previous = table.get(object.id);
    if (object.id === "") throw new ClusterError("invalid_argument", `a ${kind} must have an id`);
    if (action === "create" && previous !== undefined) throw new ClusterError("already_exists", `${kind} ${object.id} already exists`);
    if (action === "update" && previous === undefined) throw notFound(kind, object.id);
    const clientWrite = options.isClientWrite ?? false;
    const stored = storedObject(kind, { ...object, meta: null } as AnyObject);
    this.#changes.push(action === "create" ? { clientWrite, type: "create", create: stored } : { clientWrite, type: "update", update: stored });
    table.put({ ...objectOf(stored), meta: pendingMeta(previous?.meta, clientWrite, this.#atMs) } as AnyObject);
  }

  #assertOpen(): void {
    if (!this.#isOpen) throw new ClusterError("internal", "the transaction is over: its callback must be synchronous");
  }
}

function notFound(kind: ObjectKind, id: string): ClusterError {
  return new ClusterError("not_found", `${kind} ${id} not found`);
}

/** Meta of a written object until it is applied. `previous` is the state that the write was built on. */
function pendingMeta(previous: Meta | null | undefined, clientWrite: boolean, atMs: number): Meta {
  return {
    version: clientWrite || !previous ? PENDING_VERSION : previous.version,
    revision: PENDING_VERSION,
    createdAtMs: previous ? previous.createdAtMs : atMs,
    updatedAtMs: atMs,
  };
}
