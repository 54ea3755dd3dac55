import type { Command } from "commander";
import type { Api } from "../api.js";
import { collect } from "../collect.js";
import { action, type CliContext, followService } from "../context.js";
import { editing } from "../editing.js";
import { CommandFailure, EXIT, misuse } from "../failure.js";
import { filtersOf } from "../filters.js";
import { forEachName } from "../for-each-name.js";
import { type Column, type ListOptions, print, printList, shorten } from "../output.js";
import { addCreateFlags, addUpdateFlags, type CommonFlags } from "../service/flags.js";
import { pinImage } from "../pin-image.js";
import { registryHeaders } from "../registry-auth.js";
import { applyFlags, emptySpec } from "../service/spec.js";
import type { ServiceInfo, ServiceSpecJson } from "../shapes.js";
import { addServiceWatchCommands, getService } from "./service-watch.js";

interface CreateFlags extends CommonFlags {
  readonly name?: string;
  readonly mode?: string;
}

interface UpdateFlags extends CommonFlags {
  readonly image?: string;
  readonly force?: boolean;
  readonly rollback?: boolean;
}

interface WaitFlags {
  readonly detach?: boolean;
  readonly quiet?: boolean;
}

/** service create, update, scale, rollback, ls and rm; ps, inspect and logs are in service-watch.ts. */
export function addServiceCommands(program: Command): void {
  const service = program.command("service").description("manage services");
  const create = service.command("create").description("create a service").argument("<image>").argument("[command...]", "command and arguments");
  // What follows the image belongs to the container, flags included.
  create.passThroughOptions();
  addCreateFlags(create);
  create.action(action<[string, string[], CreateFlags]>(createService));
  const update = service.command("update").description("change a service; its tasks are replaced step by step where that is needed").argument("<service>");
  addUpdateFlags(update);
  update.action(action<[string, UpdateFlags]>(updateService));
  service
    .command("scale")
    .description("set the number of tasks of services")
    .argument("<service=replicas...>")
    .option("-d, --detach", "return at once")
    .option("-q, --quiet", "print no progress")
    .addHelpText("after", "\nExample:\n  swarm service scale web=5 worker=2")
    .action(action<[string[], WaitFlags]>(scaleServices));
  service
    .command("rollback")
    .description("go back to the spec before the last update")
    .argument("<service>")
    .option("-d, --detach", "return at once")
    .option("-q, --quiet", "print no progress")
    .action(action<[string, WaitFlags]>((context, name, flags) => rollBack(context, name, flags)));
  service
    .command("ls")
    .alias("list")
    .description("list services")
    .option("-f, --filter <key=value>", "id, name, label or mode; repeatable", collect)
    .option("--format <format>", "table, json, or a template such as {{.ID}}")
    .option("-q, --quiet", "print ids alone")
    .action(action<[ListOptions & { filter?: readonly string[] }]>(listServices));
  addServiceWatchCommands(service);
  service.command("rm").alias("remove").description("remove services").argument("<service...>").action(action<[string[], object]>(removeServices));
}

async function createService(context: CliContext, image: string, words: readonly string[], flags: CreateFlags): Promise<void> {
  const spec = emptySpec(image);
  spec.Name = flags.name ?? "";
  if (flags.mode === "global") spec.Mode = { Global: {} };
  else if (flags.mode !== undefined && flags.mode !== "replicated") throw misuse(`--mode "${flags.mode}" is neither replicated nor global`);
  if (words.length > 0) spec.TaskTemplate.ContainerSpec.Args = [...words];
  applyFlags(spec, flags);
  const headers = await authOf(flags, image);
  if (flags.resolveImage !== false) await pinImage(context, spec);
  const { ID: id } = await context.api.call<{ readonly ID: string }>({ method: "POST", path: "/services/create", isUnversioned: true, body: spec, headers });
  print(id);
  if (flags.detach !== true) await followService(context, id, { isQuiet: flags.quiet === true });
}

async function updateService(context: CliContext, name: string, flags: UpdateFlags): Promise<void> {
  if (flags.rollback === true) {
    const others = Object.keys(flags).filter((flag) => !["rollback", "detach", "quiet", "resolveImage"].includes(flag));
    if (others.length > 0) throw misuse("--rollback combines with --detach and --quiet only");
    return rollBack(context, name, flags);
  }
  let id = "";
  await editing(context.signal, async () => {
    const service = await getService(context.api, name);
    id = service.ID;
    const spec = structuredClone(service.Spec);
    if (flags.image !== undefined) spec.TaskTemplate.ContainerSpec.Image = flags.image;
    if (flags.force === true) spec.TaskTemplate.ForceUpdate = (spec.TaskTemplate.ForceUpdate ?? 0) + 1;
    applyFlags(spec, flags);
    if (flags.image !== undefined && flags.resolveImage !== false) await pinImage(context, spec);
    await postSpec(context.api, service, spec, {}, await authOf(flags, spec.TaskTemplate.ContainerSpec.Image));
  });
  print(name);
  if (flags.detach !== true) await followService(context, id, { isQuiet: flags.quiet === true });
}

async function rollBack(context: CliContext, name: string, flags: WaitFlags): Promise<void> {
  const service = await getService(context.api, name);
  await postSpec(context.api, service, service.Spec, { rollback: "previous" });
  print(name);
  if (flags.detach !== true) await followService(context, service.ID, { isQuiet: flags.quiet === true, isRollback: true });
}

async function scaleServices(context: CliContext, assignments: readonly string[], flags: WaitFlags): Promise<void> {
  const wanted = assignments.map((text) => {
    const [, name, count] = /^(.+)=(.+)$/.exec(text) ?? [];
    if (name === undefined || count === undefined) throw misuse(`"${text}" is not service=replicas`);
    return { name, replicas: wholeNumber(count, text) };
  });
  const scaled: string[] = [];
  await forEachName(
    wanted.map(({ name }) => name),
    async (name) => {
      const replicas = wanted.find((entry) => entry.name === name)?.replicas ?? 0;
      await editing(context.signal, async () => {
        const service = await getService(context.api, name);
        if (service.Spec.Mode.Replicated === undefined)
          throw new CommandFailure(EXIT.refused, `service ${name} is global: it has one task per node and cannot be scaled`);
        await postSpec(context.api, service, { ...service.Spec, Mode: { Replicated: { Replicas: replicas } } });
        scaled.push(service.ID);
      });
      print(`${name} scaled to ${replicas}`);
    },
  );
  if (flags.detach !== true) for (const id of scaled) await followService(context, id, { isQuiet: flags.quiet === true });
}

function wholeNumber(text: string, assignment: string): number {
  if (!/^\d+$/.test(text)) throw misuse(`"${assignment}": "${text}" is not a whole number`);
  return Number(text);
}

async function authOf({ withRegistryAuth }: CommonFlags, image: string): Promise<Readonly<Record<string, string>>> {
  return withRegistryAuth === true ? await registryHeaders(image) : {};
}

async function postSpec(
  api: Api,
  service: ServiceInfo,
  spec: ServiceSpecJson,
  query: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const path = `/services/${service.ID}/update`;
  await api.call({ method: "POST", path, isUnversioned: true, query: { version: String(service.Version.Index), ...query }, body: spec, headers });
}

const COLUMNS: readonly Column<ServiceInfo>[] = [
  { title: "ID", key: "ID", cell: (service) => shorten(service.ID) },
  { title: "NAME", key: "Name", cell: (service) => service.Spec.Name },
  { title: "MODE", key: "Mode", cell: (service) => (service.Spec.Mode.Replicated === undefined ? "global" : "replicated") },
  { title: "REPLICAS", key: "Replicas", cell: (service) => `${service.ServiceStatus?.RunningTasks ?? 0}/${service.ServiceStatus?.DesiredTasks ?? 0}` },
  { title: "IMAGE", key: "Image", cell: (service) => service.Spec.TaskTemplate.ContainerSpec.Image },
  {
    title: "PORTS",
    key: "Ports",
    cell: (service) => (service.Endpoint?.Ports ?? []).map((port) => `*:${port.PublishedPort}->${port.TargetPort}/${port.Protocol}`).join(", "),
  },
];

async function listServices({ api }: CliContext, options: ListOptions & { readonly filter?: readonly string[] }): Promise<void> {
  const services = await api.call<readonly ServiceInfo[]>({ method: "GET", path: "/services", query: { filters: filtersOf(options.filter), status: "true" } });
  printList(
    services.toSorted((a, b) => a.Spec.Name.localeCompare(b.Spec.Name, undefined, { numeric: true })),
    COLUMNS,
    (service) => service.ID,
    options,
  );
}

async function removeServices({ api }: CliContext, names: readonly string[]): Promise<void> {
  await forEachName(names, async (name) => {
    await api.call({ method: "DELETE", path: `/services/${encodeURIComponent(name)}` });
    print(name);
  });
}
