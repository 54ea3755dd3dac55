import type { Command } from "commander";
import type { Api } from "../api.js";
import { collect } from "../collect.js";
import { action, type CliContext } from "../context.js";
import { misuse } from "../failure.js";
import { filtersOf } from "../filters.js";
import { inspectEach } from "../inspect-each.js";
import { prettyService } from "../pretty/service.js";
import { type LogFlags, printServiceLogs } from "../service/logs.js";
import type { ServiceInfo } from "../shapes.js";
import { printTasks, type TaskListOptions } from "../task-list.js";

interface InspectFlags {
  readonly format?: string;
  readonly pretty?: boolean;
}

/** service ps, inspect and logs: how a service is doing. */
export function addServiceWatchCommands(service: Command): void {
  service
    .command("ps")
    .description("list the tasks of services, with the reason why one does not run")
    .argument("<service...>")
    .option("-f, --filter <key=value>", "id, name, node or desired-state; repeatable", collect)
    .option("--format <format>", "table, json, or a template such as {{.ID}}")
    .option("--no-resolve", "show ids instead of names")
    .option("--no-trunc", "do not shorten ids and errors")
    .option("-q, --quiet", "print ids alone")
    .addHelpText(
      "after",
      `
Examples:
  swarm service ps --filter desired-state=running web      # without the history of its tasks
  swarm service ps --no-trunc --format '{{.Name}} {{.Error}}' web`,
    )
    .action(action<[string[], TaskListOptions]>(listServiceTasks));
  service
    .command("inspect")
    .description("show all that is known of services")
    .argument("<service...>")
    .option("-f, --format <format>", "json: one line each, or a template such as {{.ID}}")
    .option("--pretty", "for people")
    .action(action<[string[], InspectFlags]>(inspectServices));
  service
    .command("logs")
    .description("show what the tasks of a service, or one task, wrote")
    .argument("<service|task>")
    .option("--details", "with the labels and variables that the log driver keeps")
    .option("-f, --follow", "go on with what comes")
    .option("--no-resolve", "show ids instead of names")
    .option("--no-task-ids", "leave the ids of the tasks out")
    .option("--no-trunc", "do not shorten ids")
    .option("--raw", "the lines alone, without the task that wrote them")
    .option("--since <time>", "RFC 3339, seconds since the epoch, or how long ago: 42m")
    .option("-n, --tail <lines>", "lines from the end of each task's log", "all")
    .option("-t, --timestamps", "show when each line was written")
    .action(action<[string, LogFlags]>(printServiceLogs));
}

export function getService(api: Api, name: string): Promise<ServiceInfo> {
  return api.call<ServiceInfo>({ method: "GET", path: `/services/${encodeURIComponent(name)}` });
}

/** The tasks of the services that there are, also when there is none of another name. */
async function listServiceTasks({ api }: CliContext, names: readonly string[], options: TaskListOptions): Promise<void> {
  const show = async (services: readonly ServiceInfo[]) => {
    if (services.length > 0) await printTasks(api, { service: services.map(({ ID }) => ID) }, options);
  };
  await inspectEach(names, (name) => getService(api, name), { show });
}

async function inspectServices({ api }: CliContext, names: readonly string[], { format, pretty }: InspectFlags): Promise<void> {
  if (pretty === true && format !== undefined) throw misuse("--format and --pretty do not go together");
  const fetch = (name: string) => api.call<ServiceInfo>({ method: "GET", path: `/services/${encodeURIComponent(name)}`, query: { insertDefaults: "true" } });
  if (pretty !== true) return await inspectEach(names, fetch, format === undefined ? {} : { format });
  const show = (found: readonly ServiceInfo[]) => process.stdout.write(found.map(prettyService).join("\n"));
  await inspectEach(names, async (name) => withStatus(api, await fetch(name)), { show });
}

/** How many of its tasks run is told in lists alone. */
async function withStatus(api: Api, service: ServiceInfo): Promise<ServiceInfo> {
  const query = { filters: filtersOf([], { id: [service.ID] }), status: "true" };
  const listed = await api.call<readonly ServiceInfo[]>({ method: "GET", path: "/services", query });
  const status = listed.find(({ ID }) => ID === service.ID)?.ServiceStatus;
  return status === undefined ? service : { ...service, ServiceStatus: status };
}
