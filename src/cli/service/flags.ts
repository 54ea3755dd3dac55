import { type Command, Option } from "commander";
import { collect } from "../collect.js";
import { withoutDefaults } from "../docker-command.js";
import { misuse } from "../failure.js";
import { addHealthFlags, type HealthFlags } from "../health-flags.js";

/** The flags that `service create` and `service update` share, as they were given. */
export interface CommonFlags extends HealthFlags {
  readonly args?: string;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly detach?: boolean;
  readonly endpointMode?: string;
  readonly entrypoint?: string;
  readonly envFile?: readonly string[];
  readonly hostname?: string;
  readonly init?: boolean;
  readonly isolation?: string;
  readonly limitCpu?: string;
  readonly limitMemory?: string;
  readonly limitPids?: string;
  readonly memorySwap?: string;
  readonly memorySwappiness?: string;
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
  readonly tty?: boolean;
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
const LIST_FLAGS = [
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

/** What names the one to remove, where it is not the whole value. */
const REMOVED_BY: Partial<Readonly<Record<ListFlag, string>>> = {
  "container-label": "remove, by its key",
  env: "remove, by its name",
  label: "remove, by its key",
  mount: "remove, by its target",
  publish: "remove, by its target port",
  sysctl: "remove, by its key",
  ulimit: "remove, by its name",
};

const CREATE_EXAMPLES = `
Examples:
  swarm service create --name web --replicas 3 --publish mode=host,target=80,published=8080 web:v1
  swarm service create --name agent --mode global --mount type=bind,source=/var/log,target=/logs,readonly agent:v2 /agent -v
  swarm service create --name db --constraint node.labels.disk==ssd --mount type=volume,source=data,target=/data db:v1
What follows the image belongs to the container: flags of this command come before it.`;

const UPDATE_EXAMPLES = `
Examples:
  swarm service update --image web:v2 --update-parallelism 2 --update-delay 10s --update-failure-action rollback web
  swarm service update --env-add MODE=live --env-rm DEBUG --publish-rm 80 web
  swarm service update --force web               # replaces the tasks although nothing changed`;

function addRolloutFlags(command: Command, kind: "update" | "rollback"): void {
  command
    .option(`--${kind}-parallelism <n>`, `tasks per step of ${kind === "update" ? "an update" : "a rollback"}; 0 is all (default 1)`)
    .option(`--${kind}-delay <duration>`, "pause between steps (default 0s)")
    .option(`--${kind}-monitor <duration>`, "how long a task is watched for failure (default 5s)")
    .option(`--${kind}-failure-action <action>`, `${kind === "update" ? "pause, continue or rollback" : "pause or continue"} (default pause)`)
    .option(`--${kind}-max-failure-ratio <ratio>`, "share of failed tasks that is tolerated (default 0)")
    .option(`--${kind}-order <order>`, "start-first or stop-first (default stop-first)");
}

function addCommonFlags(command: Command): void {
  command
    .option("--cap-add <capability>", "capability to add; repeatable", collect)
    .option("--cap-drop <capability>", "capability to drop; repeatable", collect)
    .option("-d, --detach", "return at once instead of waiting until the service has converged")
    .option("--endpoint-mode <mode>", "vip or dnsrr (default vip)")
    .option("--entrypoint <command>", "replaces the image's entrypoint")
    .option("--hostname <name>", "host name of the containers")
    .option("--init", "run an init that reaps processes and passes signals on")
    .option("--isolation <technology>", "default is the only one on Linux")
    .option("--limit-cpu <n>", "most processors a task may use")
    .option("--limit-memory <size>", "most memory a task may use")
    .option("--limit-pids <n>", "most processes of a task; 0 is no limit")
    .option("--memory-swap <size>", "most swap of a task beside its memory, with --limit-memory; -1 is no limit (default as much as memory)")
    .option("--memory-swappiness <n>", "how readily the kernel swaps it, 0 to 100; -1 is the host's")
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
    .option("-t, --tty", "give the tasks a terminal")
    .option("-u, --user <user>", "user[:group] of the process")
    .option("-w, --workdir <path>", "working directory of the process");
  addHealthFlags(command);
  addRolloutFlags(command, "update");
  addRolloutFlags(command, "rollback");
}

export function addCreateFlags(command: Command): void {
  addCommonFlags(command);
  command
    .option("--name <name>", "name of the service")
    .option("--mode <mode>", "replicated or global (default replicated)")
    .option("--env-file <file>", "file with a variable a line; repeatable", collect);
  const short: Partial<Record<ListFlag, string>> = { env: "-e, ", label: "-l, ", publish: "-p, " };
  for (const flag of LIST_FLAGS) command.option(`${short[flag] ?? ""}--${flag} <value>`, `${LIST_HELP[flag]}; repeatable`, collect);
  addUnbuiltFlags(command, [""]);
  command.addHelpText("after", CREATE_EXAMPLES);
}

export function addUpdateFlags(command: Command): void {
  addCommonFlags(command);
  withoutDefaults(command);
  command
    .option("--args <words>", "arguments of the command")
    .option("--force", "replace the tasks even if nothing changed")
    .option("--image <image>", "image of the tasks")
    .option("--rollback", "go back to the spec before; combines with -d and -q only");
  for (const flag of LIST_FLAGS) {
    command.option(`--${flag}-add <value>`, `add: ${LIST_HELP[flag]}; repeatable`, collect);
    command.option(`--${flag}-rm <value>`, `${REMOVED_BY[flag] ?? "remove"}; repeatable`, collect);
  }
  addUnbuiltFlags(command, ["-add", "-rm"]);
  command.addHelpText("after", UPDATE_EXAMPLES);
}

const UNBUILT: Readonly<Record<string, string>> = { config: "configs", secret: "secrets", "generic-resource": "generic resources" };

/** Flags of docker's for what the cluster does not have yet: who gives them is told so, and not that there is no such flag. */
function addUnbuiltFlags(command: Command, endings: readonly string[]): void {
  const refuse = (flag: string, what: string) =>
    command.addOption(
      new Option(`--${flag} <value>`).hideHelp().argParser(() => {
        throw misuse(`--${flag}: ${what} are not supported yet`);
      }),
    );
  for (const [name, what] of Object.entries(UNBUILT)) for (const ending of endings) refuse(`${name}${ending}`, what);
  refuse("max-concurrent", "jobs");
  refuse("credential-spec", "credentials of Windows services");
}
