import type { Change, Cluster, Config, Network, Node, ObjectKind, Secret, Service, Task, Volume } from "../model/objects.js";

/** Which type stands behind each kind of object. */
export interface ObjectOfKind {
  cluster: Cluster;
  node: Node;
  service: Service;
  task: Task;
  network: Network;
  secret: Secret;
  config: Config;
  volume: Volume;
}

export type AnyObject = ObjectOfKind[ObjectKind];

/** Reading one kind of object. Objects are immutable; lists are in no promised order. */
export interface TableView<T> {
  readonly size: number;
  get(id: string): T | undefined;
  all(): Iterable<T>;
  /** Objects whose id starts with the prefix: for look-ups by people. */
  byIdPrefix(prefix: string): readonly T[];
}

/** Kinds with a name: look-up is case-insensitive. Node names are host names, and need not be unique. */
export interface NamedTableView<T> extends TableView<T> {
  byName(name: string): readonly T[];
}

export interface TaskTableView extends TableView<Task> {
  byService(serviceId: string): readonly Task[];
  byNode(nodeId: string): readonly Task[];
  /** Tasks of one slot of a replicated service, or of one node of a global one (slotKey of model/slot.ts). */
  bySlot(key: string): readonly Task[];
}

export interface StoreView {
  /** The one cluster object; undefined before the cluster is made. */
  readonly cluster: Cluster | undefined;
  readonly nodes: NamedTableView<Node>;
  readonly services: NamedTableView<Service>;
  readonly tasks: TaskTableView;
  readonly networks: NamedTableView<Network>;
  readonly secrets: NamedTableView<Secret>;
  readonly configs: NamedTableView<Config>;
  readonly volumes: NamedTableView<Volume>;
}

export interface WriteOptions {
  /** True for a write that a client asked for: it moves Meta.version. Default false. */
  readonly isClientWrite?: boolean;
}

/**
 * One transaction under construction: reads see its own writes. `meta` of what is written is ignored; the store sets it.
 * create throws ClusterError `already_exists`, update and remove throw `not_found`.
 */
export interface StoreTransaction extends StoreView {
  /** What it has written so far. */
  readonly changes: readonly Change[];
  create<K extends ObjectKind>(kind: K, object: ObjectOfKind[K], options?: WriteOptions): void;
  update<K extends ObjectKind>(kind: K, object: ObjectOfKind[K], options?: WriteOptions): void;
  remove(kind: ObjectKind, id: string, options?: WriteOptions): void;
}

/** One applied change, as watchers see it. */
export type StoreEvent = {
  [K in ObjectKind]:
    | { readonly kind: K; readonly action: "create"; readonly object: ObjectOfKind[K]; readonly previous: undefined }
    | { readonly kind: K; readonly action: "update"; readonly object: ObjectOfKind[K]; readonly previous: ObjectOfKind[K] }
    | { readonly kind: K; readonly action: "remove"; readonly object: ObjectOfKind[K]; readonly previous: ObjectOfKind[K] };
}[ObjectKind];
