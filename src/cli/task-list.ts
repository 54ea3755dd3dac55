import type { Api } from "./api.js";
import { filtersOf } from "./filters.js";
import { ago, type Column, type ListOptions, printList, shorten } from "./output.js";
import type { NodeInfo, ServiceInfo, TaskInfo } from "./shapes.js";

export interface TaskListOptions extends ListOptions {
  readonly filter?: readonly string[];
  /** commander's form of `--no-trunc`: false when it was given. */
  readonly trunc: boolean;
  /** The same of `--no-resolve`. */
  readonly resolve: boolean;
}

interface Row {
  readonly task: TaskInfo;
  readonly name: string;
  /** Not the newest task of its slot. */
  readonly isOlder: boolean;
  readonly node: string;
}

/** The tasks of services or nodes: by name, the newest of a slot first, older ones indented below it. */
export async function printTasks(api: Api, selection: Readonly<Record<string, readonly string[]>>, options: TaskListOptions): Promise<void> {
  const [tasks, services, nodes] = await Promise.all([
    api.call<readonly TaskInfo[]>({ method: "GET", path: "/tasks", query: { filters: filtersOf(options.filter, selection) } }),
    api.call<readonly ServiceInfo[]>({ method: "GET", path: "/services" }),
    api.call<readonly NodeInfo[]>({ method: "GET", path: "/nodes" }),
  ]);
  const serviceNames = new Map(services.map((service) => [service.ID, service.Spec.Name]));
  const nodeNames = new Map(nodes.map((node) => [node.ID, node.Description.Hostname]));
  const named = (names: ReadonlyMap<string, string>, id: string) => (options.resolve ? (names.get(id) ?? id) : id);
  const slotName = (task: TaskInfo) => `${named(serviceNames, task.ServiceID)}.${task.Slot ? task.Slot : task.NodeID}`;
  const sorted = tasks.toSorted((a, b) => slotName(a).localeCompare(slotName(b), undefined, { numeric: true }) || b.CreatedAt.localeCompare(a.CreatedAt));
  const rows = sorted.map((task, index): Row => {
    const before = sorted[index - 1];
    const isOlder = before !== undefined && slotName(before) === slotName(task);
    return { task, name: slotName(task), isOlder, node: task.NodeID === undefined ? "" : named(nodeNames, task.NodeID) };
  });
  printList(rows, columns(!options.trunc), ({ task }) => task.ID, options);
}

function columns(isWhole: boolean): readonly Column<Row>[] {
  return [
    { title: "ID", key: "ID", cell: ({ task }) => shorten(task.ID, isWhole) },
    { title: "NAME", key: "Name", cell: ({ isOlder, name }) => `${isOlder ? " \\_ " : ""}${name}`, value: ({ name }) => name },
    { title: "IMAGE", key: "Image", cell: ({ task }) => task.Spec.ContainerSpec.Image },
    { title: "NODE", key: "Node", cell: ({ node }) => node },
    { title: "DESIRED STATE", key: "DesiredState", cell: ({ task }) => capital(task.DesiredState) },
    { title: "CURRENT STATE", key: "CurrentState", cell: ({ task }) => `${capital(task.Status.State)} ${ago(task.Status.Timestamp)}` },
    { title: "ERROR", key: "Error", cell: ({ task }) => quote(task.Status.Err ?? "", isWhole), value: ({ task }) => task.Status.Err ?? "" },
    {
      title: "PORTS",
      key: "Ports",
      cell: ({ task }) => (task.Status.PortStatus?.Ports ?? []).map((port) => `*:${port.PublishedPort}->${port.TargetPort}/${port.Protocol}`).join(", "),
    },
  ];
}

const capital = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

/** Errors are what people look for: they are cut only when they would not fit a wide terminal. */
function quote(text: string, isWhole: boolean): string {
  if (text === "") return "";
  return isWhole || text.length <= 100 ? `"${text}"` : `"${text.slice(0, 99)}…"`;
}
