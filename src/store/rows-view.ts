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

/**
 * The reading side of a set of tables: nothing of it can write. Every transaction has one of its own, so what it does not read is not
 * made.
 */
export class TablesView implements StoreView {
  readonly #rows: RowsByKind;
  #nodes: NamedTableView<Node> | undefined;
  #services: NamedTableView<Service> | undefined;
  #tasks: TaskTableView | undefined;
  #networks: NamedTableView<Network> | undefined;
  #secrets: NamedTableView<Secret> | undefined;
  #configs: NamedTableView<Config> | undefined;
  #volumes: NamedTableView<Volume> | undefined;

  constructor(rows: RowsByKind) {
    this.#rows = rows;
  }

  get cluster(): Cluster | undefined {
    for (const cluster of this.#rows.cluster.all()) return cluster;
    return undefined;
  }

  get nodes(): NamedTableView<Node> {
    this.#nodes ??= new NamedRowsView(this.#rows.node);
    return this.#nodes;
  }

  get services(): NamedTableView<Service> {
    this.#services ??= new NamedRowsView(this.#rows.service);
    return this.#services;
  }

  get tasks(): TaskTableView {
    this.#tasks ??= new TaskRowsView(this.#rows.task);
    return this.#tasks;
  }

  get networks(): NamedTableView<Network> {
    this.#networks ??= new NamedRowsView(this.#rows.network);
    return this.#networks;
  }

  get secrets(): NamedTableView<Secret> {
    this.#secrets ??= new NamedRowsView(this.#rows.secret);
    return this.#secrets;
  }

  get configs(): NamedTableView<Config> {
    this.#configs ??= new NamedRowsView(this.#rows.config);
    return this.#configs;
  }

  get volumes(): NamedTableView<Volume> {
    this.#volumes ??= new NamedRowsView(this.#rows.volume);
    return this.#volumes;
  }
}
