import type { Candidates } from "./candidates.js";
import type { ObjectNames } from "./objects.js";
import type { Position } from "./position.js";

/** Words that a flag takes, whatever the command. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  "--availability": ["active", "drain", "pause"],
  "--attach": ["stdin", "stdout", "stderr"],
  "--autolock": ["true", "false"],
  "--cgroupns": ["host", "private"],
  "--endpoint-mode": ["vip", "dnsrr"],
  "--format": ["json", "table"],
  "--ipc": ["host", "private", "shareable", "container:"],
  "--isolation": ["default"],
  "--log-driver": ["json-file", "local", "journald", "syslog", "none"],
  "--mode": ["replicated", "global"],
  "--mount": ["type=bind,", "type=volume,", "type=tmpfs,"],
  "--pid": ["host", "container:"],
  "--placement-pref": ["spread="],
  "--pull": ["always", "missing", "never"],
  "--restart": ["no", "on-failure", "always", "unless-stopped"],
  "--restart-condition": ["none", "on-failure", "any"],
  "--role": ["worker", "manager"],
  "--rollback-failure-action": ["pause", "continue"],
  "--rollback-order": ["start-first", "stop-first"],
  "--security-opt": ["no-new-privileges", "seccomp="],
  "--signal": ["SIGHUP", "SIGINT", "SIGKILL", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"],
  "--stop-signal": ["SIGHUP", "SIGINT", "SIGKILL", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"],
  "--type": ["container", "image", "network", "volume", "service", "task", "node"],
  "--update-failure-action": ["pause", "continue", "rollback"],
  "--update-order": ["start-first", "stop-first"],
  "--userns": ["host"],
  "--uts": ["host"],
  "--volume-driver": ["local"],
  "--driver": ["local"],
};

/** Keys of `--filter`, by the command that has it. */
const FILTERS: Readonly<Record<string, readonly string[]>> = {
  "container ls": ["ancestor", "before", "exited", "health", "id", "label", "name", "network", "publish", "since", "status", "volume"],
  "container prune": ["label", "label!", "until"],
  "image ls": ["before", "dangling", "label", "reference", "since", "until"],
  "image prune": ["label", "label!", "until"],
  "volume ls": ["dangling", "driver", "label", "name"],
  "volume prune": ["label", "label!"],
  "system prune": ["label", "label!", "until"],
  events: ["container", "event", "image", "label", "node", "scope", "service", "type", "volume"],
  "service ls": ["id", "label", "mode", "name"],
  "service ps": ["desired-state", "id", "name", "node"],
  "node ls": ["id", "label", "membership", "name", "node.label", "role"],
  "node ps": ["desired-state", "id", "label", "name"],
};
const SAME_FILTERS: Readonly<Record<string, string>> = { ps: "container ls", images: "image ls", "system events": "events" };

const FILTER_VALUES: Readonly<Record<string, readonly string[]>> = {
  "desired-state": ["running", "shutdown", "accepted"],
  dangling: ["true", "false"],
  health: ["starting", "healthy", "unhealthy", "none"],
  membership: ["accepted", "pending"],
  mode: ["replicated", "global"],
  role: ["manager", "worker"],
  scope: ["local", "swarm"],
  status: ["created", "running", "paused", "restarting", "removing", "exited", "dead"],
  type: ["container", "image", "volume", "network", "daemon", "service", "node", "swarm"],
};

const FILES = /^--(env-file|label-file|cidfile|input|output|passphrase-file|ca-cert|ca-key|config|tls(ca)?(cert|key))$/;

/** Candidates for the value of the flag at this position. */
export async function valueCandidates(names: ObjectNames, position: Position): Promise<Candidates> {
  const flag = position.option?.long ?? "";
  if (FILES.test(flag)) return { words: [], hasFiles: true };
  if (flag === "--filter") return { words: await filterWords(names, position) };
  if (flag === "--network") return { words: await networkWords(names, position) };
  if (flag === "--volumes-from") return { words: await names.containers() };
  if (flag === "--image") return { words: await names.images() };
  if (flag === "--env") return { words: Object.keys(process.env).map((name) => `${name}=`) };
  if (flag === "--volume" && !/^[./~]/.test(position.typed)) return { words: (await names.volumes()).map((name) => `${name}:`), hasFiles: true };
  if (flag === "--volume") return { words: [], hasFiles: true };
  if (/^--(ipc|pid)$/.test(flag) && position.typed.startsWith("container:")) return { words: await joinable(names) };
  return { words: CHOICES[flag] ?? [] };
}

async function networkWords(names: ObjectNames, { path, typed }: Position): Promise<readonly string[]> {
  if (typed.startsWith("container:")) return await joinable(names);
  return [...(await names.networks()), ...(path.startsWith("service") ? [] : ["container:"])];
}

async function joinable(names: ObjectNames): Promise<readonly string[]> {
  return (await names.containers("running")).map((name) => `container:${name}`);
}

async function filterWords(names: ObjectNames, { path, typed }: Position): Promise<readonly string[]> {
  const [, key, value] = /^([^=]+)=(.*)$/.exec(typed) ?? [];
  if (key === undefined || value === undefined) return (FILTERS[SAME_FILTERS[path] ?? path] ?? []).map((name) => `${name}=`);
  return (await filterValues(names, key, path)).map((word) => `${key}=${word}`);
}

async function filterValues(names: ObjectNames, key: string, path: string): Promise<readonly string[]> {
  const isImages = path === "images" || path.startsWith("image ");
  if (key in FILTER_VALUES) return FILTER_VALUES[key] ?? [];
  if (key === "ancestor" || key === "reference" || key === "image" || (isImages && /^(before|since)$/.test(key))) return await names.images();
  if (key === "container" || key === "before" || key === "since") return await names.containers();
  if (key === "volume") return await names.volumes();
  if (key === "network") return await names.networks();
  if (key === "service") return await names.services();
  if (key === "node") return await names.nodes();
  if (key === "name") return await nameWords(names, path);
  return [];
}

async function nameWords(names: ObjectNames, path: string): Promise<readonly string[]> {
  if (path.startsWith("volume")) return await names.volumes();
  if (path.startsWith("service")) return await names.services();
  if (path.startsWith("node")) return await names.nodes();
  return await names.containers();
}
