import type { Command } from "commander";
import { addHealthFlags, type HealthFlags } from "./health-flags.js";

const collect = (value: string, values: readonly string[] | undefined) => [...(values ?? []), value];

/** The flags that `service create` and `service update` share, as they were given. */
export interface CommonFlags extends HealthFlags {
  readonly args?: string;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly detach?: boolean;
  readonly endpointMode?: string;
  readonly entrypoint?: string;
  readonly hostname?: string;
  readonly limitCpu?: string;
  readonly limitMemory?: string;
  readonly limitPids?: string;
  readonly logDriver?: string;
  readonly logOpt?: readonly string[];
  readonly quiet?: boolean;
  /** commander's form of `--no-resolve-image`: false when it was given. */
  readonly resolveImage?: boolean;
  readonly withRegistryAuth?: boolean;
  readonly readOnly?: boolean;
  readonly replicas?: string;
  readonly replicasMaxPerNode?: string;
  readonly reserveCpu?: string;
  readonly reserveMemory?: string;
  readonly restartCondition?: string;
  readonly restartDelay?: string;
  readonly restartMaxAttempts?: string;
  readonly restartWindow?: string;
  readonly stopGracePeriod?: string;
  readonly stopSignal?: string;
  readonly updateDelay?: string;
  readonly updateFailureAction?: string;
  readonly updateMaxFailureRatio?: string;
  readonly updateMonitor?: string;
  readonly updateOrder?: string;
  readonly updateParallelism?: string;
  readonly rollbackDelay?: string;
  readonly rollbackFailureAction?: string;
  readonly rollbackMaxFailureRatio?: string;
  readonly rollbackMonitor?: string;
  readonly rollbackOrder?: string;
  readonly rollbackParallelism?: string;
  readonly user?: string;
  readonly workdir?: string;
}

/** Lists: `create` has the plain flag, `update` its -add and -rm forms. */
export const LIST_FLAGS = [
  "constraint",
  "container-label",
  "dns",
  "dns-option",
  "dns-search",
  "env",
  "group",
  "host",
  "label",
  "mount",
  "network",
  "placement-pref",
  "publish",
  "sysctl",
  "ulimit",
] as const;
export type ListFlag = (typeof LIST_FLAGS)[number];

const LIST_HELP: Readonly<Record<ListFlag, string>> = {
  constraint: "placement constraint: node.role==worker, node.labels.zone!=a",
  "container-label": "label of the containers",
  dns: "DNS server",
  "dns-option": "DNS option",
  "dns-search": "DNS search domain",
  env: "environment variable",
  group: "supplementary group of the process",
  host: "entry of /etc/hosts: name:address",
  label: "label of the service",
  mount: "mount: type=bind,source=/a,target=/b[,readonly] or type=tmpfs,target=/t",
  network: "network to attach to",
  "placement-pref": "placement preference: spread=node.labels.zone",
  publish: "published port: mode=host,target=80,published=8080[,protocol=tcp]",
  sysctl: "kernel parameter of the container",
  ulimit: "limit: name=soft[:hard]",
};

function addRolloutFlags(command: Command, kind: "update" | "rollback"): void {
  command
    .option(`--${kind}-parallelism <n>`, `tasks per step of ${kind === "update" ? "an update" : "a rollback"}; 0 is all`)
    .option(`--${kind}-delay <duration>`, "pause between steps")
    .option(`--${kind}-monitor <duration>`, "how long a task is watched for failure (default 5s)")
    .option(`--${kind}-failure-action <action>`, kind === "update" ? "pause, continue or rollback" : "pause or continue")
    .option(`--${kind}-max-failure-ratio <ratio>`, "share of failed tasks that is tolerated")
    .option(`--${kind}-order <order>`, "start-first or stop-first");
}

function addCommonFlags(command: Command): void {
  command
    .option("--cap-add <capability>", "capability to add; repeatable", collect)
    .option("--cap-drop <capability>", "capability to drop; repeatable", collect)
    .option("-d, --detach", "return at once instead of waiting until the service has converged")
    .option("--endpoint-mode <mode>", "vip or dnsrr")
    .option("--entrypoint <command>", "replaces the image's entrypoint")
    .option("--hostname <name>", "host name of the containers")
    .option("--limit-cpu <n>", "most processors a task may use")
    .option("--limit-memory <size>", "most memory a task may use")
    .option("--limit-pids <n>", "most processes of a task; 0 is no limit")
    .option("--log-driver <name>", "json-file, local, none, journald or syslog (default the node's)")
    .option("--log-opt <key=value>", "option of the log driver; repeatable", collect)
    .option("-q, --quiet", "print no progress")
    .option("--no-resolve-image", "do not ask the registry which image the name means now")
    .option("--with-registry-auth", "give the nodes the credentials of the image's registry")
    .option("--read-only", "the root file system cannot be written")
    .option("--replicas <n>", "number of tasks")
    .option("--replicas-max-per-node <n>", "most tasks on one node; 0 is no limit")
    .option("--reserve-cpu <n>", "processors a node must have left")
    .option("--reserve-memory <size>", "memory a node must have left")
    .option("--restart-condition <condition>", "none, on-failure or any (default any)")
    .option("--restart-delay <duration>", "pause before a restart (default 5s)")
    .option("--restart-max-attempts <n>", "restarts before giving up; 0 is no limit")
    .option("--restart-window <duration>", "window in which restarts are counted")
    .option("--stop-grace-period <duration>", "time to end after the stop signal (default 10s)")
    .option("--stop-signal <signal>", "signal that asks a container to end")
    .option("-u, --user <user>", "user[:group] of the process")
    .option("-w, --workdir <path>", "working directory of the process");
  addHealthFlags(command);
  addRolloutFlags(command, "update");
  addRolloutFlags(command, "rollback");
}

export function addCreateFlags(command: Command): void {
  addCommonFlags(command);
  command.option("--name <name>", "name of the service").option("--mode <mode>", "replicated or global (default replicated)");
  const short: Partial<Record<ListFlag, string>> = { env: "-e, ", label: "-l, ", publish: "-p, " };
  for (const flag of LIST_FLAGS) command.option(`${short[flag] ?? ""}--${flag} <value>`, `${LIST_HELP[flag]}; repeatable`, collect);
}

export function addUpdateFlags(command: Command): void {
  addCommonFlags(command);
  command
    .option("--args <words>", "arguments of the command")
    .option("--force", "replace the tasks even if nothing changed")
    .option("--image <image>", "image of the tasks")
    .option("--rollback", "go back to the spec before; combines with -d and -q only");
  for (const flag of LIST_FLAGS) {
    command.option(`--${flag}-add <value>`, `add: ${LIST_HELP[flag]}; repeatable`, collect);
    command.option(`--${flag}-rm <value>`, `remove; repeatable`, collect);
  }
}

const camel = (flag: string) => flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** What a list flag added and removed, whichever of the two commands it came from. */
export function listEdits(flags: object, flag: ListFlag): { readonly add: readonly string[]; readonly remove: readonly string[] } {
  const values = flags as Readonly<Record<string, readonly string[] | undefined>>;
  return { add: [...(values[camel(flag)] ?? []), ...(values[camel(`${flag}-add`)] ?? [])], remove: values[camel(`${flag}-rm`)] ?? [] };
}
