import { ClusterError } from "../../base/errors.js";
import type { ImageConfig } from "../image-store.js";
import { healthOf } from "./health-instruction.js";

export const EMPTY_CONFIG: ImageConfig = {
  user: "",
  exposedPorts: [],
  env: [],
  entrypoint: [],
  command: [],
  volumes: [],
  workingDir: "",
  labels: {},
  stopSignal: "",
  health: null,
  shell: [],
};

type Instruction = (config: ImageConfig, operand: string) => ImageConfig;

const INSTRUCTIONS: ReadonlyMap<string, Instruction> = new Map<string, Instruction>([
  ["CMD", (config, operand) => ({ ...config, command: commandOf(operand) })],
  ["ENTRYPOINT", (config, operand) => ({ ...config, entrypoint: commandOf(operand) })],
  ["ENV", (config, operand) => ({ ...config, env: mergeEnv(config.env, pairsOf(operand)) })],
  ["EXPOSE", (config, operand) => ({ ...config, exposedPorts: union(config.exposedPorts, wordsOf(operand).flatMap(portsOf)) })],
  ["HEALTHCHECK", (config, operand) => ({ ...config, health: healthOf(operand) })],
  ["LABEL", (config, operand) => ({ ...config, labels: { ...config.labels, ...Object.fromEntries(pairsOf(operand)) } })],
  ["STOPSIGNAL", (config, operand) => ({ ...config, stopSignal: singleWordOf(operand) })],
  ["USER", (config, operand) => ({ ...config, user: singleWordOf(operand) })],
  ["VOLUME", (config, operand) => ({ ...config, volumes: union(config.volumes, jsonListOf(operand) ?? wordsOf(operand)) })],
  ["WORKDIR", (config, operand) => ({ ...config, workingDir: joinPath(config.workingDir, unquote(operand)) })],
]);

/** Applies Dockerfile instructions in order. Throws ClusterError `invalid_argument` that quotes the instruction. */
export function applyChanges(config: ImageConfig, changes: readonly string[]): ImageConfig {
  return changes.filter((change) => change.trim() !== "").reduce(applyChange, config);
}

function applyChange(config: ImageConfig, change: string): ImageConfig {
  const [, name = "", operand = ""] = /^\s*(\S+)\s*([\s\S]*?)\s*$/.exec(change) ?? [];
  const instruction = INSTRUCTIONS.get(name.toUpperCase());
  if (instruction === undefined) throw new ClusterError("invalid_argument", `${name.toUpperCase()} is not a valid change command`);
  if (operand === "") throw new ClusterError("invalid_argument", `${name.toUpperCase()} requires at least one argument`);
  try {
    return instruction(config, operand);
  } catch (cause) {
    throw new ClusterError("invalid_argument", `bad change "${change.trim()}": ${ClusterError.from(cause).message}`, { cause });
  }
}

/** The JSON form is taken as it is; anything else is a line for the shell, as in a Dockerfile. */
function commandOf(operand: string): readonly string[] {
  return jsonListOf(operand) ?? ["/bin/sh", "-c", operand];
}

/** Undefined for what is not a JSON list of strings: Dockerfiles then take the other form. */
function jsonListOf(operand: string): readonly string[] | undefined {
  if (!operand.startsWith("[")) return undefined;
  try {
    const list: unknown = JSON.parse(operand);
    return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : undefined;
  } catch {
    // Not JSON: the shell form.
    return undefined;
  }
}

const WORD = /(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/g;

/** Words with quotes taken off and backslashes resolved. Throws when a quote does not end. */
function wordsOf(operand: string): readonly string[] {
  if (operand.replace(WORD, "").trim() !== "") throw new ClusterError("invalid_argument", "a quote does not end");
  return (operand.match(WORD) ?? []).map(unquote);
}

function unquote(word: string): string {
  return word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g, (_, double?: string, single?: string, escaped?: string) =>
    double !== undefined ? double.replace(/\\(.)/g, "$1") : (single ?? escaped ?? ""),
  );
}

function singleWordOf(operand: string): string {
  const [word = "", ...more] = wordsOf(operand);
  if (more.length > 0) throw new ClusterError("invalid_argument", "exactly one argument is required");
  return word;
}

/** `k=v k2="v 2"`, or the old form `k the rest`. */
function pairsOf(operand: string): readonly (readonly [string, string])[] {
  const old = /^([^\s="']+)\s+([\s\S]+)$/.exec(operand);
  if (old !== null) return [[old[1] ?? "", unquote(old[2] ?? "")]];
  return wordsOf(operand).map((word) => {
    const equals = word.indexOf("=");
    if (equals <= 0) throw new ClusterError("invalid_argument", `"${word}" is not name=value`);
    return [word.slice(0, equals), word.slice(equals + 1)] as const;
  });
}

function mergeEnv(env: readonly string[], pairs: readonly (readonly [string, string])[]): readonly string[] {
  const byName = new Map(env.map((variable) => [variable.split("=", 1)[0] ?? "", variable]));
  for (const [name, value] of pairs) byName.set(name, `${name}=${value}`);
  return [...byName.values()];
}

/** `80`, `80/udp`, `8000-8002/tcp`. */
function portsOf(word: string): readonly string[] {
  const [, low = "", high = low, protocol = "tcp"] = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
  const [first, last] = [Number(low), Number(high)];
  if (low === "" || first < 1 || last > 65535 || last < first) throw new ClusterError("invalid_argument", `"${word}" is not a port`);
  return Array.from({ length: last - first + 1 }, (_, offset) => `${first + offset}/${protocol.toLowerCase()}`);
}

function union(before: readonly string[], added: readonly string[]): readonly string[] {
  return [...new Set([...before, ...added])];
}

function joinPath(before: string, path: string): string {
  const whole = path.startsWith("/") ? path : `${before}/${path}`;
  const parts: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
