import type { ObjectKind, StoreObject } from "../model/objects.js";
import { slotKey } from "../model/slot.js";
import { OverlayTable } from "./overlay-table.js";
import type { Indexes, Rows } from "./rows.js";
import { Table } from "./table.js";
import type { AnyObject, ObjectOfKind } from "./view.js";

export const OBJECT_KINDS: readonly ObjectKind[] = ["cluster", "node", "service", "task", "network", "secret", "config", "volume"];

export type RowsByKind = { readonly [K in ObjectKind]: Rows<ObjectOfKind[K]> };
export type TableByKind = { readonly [K in ObjectKind]: Table<ObjectOfKind[K]> };
export type OverlayByKind = { readonly [K in ObjectKind]: OverlayTable<ObjectOfKind[K]> };

/** Names are compared without regard to case. */
export function nameKey(name: string): string {
  return name.toLowerCase();
}

const bySpecName: Indexes<{ readonly spec: { readonly name: string } | null }> = {
  name: (object) => (object.spec === null ? undefined : nameKey(object.spec.name)),
};

const INDEXES: { readonly [K in ObjectKind]: Indexes<ObjectOfKind[K]> } = {
  cluster: {},
  node: { name: (node) => (node.description === null ? undefined : nameKey(node.description.hostname)) },
  service: bySpecName,
  task: {
    service: (task) => (task.serviceId === "" ? undefined : task.serviceId),
    node: (task) => (task.nodeId === "" ? undefined : task.nodeId),
    slot: (task) => (task.serviceId === "" ? undefined : slotKey(task)),
  },
  network: bySpecName,
  secret: bySpecName,
  config: bySpecName,
  volume: bySpecName,
};

/** An empty table of each kind, with its indexes. */
export function newTables(): TableByKind {
  return {
    cluster: new Table(INDEXES.cluster),
    node: new Table(INDEXES.node),
    service: new Table(INDEXES.service),
    task: new Table(INDEXES.task),
    network: new Table(INDEXES.network),
    secret: new Table(INDEXES.secret),
    config: new Table(INDEXES.config),
    volume: new Table(INDEXES.volume),
  };
}

/** One for each transaction: the tables that it does not touch are not made. */
class Overlay implements OverlayByKind {
  readonly #base: RowsByKind;
  readonly #tables: { -readonly [K in ObjectKind]?: OverlayByKind[K] } = {};

  constructor(base: RowsByKind) {
    this.#base = base;
  }

  get cluster() {
    this.#tables.cluster ??= new OverlayTable(this.#base.cluster, INDEXES.cluster);
    return this.#tables.cluster;
  }

  get node() {
    this.#tables.node ??= new OverlayTable(this.#base.node, INDEXES.node);
    return this.#tables.node;
  }

  get service() {
    this.#tables.service ??= new OverlayTable(this.#base.service, INDEXES.service);
    return this.#tables.service;
  }

  get task() {
    this.#tables.task ??= new OverlayTable(this.#base.task, INDEXES.task);
    return this.#tables.task;
  }

  get network() {
    this.#tables.network ??= new OverlayTable(this.#base.network, INDEXES.network);
    return this.#tables.network;
  }

  get secret() {
    this.#tables.secret ??= new OverlayTable(this.#base.secret, INDEXES.secret);
    return this.#tables.secret;
  }

  get config() {
    this.#tables.config ??= new OverlayTable(this.#base.config, INDEXES.config);
    return this.#tables.config;
  }

  get volume() {
    this.#tables.volume ??= new OverlayTable(this.#base.volume, INDEXES.volume);
    return this.#tables.volume;
  }
}

/** Tables over others: what is changed in them leaves those below as they are. */
export function newOverlay(base: RowsByKind): OverlayByKind {
  return new Overlay(base);
}

/** A table without regard to which kind it is of: for code that treats all kinds alike. */
export function anyTable(tables: TableByKind, kind: ObjectKind): Table<AnyObject> {
  return tables[kind] as Table<AnyObject>;
}

/** As `anyTable`. */
export function anyOverlay(overlay: OverlayByKind, kind: ObjectKind): OverlayTable<AnyObject> {
  return overlay[kind] as OverlayTable<AnyObject>;
}

/** The object inside a StoreObject. */
export function objectOf(stored: StoreObject): AnyObject {
  switch (stored.type) {
    case "cluster":
      return stored.cluster;
    case "node":
      return stored.node;
    case "service":
      return stored.service;
    case "task":
      return stored.task;
    case "network":
      return stored.network;
    case "secret":
      return stored.secret;
    case "config":
      return stored.config;
    case "volume":
      return stored.volume;
  }
}

/** The StoreObject around an object. */
export function storedObject(kind: ObjectKind, object: AnyObject): StoreObject {
  return { type: kind, [kind]: object } as StoreObject;
}
