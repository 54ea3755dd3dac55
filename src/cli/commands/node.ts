import type { Command } from "commander";
import { isDeepEqual } from "../../model/deep-equal.js";
import type { Api } from "../api.js";
import { collect } from "../collect.js";
import { action, type CliContext } from "../context.js";
import { editing } from "../editing.js";
import { CommandFailure, EXIT, misuse } from "../failure.js";
import { inspectEach } from "../inspect-each.js";
import { type Column, type ListOptions, note, print, printList } from "../output.js";
import { prettyNode } from "../pretty/node.js";
import { parseChoice, parsePair } from "../quantities.js";
import type { HostInfo, NodeInfo, TlsInfoJson } from "../shapes.js";
import { filtersOf } from "../filters.js";
import { forEachName } from "../for-each-name.js";
import { printTasks, type TaskListOptions } from "../task-list.js";

interface InspectFlags {
  readonly format?: string;
  readonly pretty?: boolean;
}

interface UpdateFlags {
  readonly availability?: string;
  readonly role?: string;
  readonly labelAdd?: readonly string[];
  readonly labelRm?: readonly string[];
}

/** node ls, inspect, ps, update, promote, demote and rm. */
export function addNodeCommands(program: Command): void {
  const node = program.command("node").description("manage the nodes of the swarm");
  node
    .command("ls")
    .alias("list")
    .description("list nodes")
    .option("-f, --filter <key=value>", "id, name, label, node.label, membership or role; repeatable", collect)
    .option("--format <format>", "table, json, or a template such as {{.ID}}")
    .option("-q, --quiet", "print ids alone")
    .action(action<[ListOptions & { filter?: readonly string[] }]>(listNodes));
  node
    .command("inspect")
    .description("show all that is known of nodes")
    .argument("<node...>", "id, host name, or self")
    .option("-f, --format <format>", "json: one line each, or a template such as {{.ID}}")
    .option("--pretty", "for people")
    .action(action<[string[], InspectFlags]>(inspectNodes));
  node
    .command("ps")
    .description("list the tasks of nodes")
    .argument("[node...]", "id, host name, or self (the default)")
    .option("-f, --filter <key=value>", "name, id, label or desired-state; repeatable", collect)
    .option("--format <format>", "table, json, or a template such as {{.ID}}")
    .option("--no-resolve", "show ids instead of names")
    .option("--no-trunc", "do not shorten ids and errors")
    .option("-q, --quiet", "print ids alone")
    .action(action<[string[], TaskListOptions]>(listNodeTasks));
  node
    .command("update")
    .description("change a node")
    .argument("<node>", "id or host name")
    .option("--availability <availability>", "active, pause or drain")
    .option("--role <role>", "worker or manager")
    .option("--label-add <key=value>", "add or replace a label; repeatable", collect)
    .option("--label-rm <key>", "remove a label; repeatable", collect)
    .addHelpText(
      "after",
      `
Examples:
  swarm node update --availability drain node-4      # its tasks move to other nodes
  swarm node update --label-add disk=ssd node-4      # for --constraint node.labels.disk==ssd`,
    )
    .action(action<[string, UpdateFlags]>(updateNode));
  for (const [name, role] of [
    ["promote", "manager"],
    ["demote", "worker"],
  ] as const) {
    node
      .command(name)
      .description(`make nodes ${role}s`)
      .argument("<node...>", "id or host name")
      .action(action<[string[], object]>((context, names) => changeRole(context, names, role)));
  }
  node
    .command("rm")
    .alias("remove")
    .description("remove nodes from the swarm")
    .argument("<node...>", "id or host name")
    .option("-f, --force", "even if the node is not down")
    .action(action<[string[], { force?: boolean }]>(removeNodes));
}

interface ListedNode extends NodeInfo {
  readonly isSelf: boolean;
  readonly tlsStatus: string;
}

const COLUMNS: readonly Column<ListedNode>[] = [
  { title: "ID", key: "ID", cell: (node) => `${node.ID}${node.isSelf ? " *" : ""}`, value: (node) => node.ID },
  { key: "Self", cell: (node) => String(node.isSelf), value: (node) => node.isSelf },
  { title: "HOSTNAME", key: "Hostname", cell: (node) => node.Description.Hostname },
  { title: "STATUS", key: "Status", cell: (node) => capital(node.Status.State) },
  { title: "AVAILABILITY", key: "Availability", cell: (node) => capital(node.Spec.Availability) },
  {
    title: "MANAGER STATUS",
    key: "ManagerStatus",
    cell: (node) => (node.ManagerStatus?.Leader === true ? "Leader" : capital(node.ManagerStatus?.Reachability ?? "")),
  },
  { title: "ENGINE VERSION", key: "EngineVersion", cell: (node) => node.Description.Engine.EngineVersion ?? "" },
  { key: "TLSStatus", cell: (node) => node.tlsStatus },
];

/** Whether the node has what the swarm wants of its certificate and of what it trusts. */
function tlsStatusOf(node: TlsInfoJson | undefined, swarm: TlsInfoJson | undefined): string {
  if (node?.TrustRoot === undefined || swarm?.TrustRoot === undefined) return "Unknown";
  return isDeepEqual(node, swarm) ? "Ready" : "Needs Rotation";
}

const capital = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

async function listNodes({ api }: CliContext, options: ListOptions & { readonly filter?: readonly string[] }): Promise<void> {
  const [nodes, info] = await Promise.all([
    api.call<readonly NodeInfo[]>({ method: "GET", path: "/nodes", query: { filters: filtersOf(options.filter) } }),
    api.call<HostInfo>({ method: "GET", path: "/info" }),
  ]);
  const sorted = nodes.toSorted((a, b) => a.Description.Hostname.localeCompare(b.Description.Hostname, undefined, { numeric: true }));
  printList(
    sorted.map((node) => ({
      ...node,
      isSelf: node.ID === info.Swarm.NodeID,
      tlsStatus: tlsStatusOf(node.Description.TLSInfo, info.Swarm.Cluster?.TLSInfo),
    })),
    COLUMNS,
    (node) => node.ID,
    options,
  );
}

/** The node that a person names: `self` is the one that answers. */
async function nodeNamed(api: Api, name: string): Promise<NodeInfo> {
  const id = name === "self" ? (await api.call<HostInfo>({ method: "GET", path: "/info" })).Swarm.NodeID : name;
  return api.call<NodeInfo>({ method: "GET", path: `/nodes/${encodeURIComponent(id)}` });
}

async function inspectNodes({ api }: CliContext, names: readonly string[], options: InspectFlags): Promise<void> {
  const { format, pretty } = options;
  if (pretty === true && format !== undefined) throw misuse("--format and --pretty do not go together");
  const show = (nodes: readonly NodeInfo[]) => process.stdout.write(nodes.map(prettyNode).join("\n"));
  await inspectEach(names, (name) => nodeNamed(api, name), { ...(format === undefined ? {} : { format }), ...(pretty === true ? { show } : {}) });
}

async function listNodeTasks({ api }: CliContext, names: readonly string[], options: TaskListOptions): Promise<void> {
  const show = async (nodes: readonly NodeInfo[]) => {
    if (nodes.length > 0) await printTasks(api, { node: nodes.map(({ ID }) => ID) }, options);
  };
  await inspectEach(names.length > 0 ? names : ["self"], (name) => nodeNamed(api, name), { show });
}

async function updateNode({ api, signal }: CliContext, name: string, flags: UpdateFlags): Promise<void> {
  await editing(signal, async () => {
    const node = await nodeNamed(api, name);
    await postSpec(api, node, changedSpec(name, node, flags));
  });
  print(name);
}

function changedSpec(name: string, node: NodeInfo, flags: UpdateFlags): object {
  const labels = { ...node.Spec.Labels };
  for (const text of flags.labelAdd ?? []) {
    const [key, value] = parsePair(text, "label-add");
    labels[key] = value;
  }
  for (const key of flags.labelRm ?? []) {
    if (!Object.hasOwn(labels, key)) throw new CommandFailure(EXIT.refused, `node ${name} has no label "${key}"`);
    delete labels[key];
  }
  return {
    ...node.Spec,
    Labels: labels,
    ...(flags.availability === undefined ? {} : { Availability: parseChoice(flags.availability, "availability", ["active", "pause", "drain"]) }),
    ...(flags.role === undefined ? {} : { Role: parseChoice(flags.role, "role", ["worker", "manager"]) }),
  };
}

async function changeRole({ api, signal }: CliContext, names: readonly string[], role: "worker" | "manager"): Promise<void> {
  await forEachName(names, async (name) => {
    await editing(signal, async () => {
      const node = await nodeNamed(api, name);
      if (node.Spec.Role === role) {
        note(`Node ${name} is already a ${role}.`);
        return;
      }
      await postSpec(api, node, { ...node.Spec, Role: role });
      print(`Node ${name} ${role === "manager" ? "promoted to a manager" : "demoted"} in the swarm.`);
    });
  });
}

async function postSpec(api: Api, node: NodeInfo, spec: object): Promise<void> {
  await api.call({ method: "POST", path: `/nodes/${node.ID}/update`, query: { version: String(node.Version.Index) }, body: spec });
}

async function removeNodes({ api }: CliContext, names: readonly string[], options: { readonly force?: boolean }): Promise<void> {
  await forEachName(names, async (name) => {
    await api.call({ method: "DELETE", path: `/nodes/${encodeURIComponent(name)}`, query: options.force === true ? { force: "1" } : {} });
    print(name);
  });
}
