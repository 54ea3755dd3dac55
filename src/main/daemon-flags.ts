import { Command, InvalidArgumentError } from "commander";
import { ClusterError } from "../base/errors.js";
import { LOG_LEVELS } from "../base/log.js";
import { DEFAULT_CONFIG_FILE, type DaemonSettings } from "../node/config.js";
import { VERSION } from "../node/version.js";
import { LOG_DRIVERS } from "../runtime/logs/log-plan.js";

/** Keys of the settings file that are not called as their flag: those with many values. */
const PLURALS: Readonly<Record<string, string>> = {
  host: "hosts",
  label: "labels",
  "log-opt": "log-opts",
  "registry-mirror": "registry-mirrors",
  "insecure-registry": "insecure-registries",
  runtime: "runtimes",
};

/** `swarmd` with its flags; each but `--config-file` is a setting. */
export function daemonProgram(): Command {
  return new Command("swarmd")
    .description("The daemon of one host of a swarm: cluster manager, worker, or both.")
    .version(VERSION)
    .option("--config-file <path>", `settings file (default ${DEFAULT_CONFIG_FILE}, if it is there)`)
    .option("--data-root <path>", "what must survive a reboot (default /var/lib/swarmd)")
    .option("--exec-root <path>", "sockets and process state (default /run/swarmd)")
    .option("-H, --host <url>", "where the API listens: unix:///path or tcp://ip:port; repeatable (default unix:///run/swarmd.sock)", collect)
    .option("--label <key=value>", "engine label of this node; repeatable", collect)
    .option("-l, --log-level <level>", `${LOG_LEVELS.join(", ")} (default info)`)
    .option("--log-driver <name>", `log driver of containers that name none: ${LOG_DRIVERS.join(", ")} (default json-file)`)
    .option("--log-opt <key=value>", "option of that log driver; repeatable", collectPair)
    .option("--cgroup-parent <path>", "folder of the containers' cgroups (default derived from the data root)")
    .option(
      "--cpu-rt-runtime <µs>",
      "real-time processor time of all containers together, in microseconds of each period; needs CONFIG_RT_GROUP_SCHED (default: leaves what is there)",
      microseconds,
    )
    .option("--cpu-rt-period <µs>", "period of --cpu-rt-runtime in microseconds (default 1000000)", microseconds)
    .option("--bridge-subnet <cidr>", "subnet of the default bridge (default 172.30.0.0/16)")
    .option("--registry-mirror <url>", "asked first for images of Docker Hub; repeatable", collect)
    .option("--insecure-registry <host>", "host[:port] or subnet of registries with plain HTTP or a certificate that nobody vouches for; repeatable", collect)
    .option("--runtime <name=path>", "OCI runtime (runc, crun) that containers may ask for; repeatable", collectRuntime)
    .option("--default-runtime <name>", "runtime of containers that ask for none (default swarm-shim, our own)")
    .option(
      "--userns-remap <user>",
      "containers get the user and group ids that /etc/subuid and /etc/subgid give to: default (dockremap), USER or USER:GROUP, by name or number",
    )
    .option("--registry-certificates <path>", "folder with HOST[:PORT]/*.crt, *.cert and *.key for registries (default /etc/swarmd/certs.d)")
    .option("--tlscacert <path>", "authority that API clients over TCP must have a certificate of")
    .option("--tlscert <path>", "certificate of the API over TCP")
    .option("--tlskey <path>", "key of the API over TCP")
    .allowExcessArguments(false);
}

/** What was given, in the words of the settings file; what was not is left out, so that the file's value holds. */
export function settingsOf(program: Command): DaemonSettings {
  const given = program.options
    .map((option) => [option.name(), program.getOptionValue(option.attributeName())] as const)
    .filter(([name, value]) => value !== undefined && name !== "config-file");
  return Object.fromEntries(given.map(([name, value]) => [PLURALS[name] ?? name, value]));
}

function collect(value: string, values: readonly string[] = []): readonly string[] {
  return [...values, value];
}

function microseconds(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a number of microseconds`);
  return Number(text);
}

function collectPair(text: string, pairs: DaemonSettings["log-opts"]): DaemonSettings["log-opts"] {
  const at = text.indexOf("=");
  if (at < 1) throw new ClusterError("invalid_argument", `--log-opt "${text}" is not key=value`);
  return { ...pairs, [text.slice(0, at)]: text.slice(at + 1) };
}

function collectRuntime(value: string, runtimes: DaemonSettings["runtimes"]): DaemonSettings["runtimes"] {
  const at = value.indexOf("=");
  if (at <= 0 || at === value.length - 1) throw new InvalidArgumentError(`"${value}" is not NAME=PATH`);
  return { ...runtimes, [value.slice(0, at)]: { path: value.slice(at + 1) } };
}
