import type { Cluster, Config, Network, Node, Secret, Service, Task, Volume } from "../model/objects.js";
import type { Rows } from "./rows.js";
import { nameKey, type RowsByKind } from "./schema.js";
import type { NamedTableView, StoreView, TableView, TaskTableView } from "./view.js";

class RowsView<T> implements TableView<T> {
  protected readonly rows: Rows<T>;

  constructor(rows: Rows<T>) {
    this.rows = rows;
  }

  get size(): number {
    return this.rows.size;
  }

  get(id: string): T | undefined {
    return this.rows.get(id);
  }

  all(): Iterable<T> {
    return this.rows.all();
  }

  byIdPrefix(prefix: string): readonly T[] {
    return this.rows.byIdPrefix(prefix);
  }
}

class NamedRowsView<T> extends RowsView<T> implements NamedTableView<T> {
  byName(name: string): readonly T[] {
    return this.rows.lookup("name", nameKey(name));
  }
}

class TaskRowsView extends RowsView<Task> implements TaskTableView {
  byService(serviceId: string): readonly Task[] {
    return this.rows.lookup("service", serviceId);
  }

  byNode(nodeId: string): readonly Task[] {
    return this.rows.lookup("node", nodeId);
  }

  bySlot(key: string): readonly Task[] {
    return this.rows.lookup("slot", key);
  }
}

/** The reading side of a set of tables: nothing of it can write. A class, since every transaction has one of its own. */
export class TablesView implements StoreView {
  readonly #rows: RowsByKind;
  readonly nodes: NamedTableView<Node>;
  readonly services: NamedTableView<Service>;
  readonly tasks: TaskTableView;
  readonly networks: NamedTableView<Network>;
  readonly secrets: NamedTableView<Secret>;
  readonly configs: NamedTableView<Config>;
  readonly volumes: NamedTableView<Volume>;

  constructor(rows: RowsByKind) {
    this.#rows = rows;
    this.nodes = new NamedRowsView(rows.node);
    this.services = new NamedRowsView(rows.service);
    this.tasks = new TaskRowsView(rows.task);
    this.networks = new NamedRowsView(rows.network);
    this.secrets = new NamedRowsView(rows.secret);
    this.configs = new NamedRowsView(rows.config);
    this.volumes = new NamedRowsView(rows.volume);
  }

  get cluster(): Cluster | undefined {
    for (const cluster of this.#rows.cluster.all()) return cluster;
    return undefined;
  }
}
