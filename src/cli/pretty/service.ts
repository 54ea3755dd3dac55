import { binarySizeText } from "../container/stats.js";
import { ago } from "../output.js";
import type { ContainerSpecJson, LimitsJson, MountJson, PortJson, ServiceInfo, TaskSpecJson, UpdateConfigJson } from "../shapes.js";
import { shortDuration } from "./duration.js";
import { pairsSection, type PrettyLine, prettyText, type Section, section } from "./sections.js";

/** `service inspect --pretty`: what docker shows of a service, and besides how it restarts, logs and is told to end. */
export function prettyService(service: ServiceInfo): string {
  const { Spec: spec } = service;
  const { TaskTemplate: task } = spec;
  return prettyText([
    ["ID", service.ID],
    ["Name", spec.Name],
    pairsSection("Labels", spec.Labels),
    ["Created", ago(service.CreatedAt)],
    ["Updated", ago(service.UpdatedAt)],
    ...modeLines(service),
    updateStatus(service),
    placement(task),
    rollout("UpdateConfig", spec.UpdateConfig),
    rollout("RollbackConfig", spec.RollbackConfig),
    container(task.ContainerSpec),
    health(task.ContainerSpec),
    section("Mounts", (task.ContainerSpec.Mounts ?? []).map(mountLine)),
    section("Resources", [limits("Reservations", task.Resources?.Reservations), limits("Limits", task.Resources?.Limits)]),
    restart(task),
    logging(task),
    ["Networks", (task.Networks ?? []).map(({ Target }) => Target).join(" ")],
    ["Endpoint Mode", spec.EndpointSpec?.Mode],
    section("Ports", (service.Endpoint?.Ports ?? spec.EndpointSpec?.Ports ?? []).flatMap(portLines)),
  ]);
}

function modeLines({ Spec: { Mode: mode }, ServiceStatus: status }: ServiceInfo): readonly PrettyLine[] {
  const running: PrettyLine[] = status === undefined ? [] : [[" Running", `${status.RunningTasks} of ${status.DesiredTasks}`]];
  if (mode.Replicated !== undefined) return [["Service Mode", "Replicated"], [" Replicas", mode.Replicated.Replicas], ...running];
  return [["Service Mode", "Global"], ...running];
}

function updateStatus({ UpdateStatus: status }: ServiceInfo): Section {
  if (status === undefined) return section("UpdateStatus", []);
  const when = (time: string | undefined) => (time === undefined ? undefined : ago(time));
  return section("UpdateStatus", [
    ["State", status.State],
    ["Started", when(status.StartedAt)],
    ["Completed", when(status.CompletedAt)],
    ["Message", status.Message],
  ]);
}

function placement({ Placement }: TaskSpecJson): Section {
  return section("Placement", [
    ["Constraints", (Placement?.Constraints ?? []).join(", ")],
    ["Preferences", (Placement?.Preferences ?? []).map(({ Spread }) => `spread=${Spread.SpreadDescriptor}`).join(", ")],
    ["Max Replicas Per Node", Placement?.MaxReplicas || undefined],
  ]);
}

function rollout(title: string, config: UpdateConfigJson | undefined): Section {
  if (config === undefined) return section(title, []);
  return section(title, [
    ["Parallelism", config.Parallelism ?? 0],
    ["Delay", shortDuration(config.Delay ?? 0)],
    ["On failure", config.FailureAction],
    ["Monitoring Period", durationOf(config.Monitor)],
    ["Max failure ratio", config.MaxFailureRatio ?? 0],
    ["Order", config.Order],
  ]);
}

function container(spec: ContainerSpecJson): Section {
  const dns = spec.DNSConfig;
  return section("ContainerSpec", [
    ["Image", spec.Image],
    ["Command", (spec.Command ?? []).map(quoted).join(" ")],
    ["Args", (spec.Args ?? []).map(quoted).join(" ")],
    section("Env", spec.Env ?? []),
    pairsSection("Labels", spec.Labels),
    ["Hostname", spec.Hostname],
    ["Dir", spec.Dir],
    ["User", spec.User],
    ["Groups", (spec.Groups ?? []).join(" ")],
    ["Init", spec.Init],
    ["TTY", spec.TTY === true ? true : undefined],
    ["Read-only", spec.ReadOnly === true ? true : undefined],
    ["Stop Signal", spec.StopSignal],
    ["Stop Grace Period", spec.StopGracePeriod === undefined ? undefined : shortDuration(spec.StopGracePeriod)],
    ["Cap Add", (spec.CapabilityAdd ?? []).join(" ")],
    ["Cap Drop", (spec.CapabilityDrop ?? []).join(" ")],
    ["Hosts", (spec.Hosts ?? []).join(", ")],
    ["DNS", [dns?.Nameservers, dns?.Search, dns?.Options].flatMap((list) => list ?? []).join(" ")],
    pairsSection("SysCtls", spec.Sysctls),
    section(
      "Ulimits",
      (spec.Ulimits ?? []).map(({ Name, Soft, Hard }): PrettyLine => [Name, Soft === Hard ? Soft : `${Soft}:${Hard}`]),
    ),
  ]);
}

/** What the shell would need to see the same words. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function health({ Healthcheck: check }: ContainerSpecJson): Section {
  if (check === undefined) return section("Healthcheck", []);
  const [kind = "", ...words] = check.Test ?? [];
  const test = kind === "CMD-SHELL" ? words.join(" ") : kind === "NONE" ? "none, whatever the image says" : words.map(quoted).join(" ");
  return section("Healthcheck", [
    ["Test", kind === "" ? "the image's" : test],
    ["Interval", durationOf(check.Interval)],
    ["Timeout", durationOf(check.Timeout)],
    ["Start Period", durationOf(check.StartPeriod)],
    ["Start Interval", durationOf(check.StartInterval)],
    ["Retries", check.Retries || undefined],
  ]);
}

function mountLine(mount: MountJson): PrettyLine {
  const { BindOptions: bind, VolumeOptions: volume, TmpfsOptions: tmpfs } = mount;
  const details: readonly PrettyLine[] = [
    ["Source", mount.Source],
    ["ReadOnly", mount.ReadOnly === true],
    ["Type", mount.Type],
    ["Propagation", bind?.Propagation],
    ["NoCopy", volume?.NoCopy],
    ["Subpath", volume?.Subpath],
    ["Driver", volume?.DriverConfig?.Name],
    pairsSection("Driver Options", volume?.DriverConfig?.Options),
    pairsSection("Labels", volume?.Labels),
    ["Size", tmpfs?.SizeBytes === undefined ? undefined : binarySizeText(Number(tmpfs.SizeBytes))],
    ["Mode", tmpfs?.Mode === undefined ? undefined : tmpfs.Mode.toString(8).padStart(4, "0")],
  ];
  return ["Target", mount.Target, details];
}

function limits(title: string, given: LimitsJson | undefined): Section {
  return section(title, [
    ["CPU", given?.NanoCPUs ? Number(given.NanoCPUs) / 1e9 : undefined],
    ["Memory", given?.MemoryBytes ? binarySizeText(Number(given.MemoryBytes)) : undefined],
    ["Pids", given?.Pids || undefined],
  ]);
}

function restart({ RestartPolicy: policy }: TaskSpecJson): Section {
  return section("RestartPolicy", [
    ["Condition", policy?.Condition],
    ["Delay", policy?.Delay === undefined ? undefined : shortDuration(policy.Delay)],
    ["Max Attempts", policy?.MaxAttempts || undefined],
    ["Window", durationOf(policy?.Window)],
  ]);
}

function logging({ LogDriver: driver }: TaskSpecJson): Section {
  return section("Log Driver", [["Name", driver?.Name], pairsSection("LogOpts", driver?.Options)]);
}

function portLines(port: PortJson): readonly PrettyLine[] {
  const details = [`Protocol = ${port.Protocol}`, `TargetPort = ${port.TargetPort}`, `PublishMode = ${port.PublishMode}`];
  return [`PublishedPort = ${port.PublishedPort ?? "any"}`, ...details.map((line) => ` ${line}`)];
}

/** Zero is what the daemon says for "not given". */
function durationOf(nanoseconds: bigint | undefined): string | undefined {
  return nanoseconds === undefined || BigInt(nanoseconds) === 0n ? undefined : shortDuration(nanoseconds);
}
