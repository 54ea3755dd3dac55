import type { Command } from "commander";
import { inOurWords } from "../api.js";
import { action, type CliContext } from "../context.js";
import { note, print, printObjects } from "../output.js";
import { addDiskCommands } from "./disk.js";
import { addEventsCommand } from "./events.js";
import type { HostInfo } from "../shapes.js";

interface VersionInfo {
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion: string;
  readonly Os: string;
  readonly Arch: string;
  readonly KernelVersion: string;
}

/** info, version and events, and the group `system`. */
export function addSystemCommands(program: Command, version: string): void {
  const system = program.command("system").description("what concerns this node as a whole");
  addDiskCommands(system);
  for (const parent of [program, system]) {
    addInfoCommand(parent);
    addEventsCommand(parent);
  }
  program
    .command("version")
    .description("show the versions of command line and daemon")
    .option("-f, --format <format>", "json: on one line, or a template such as {{.Server.Version}}")
    .action(action<[{ format?: string }]>((context, options) => showVersion(context, options, version)));
}

function addInfoCommand(parent: Command): void {
  parent
    .command("info")
    .description("show this node and its part in the swarm")
    .option("-f, --format <format>", "json: everything, on one line, or a template such as {{.ServerVersion}}")
    .action(action<[{ format?: string }]>(showInfo));
}

async function showInfo({ api }: CliContext, options: { readonly format?: string }): Promise<void> {
  const info = await api.call<HostInfo>({ method: "GET", path: "/info" });
  if (options.format !== undefined) {
    printObjects([info], options);
    return;
  }
  for (const [title, value] of infoLines(info)) if (value !== undefined && value !== "") print(`${`${title}:`.padEnd(12)}${value}`);
  for (const warning of info.Warnings ?? []) note(`WARNING: ${warning.replace(/^WARNING: /, "")}`);
}

function infoLines(info: HostInfo): readonly (readonly [string, string | number | undefined])[] {
  const { Swarm: swarm, ContainersPaused: paused = 0, ContainersStopped: stopped = 0, RegistryConfig: registries } = info;
  const insecure = Object.entries(registries?.IndexConfigs ?? {}).flatMap(([name, { Secure: isSecure }]) => (isSecure ? [] : [name]));
  return [
    ["Host", `${info.Name} (${info.OperatingSystem}, kernel ${info.KernelVersion}, ${info.Architecture})`],
    ["Daemon", `${info.ServerVersion}, state in ${info.DockerRootDir}`],
    ["Resources", `${info.NCPU} processors, ${(info.MemTotal / 2 ** 30).toFixed(1)} GiB`],
    ["Labels", info.Labels?.join(", ")],
    ["Containers", `${info.Containers}: ${info.ContainersRunning} running, ${paused} paused, ${stopped} stopped`],
    ["Images", info.Images],
    ["Storage", info.Driver],
    ["Logging", info.LoggingDriver],
    ["Cgroups", info.CgroupVersion === undefined ? undefined : `version ${info.CgroupVersion}, ${info.CgroupDriver}`],
    ["Runtimes", info.Runtimes === undefined ? undefined : `${Object.keys(info.Runtimes).join(", ")}; ${info.DefaultRuntime} is the default`],
    ["Security", info.SecurityOptions?.join(", ")],
    ["Mirrors", registries?.Mirrors?.join(", ")],
    ["Insecure", insecure.join(", ")],
    ["Swarm", swarm.LocalNodeState],
    ["Error", inOurWords(swarm.Error)],
    ["Node", swarm.NodeID === "" ? undefined : `${swarm.NodeID} at ${swarm.NodeAddr}, ${roleOf(swarm)}`],
    ["Cluster", swarm.Cluster === undefined || swarm.Cluster === null ? undefined : `${swarm.Cluster.ID}: ${swarm.Nodes} nodes, ${swarm.Managers} managers`],
    ["Managers", swarm.RemoteManagers?.map((manager) => manager.Addr).join(", ")],
  ];
}

/** Who is locked, or was retired by its disk, is none of the workers: the managers that it knows include itself. */
function roleOf({ ControlAvailable: isInControl, RemoteManagers: managers, NodeID: nodeId }: HostInfo["Swarm"]): string {
  if (isInControl) return "manager";
  return managers?.some((manager) => manager.NodeID === nodeId) === true ? "manager that cannot take part" : "worker";
}

async function showVersion({ api }: CliContext, options: { readonly format?: string }, version: string): Promise<void> {
  // Known without the daemon, and wanted most when that does not answer.
  if (options.format === undefined) print(`Command line: ${version}`);
  const daemon = await api.call<VersionInfo>({ method: "GET", path: "/version" });
  if (options.format !== undefined) {
    printObjects([{ Client: { Version: version }, Server: daemon }], options);
    return;
  }
  print(`Daemon:       ${daemon.Version} (API ${daemon.MinAPIVersion} to ${daemon.ApiVersion}, ${daemon.Os}/${daemon.Arch}, kernel ${daemon.KernelVersion})`);
}
