import { misuse } from "../failure.js";
import { parseBytes, parseChoice, parseCount, parseCpus, parseDuration, parsePair } from "../quantities.js";
import type { ServiceSpecJson, TaskSpecJson } from "../shapes.js";
import { applyContainer } from "./container-spec.js";
import { applyEndpoint } from "./endpoint-spec.js";
import type { CommonFlags } from "./flags.js";
import { editList, editPairs, listEdits } from "./list-edits.js";
import { applyRollout } from "./rollout-spec.js";

/** A spec to start from: nothing but what must be there. */
export function emptySpec(image: string): ServiceSpecJson {
  return { Name: "", Labels: {}, TaskTemplate: { ContainerSpec: { Image: image } }, Mode: { Replicated: { Replicas: 1 } } };
}

/** Puts what the flags say into the spec; what they do not mention stays. Throws a CommandFailure that names the flag. */
export function applyFlags(spec: ServiceSpecJson, flags: CommonFlags): void {
  editPairs(flags, "label", spec.Labels, (labels) => Object.assign(spec, { Labels: labels }));
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
  editList(flags, "constraint", placement.Constraints, (list) => Object.assign(placement, { Constraints: list }));
  const preferences = (placement.Preferences ?? []).map((preference) => `spread=${preference.Spread.SpreadDescriptor}`);
  editList(flags, "placement-pref", preferences, (list) => Object.assign(placement, { Preferences: list.map(parsePreference) }));
  if (flags.replicasMaxPerNode !== undefined) placement.MaxReplicas = parseCount(flags.replicasMaxPerNode, "replicas-max-per-node");
  if (Object.keys(placement).length > 0) task.Placement = placement;
}

function parsePreference(text: string) {
  const [strategy, descriptor] = parsePair(text, "placement-pref");
  if (strategy !== "spread") throw misuse(`--placement-pref "${text}": the only strategy is spread`);
  return { Spread: { SpreadDescriptor: descriptor } };
}
