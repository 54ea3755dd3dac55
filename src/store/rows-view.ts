import type { Cluster, Task } from "../model/objects.js";
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

/** The one cluster object. */
export function clusterOf(rows: RowsByKind): Cluster | undefined {
  for (const cluster of rows.cluster.all()) return cluster;
  return undefined;
}

/** The reading side of a set of tables: nothing of it can write. */
export function viewOf(rows: RowsByKind): StoreView {
  return {
    get cluster() {
      return clusterOf(rows);
    },
    ...tableViewsOf(rows),
  };
}

export function tableViewsOf(rows: RowsByKind): Omit<StoreView, "cluster"> {
  return {
    nodes: new NamedRowsView(rows.node),
    services: new NamedRowsView(rows.service),
    tasks: new TaskRowsView(rows.task),
    networks: new NamedRowsView(rows.network),
    secrets: new NamedRowsView(rows.secret),
    configs: new NamedRowsView(rows.config),
    volumes: new NamedRowsView(rows.volume),
  };
}
