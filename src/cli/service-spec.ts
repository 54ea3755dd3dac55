import { readPairFiles, withOwnValue } from "./container/env-file.js";
import { misuse } from "./failure.js";
import { parseMount } from "./mount-flag.js";
import { healthFromFlags } from "./health-flags.js";
import { parseBytes, parseChoice, parseCount, parseCpus, parseDuration, parseFields, parsePair } from "./quantities.js";
import { type CommonFlags, listEdits } from "./service-flags.js";
import type { ContainerSpecJson, PortJson, ServiceSpecJson, TaskSpecJson, UpdateConfigJson } from "./shapes.js";

/** A spec to start from: nothing but what must be there. */
export function emptySpec(image: string): ServiceSpecJson {
  return { Name: "", Labels: {}, TaskTemplate: { ContainerSpec: { Image: image } }, Mode: { Replicated: { Replicas: 1 } } };
}

/** Puts what the flags say into the spec; what they do not mention stays. Throws a CommandFailure that names the flag. */
export function applyFlags(spec: ServiceSpecJson, flags: CommonFlags): void {
  editPairs(flags, "label", (labels) => Object.assign(spec, { Labels: labels }), spec.Labels);
  applyMode(spec, flags);
  applyTask(spec.TaskTemplate, flags);
  applyRollout(spec, flags, "update");
  applyRollout(spec, flags, "rollback");
  applyEndpoint(spec, flags);
}

function applyMode(spec: ServiceSpecJson, flags: CommonFlags): void {
  if (flags.replicas === undefined) return;
  if (spec.Mode.Replicated === undefined) throw misuse("--replicas cannot be used with a global service");
  spec.Mode = { Replicated: { Replicas: parseCount(flags.replicas, "replicas") } };
}

function applyTask(task: TaskSpecJson, flags: CommonFlags): void {
  applyContainer(task.ContainerSpec, flags);
  applyResources(task, flags);
  applyRestart(task, flags);
  applyPlacement(task, flags);
  if (flags.logDriver === undefined && flags.logOpt !== undefined) throw misuse("--log-opt needs the driver that it is for: --log-driver");
  if (flags.logDriver !== undefined)
    task.LogDriver = { Name: flags.logDriver, Options: Object.fromEntries((flags.logOpt ?? []).map((option) => parsePair(option, "log-opt"))) };
  const networks = listEdits(flags, "network");
  if (networks.add.length + networks.remove.length > 0) {
    const kept = (task.Networks ?? []).filter((network) => !networks.remove.includes(network.Target));
    task.Networks = [...kept, ...networks.add.map((target) => ({ Target: target }))];
  }
}

function applyContainer(container: ContainerSpecJson, flags: CommonFlags): void {
  if (flags.args !== undefined) container.Args = shellWords(flags.args, "args");
  if (flags.entrypoint !== undefined) container.Command = shellWords(flags.entrypoint, "entrypoint");
  if (flags.hostname !== undefined) container.Hostname = flags.hostname;
  if (flags.workdir !== undefined) container.Dir = flags.workdir;
  if (flags.user !== undefined) container.User = flags.user;
  if (flags.readOnly !== undefined) container.ReadOnly = flags.readOnly;
  if (flags.stopSignal !== undefined) container.StopSignal = flags.stopSignal;
  if (flags.stopGracePeriod !== undefined) container.StopGracePeriod = parseDuration(flags.stopGracePeriod, "stop-grace-period");
  if (flags.init !== undefined) container.Init = flags.init;
  if (flags.isolation !== undefined) container.Isolation = flags.isolation;
  if (flags.tty !== undefined) container.TTY = flags.tty;
  applyCapabilities(container, flags);
  const health = healthFromFlags(flags, container.Healthcheck);
  if (health !== undefined) container.Healthcheck = health;
  editPairs(flags, "container-label", (labels) => Object.assign(container, { Labels: labels }), container.Labels);
  editPairs(flags, "sysctl", (sysctls) => Object.assign(container, { Sysctls: sysctls }), container.Sysctls);
  if (flags.envFile !== undefined) container.Env = [...readPairFiles(flags.envFile, "env-file")];
  editList(
    flags,
    "env",
    (env) => Object.assign(container, { Env: env.map(withOwnValue) }),
    container.Env,
    (entry) => parsePair(entry, "env")[0],
  );
  editList(
    flags,
    "group",
    (groups) => Object.assign(container, { Groups: groups }),
    container.Groups,
    (group) => group,
  );
  editList(
    flags,
    "host",
    (hosts) => Object.assign(container, { Hosts: hosts.map(hostLine) }),
    container.Hosts,
    (line) => hostLine(line).split(" ")[1] ?? line,
  );
  const dns = { ...container.DNSConfig };
  editList(
    flags,
    "dns",
    (list) => Object.assign(dns, { Nameservers: list }),
    dns.Nameservers,
    (item) => item,
  );
  editList(
    flags,
    "dns-option",
    (list) => Object.assign(dns, { Options: list }),
    dns.Options,
    (item) => item,
  );
  editList(
    flags,
    "dns-search",
    (list) => Object.assign(dns, { Search: list }),
    dns.Search,
    (item) => item,
  );
  if (Object.keys(dns).length > 0) container.DNSConfig = dns;
  applyMounts(container, flags);
  applyUlimits(container, flags);
}

/** One that is added is dropped no more, and the other way round; those that the flags do not name stay. */
function applyCapabilities(container: ContainerSpecJson, { capAdd = [], capDrop = [] }: CommonFlags): void {
  if (capAdd.length + capDrop.length === 0) return;
  const bare = (name: string) => name.toUpperCase().replace(/^CAP_/, "");
  const edited = (present: readonly string[] | undefined, more: readonly string[], less: readonly string[]) => {
    const named = new Set([...more, ...less].map(bare));
    return [...(present ?? []).filter((name) => !named.has(bare(name))), ...more];
  };
  container.CapabilityAdd = edited(container.CapabilityAdd, capAdd, capDrop);
  container.CapabilityDrop = edited(container.CapabilityDrop, capDrop, capAdd);
}

function applyMounts(container: ContainerSpecJson, flags: CommonFlags): void {
  const { add, remove } = listEdits(flags, "mount");
  if (add.length + remove.length === 0) return;
  const added = add.map(parseMount);
  const replaced = new Set([...remove, ...added.map((mount) => mount.Target)]);
  container.Mounts = [...(container.Mounts ?? []).filter((mount) => !replaced.has(mount.Target)), ...added];
}

function applyUlimits(container: ContainerSpecJson, flags: CommonFlags): void {
  const { add, remove } = listEdits(flags, "ulimit");
  if (add.length + remove.length === 0) return;
  const added = add.map(parseUlimit);
  const replaced = new Set([...remove, ...added.map((limit) => limit.Name)]);
  container.Ulimits = [...(container.Ulimits ?? []).filter((limit) => !replaced.has(limit.Name)), ...added];
}

/** `name=soft[:hard]`. Throws a CommandFailure. */
export function parseUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const [, name, soft = "", hard = soft] = /^([a-z]+)=(-?\d{1,15})(?::(-?\d{1,15}))?$/.exec(text) ?? [];
  if (name === undefined) throw misuse(`--ulimit "${text}" is not name=soft[:hard]`);
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}

function applyResources(task: TaskSpecJson, flags: CommonFlags): void {
  const limits = { ...task.Resources?.Limits };
  if (flags.limitCpu !== undefined) limits.NanoCPUs = parseCpus(flags.limitCpu, "limit-cpu");
  if (flags.limitMemory !== undefined) limits.MemoryBytes = parseBytes(flags.limitMemory, "limit-memory");
  if (flags.limitPids !== undefined) limits.Pids = parseCount(flags.limitPids, "limit-pids");
  const swap = swapOf(flags);
  const reservations = { ...task.Resources?.Reservations };
  if (flags.reserveCpu !== undefined) reservations.NanoCPUs = parseCpus(flags.reserveCpu, "reserve-cpu");
  if (flags.reserveMemory !== undefined) reservations.MemoryBytes = parseBytes(flags.reserveMemory, "reserve-memory");
  if (Object.keys({ ...limits, ...reservations, ...swap }).length > 0)
    task.Resources = { ...task.Resources, ...swap, Limits: limits, Reservations: reservations };
}

/** Fields of API 1.52. */
function swapOf({ memorySwap, memorySwappiness }: CommonFlags): Pick<NonNullable<TaskSpecJson["Resources"]>, "SwapBytes" | "MemorySwappiness"> {
  const sizeOf = (text: string) => (text === "-1" ? -1 : parseBytes(text, "memory-swap"));
  return {
    ...(memorySwap === undefined ? {} : { SwapBytes: sizeOf(memorySwap) }),
    ...(memorySwappiness === undefined ? {} : { MemorySwappiness: memorySwappiness === "-1" ? -1 : parseCount(memorySwappiness, "memory-swappiness") }),
  };
}

function applyRestart(task: TaskSpecJson, flags: CommonFlags): void {
  const policy = { ...task.RestartPolicy };
  if (flags.restartCondition !== undefined) policy.Condition = parseChoice(flags.restartCondition, "restart-condition", ["none", "on-failure", "any"]);
  if (flags.restartDelay !== undefined) policy.Delay = parseDuration(flags.restartDelay, "restart-delay");
  if (flags.restartMaxAttempts !== undefined) policy.MaxAttempts = parseCount(flags.restartMaxAttempts, "restart-max-attempts");
  if (flags.restartWindow !== undefined) policy.Window = parseDuration(flags.restartWindow, "restart-window");
  if (Object.keys(policy).length > 0) task.RestartPolicy = policy;
}

function applyPlacement(task: TaskSpecJson, flags: CommonFlags): void {
  const placement = { ...task.Placement };
  editList(
    flags,
    "constraint",
    (list) => Object.assign(placement, { Constraints: list }),
    placement.Constraints,
    (item) => item,
  );
  const preferences = (placement.Preferences ?? []).map((preference) => `spread=${preference.Spread.SpreadDescriptor}`);
  editList(
    flags,
    "placement-pref",
    (list) => Object.assign(placement, { Preferences: list.map(parsePreference) }),
    preferences,
    (item) => item,
  );
  if (flags.replicasMaxPerNode !== undefined) placement.MaxReplicas = parseCount(flags.replicasMaxPerNode, "replicas-max-per-node");
  if (Object.keys(placement).length > 0) task.Placement = placement;
}

function parsePreference(text: string) {
  const [strategy, descriptor] = parsePair(text, "placement-pref");
  if (strategy !== "spread") throw misuse(`--placement-pref "${text}": the only strategy is spread`);
  return { Spread: { SpreadDescriptor: descriptor } };
}

function applyRollout(spec: ServiceSpecJson, flags: CommonFlags, kind: "update" | "rollback"): void {
  const get = (name: "Parallelism" | "Delay" | "Monitor" | "FailureAction" | "MaxFailureRatio" | "Order") => flags[`${kind}${name}`];
  const present = kind === "update" ? spec.UpdateConfig : spec.RollbackConfig;
  const config: UpdateConfigJson = {};
  const [parallelism, delay, monitor, action, ratio, order] = [
    get("Parallelism"),
    get("Delay"),
    get("Monitor"),
    get("FailureAction"),
    get("MaxFailureRatio"),
    get("Order"),
  ];
  if (parallelism !== undefined) config.Parallelism = parseCount(parallelism, `${kind}-parallelism`);
  if (delay !== undefined) config.Delay = parseDuration(delay, `${kind}-delay`);
  if (monitor !== undefined) config.Monitor = parseDuration(monitor, `${kind}-monitor`);
  if (action !== undefined)
    config.FailureAction = parseChoice(action, `${kind}-failure-action`, kind === "update" ? ["pause", "continue", "rollback"] : ["pause", "continue"]);
  if (ratio !== undefined) config.MaxFailureRatio = parseRatio(ratio, `${kind}-max-failure-ratio`);
  if (order !== undefined) config.Order = parseChoice(order, `${kind}-order`, ["stop-first", "start-first"]);
  if (Object.keys(config).length === 0) return;
  const merged = { ...(present ?? { Parallelism: 1 }), ...config };
  if (kind === "update") spec.UpdateConfig = merged;
  else spec.RollbackConfig = merged;
}

function parseRatio(text: string, flag: string): number {
  const ratio = Number(text);
  if (text === "" || !(ratio >= 0 && ratio <= 1)) throw misuse(`--${flag} "${text}" is not a number from 0 to 1`);
  return ratio;
}

function applyEndpoint(spec: ServiceSpecJson, flags: CommonFlags): void {
  const { add, remove } = listEdits(flags, "publish");
  if (flags.endpointMode === undefined && add.length + remove.length === 0) return;
  const kept = (spec.EndpointSpec?.Ports ?? []).filter((port) => !remove.some((text) => parseTarget(text, port)));
  spec.EndpointSpec = {
    ...spec.EndpointSpec,
    ...(flags.endpointMode === undefined ? {} : { Mode: parseChoice(flags.endpointMode, "endpoint-mode", ["vip", "dnsrr"]) }),
    Ports: [...kept, ...add.map(parsePort)],
  };
}

function parsePort(text: string): PortJson {
  const short = /^(?:(\d+):)?(\d+)(?:\/(tcp|udp|sctp))?$/.exec(text);
  const fields = short === null ? parseFields(text, "publish") : new Map<string, string>();
  const target = short?.[2] ?? fields.get("target") ?? "";
  const published = short === null ? fields.get("published") : short[1];
  return {
    Protocol: parseChoice(short?.[3] ?? fields.get("protocol") ?? "tcp", "publish protocol", ["tcp", "udp", "sctp"]),
    TargetPort: parseCount(target, "publish target"),
    ...(published === undefined ? {} : { PublishedPort: parseCount(published, "publish published") }),
    PublishMode: parseChoice(fields.get("mode") ?? "ingress", "publish mode", ["ingress", "host"]),
  };
}

/** `--publish-rm TARGET[/PROTOCOL]`: does it mean this port? */
function parseTarget(text: string, port: PortJson): boolean {
  const [target = "", protocol = "tcp"] = text.split("/");
  return parseCount(target, "publish-rm") === port.TargetPort && protocol === port.Protocol;
}

/** `name:address` to the "address name" of the spec; what already has that form stays. */
function hostLine(text: string): string {
  if (text.includes(" ")) return text;
  const at = text.indexOf(":");
  return at < 0 ? ` ${text}` : `${text.slice(at + 1)} ${text.slice(0, at)}`;
}

function editList(
  flags: CommonFlags,
  flag: Parameters<typeof listEdits>[1],
  put: (list: string[]) => void,
  present: readonly string[] | undefined,
  keyOf: (item: string) => string,
): void {
  const { add, remove } = listEdits(flags, flag);
  if (add.length + remove.length === 0) return;
  const replaced = new Set([...remove, ...add.map(keyOf)]);
  put([...(present ?? []).filter((item) => !replaced.has(keyOf(item)) && !replaced.has(item)), ...add]);
}

function editPairs(
  flags: CommonFlags,
  flag: "label" | "container-label" | "sysctl",
  put: (pairs: Record<string, string>) => void,
  present: Readonly<Record<string, string>> | undefined,
): void {
  const { add, remove } = listEdits(flags, flag);
  if (add.length + remove.length === 0) return;
  const kept = Object.entries(present ?? {}).filter(([key]) => !remove.includes(key));
  put(Object.fromEntries([...kept, ...add.map((text) => parsePair(text, flag))]));
}

/** Splits as a shell does, with single and double quotes and backslashes, without expansions. */
export function shellWords(text: string, flag: string): string[] {
  const words: string[] = [];
  const pattern = /\s*((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)/gy;
  let end = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    end = pattern.lastIndex;
    words.push(
      (match[1] ?? "").replace(
        /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g,
        (_, double?: string, single?: string, escaped?: string) => double?.replace(/\\(["\\$`])/g, "$1") ?? single ?? escaped ?? "",
      ),
    );
  }
  if (text.slice(end).trim() !== "") throw misuse(`--${flag} "${text}" has a quote that is not closed`);
  return words;
}
