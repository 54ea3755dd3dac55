import type { Change, ObjectKind, Transaction } from "../model/objects.js";
import { anyOverlay, anyTable, newOverlay, type OverlayByKind, objectOf, type TableByKind } from "./schema.js";
import { PENDING_VERSION, type TransactionBuilder } from "./transaction-builder.js";
import type { AnyObject } from "./view.js";

/** A transaction that was proposed and is not yet known to be applied. */
export interface Pending {
  readonly sequence: number;
  readonly transaction: Transaction;
  readonly proposed: ReadonlyMap<string, ProposedObject>;
}

interface ProposedObject {
  readonly kind: ObjectKind;
  readonly id: string;
  /** Undefined when the transaction removes it. */
  readonly object: AnyObject | undefined;
  /** True when the transaction moves Meta.version. */
  readonly movesVersion: boolean;
}

/** Who wrote what the overlay says of one object. Invariant: versionSequence <= sequence. */
interface Owner {
  readonly sequence: number;
  /** The last pending transaction that moves the object's version; 0 is none. */
  readonly versionSequence: number;
}

/** The newest proposed state: the applied tables with every pending transaction laid over them, in order. */
export class Pipeline {
  readonly #applied: TableByKind;
  #overlay: OverlayByKind;
  #owners = new Map<string, Owner>();
  #pending: Pending[] = [];
  #sequence = 0;

  constructor(applied: TableByKind) {
    this.#applied = applied;
    this.#overlay = newOverlay(applied);
  }

  /** What the next transaction is built on. */
  get rows(): OverlayByKind {
    return this.#overlay;
  }

  get last(): Pending | undefined {
    return this.#pending.at(-1);
  }

  push(transaction: Transaction, builder: TransactionBuilder): Pending {
    const pending: Pending = { sequence: ++this.#sequence, transaction, proposed: proposedBy(transaction.changes, builder) };
    this.#pending.push(pending);
    this.#cover(pending);
    return pending;
  }

  /** The oldest pending transaction when it is the given one: recognised by its change list, which proposers pass on as it is. */
  headIs(transaction: Transaction): Pending | undefined {
    const head = this.#pending[0];
    return head !== undefined && head.transaction.changes === transaction.changes ? head : undefined;
  }

  /** The applied tables now hold what this transaction wrote. Does nothing for one that is settled. */
  settle(pending: Pending): void {
    const at = this.#pending.indexOf(pending);
    if (at < 0) return;
    this.#pending.splice(at, 1);
    for (const [key, { kind, id }] of pending.proposed) this.#uncover(key, kind, id, pending.sequence);
  }

  /** Forgets the transaction and all later ones, which it returns, oldest first. Does nothing for one that is settled. */
  drop(pending: Pending): readonly Pending[] {
    const at = this.#pending.indexOf(pending);
    if (at < 0) return [];
    const dropped = this.#pending.splice(at);
    this.#overlay = newOverlay(this.#applied);
    this.#owners = new Map();
    for (const kept of this.#pending) this.#cover(kept);
    // Since they were proposed, some that they were built on may have been applied.
    for (const { proposed } of this.#pending) {
      for (const [key, { kind, id }] of proposed) this.#refreshMeta(kind, id, (this.#owners.get(key)?.versionSequence ?? 0) > 0);
    }
    return dropped;
  }

  #cover(pending: Pending): void {
    const { sequence } = pending;
    for (const [key, { kind, id, object, movesVersion }] of pending.proposed) {
      this.#owners.set(key, { sequence, versionSequence: movesVersion ? sequence : (this.#owners.get(key)?.versionSequence ?? 0) });
      if (object === undefined) anyOverlay(this.#overlay, kind).remove(id);
      else anyOverlay(this.#overlay, kind).put(object);
    }
  }

  #uncover(key: string, kind: ObjectKind, id: string, sequence: number): void {
    const owner = this.#owners.get(key);
    if (owner === undefined) return;
    if (owner.sequence === sequence) {
      this.#owners.delete(key);
      anyOverlay(this.#overlay, kind).uncover(id);
    } else {
      this.#refreshMeta(kind, id, owner.versionSequence > sequence);
    }
  }

  /** A pending write covers the object: what it inherited from writes that are applied is known. */
  #refreshMeta(kind: ObjectKind, id: string, versionMoves: boolean): void {
    const table = anyOverlay(this.#overlay, kind);
    const covering = table.get(id);
    const meta = anyTable(this.#applied, kind).get(id)?.meta;
    if (!covering?.meta || !meta) return;
    const version = versionMoves ? PENDING_VERSION : meta.version;
    table.put({ ...covering, meta: { ...covering.meta, version, createdAtMs: meta.createdAtMs } } as AnyObject);
  }
}

function proposedBy(changes: readonly Change[], builder: TransactionBuilder): ReadonlyMap<string, ProposedObject> {
  const proposed = new Map<string, ProposedObject>();
  for (const change of changes) {
    const { kind, id } = refOf(change);
    const key = `${kind}/${id}`;
    const movesVersion = change.clientWrite || change.type !== "update" || (proposed.get(key)?.movesVersion ?? false);
    proposed.set(key, { kind, id, object: builder.proposed(kind, id), movesVersion });
  }
  return proposed;
}

function refOf(change: Change): { readonly kind: ObjectKind; readonly id: string } {
  if (change.type === "remove") return change.remove;
  const stored = change.type === "create" ? change.create : change.update;
  return { kind: stored.type, id: objectOf(stored).id };
}
