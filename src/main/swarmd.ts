#!/usr/bin/env -S node --no-memory-reducer --min-semi-space-size=16
// Room for the garbage of idle minutes, and no collection only because nothing else is to do: an idle daemon uses a third less of a core so.
import { Command, InvalidArgumentError } from "commander";
import { ClusterError, messageOf } from "../base/errors.js";
import { LOG_LEVELS } from "../base/log.js";
import { DEFAULT_CONFIG_FILE, type DaemonSettings, readSettings, resolveConfig } from "../node/config.js";
import { runDaemon } from "../node/daemon.js";
import { LOG_DRIVERS } from "../runtime/logs/log-plan.js";
import { VERSION } from "../node/version.js";

const collect = (value: string, values: readonly string[] | undefined) => [...(values ?? []), value];

const collectRuntime = (value: string, runtimes: DaemonSettings["runtimes"]) => {
  const at = value.indexOf("=");
  if (at <= 0 || at === value.length - 1) throw new InvalidArgumentError(`"${value}" is not NAME=PATH`);
  return { ...runtimes, [value.slice(0, at)]: { path: value.slice(at + 1) } };
};

interface Flags {
  readonly configFile?: string;
  readonly dataRoot?: string;
  readonly execRoot?: string;
  readonly host?: readonly string[];
  readonly label?: readonly string[];
  readonly logLevel?: string;
  readonly logDriver?: string;
  readonly logOpt?: readonly string[];
  readonly cgroupParent?: string;
  readonly cpuRtRuntime?: number;
  readonly cpuRtPeriod?: number;
  readonly bridgeSubnet?: string;
  readonly registryMirror?: readonly string[];
  readonly insecureRegistry?: readonly string[];
  readonly runtime?: DaemonSettings["runtimes"];
  readonly defaultRuntime?: string;
  readonly usernsRemap?: string;
  readonly registryCertificates?: string;
  readonly tlscacert?: string;
  readonly tlscert?: string;
  readonly tlskey?: string;
}

function pairOf(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new ClusterError("invalid_argument", `--log-opt "${text}" is not key=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Flags in the words of the settings file; what was not given is left out, so that the file's value holds. */
function settingsOf(flags: Flags): DaemonSettings {
  const all = {
    "data-root": flags.dataRoot,
    "exec-root": flags.execRoot,
    hosts: flags.host,
    labels: flags.label,
    "log-level": flags.logLevel,
    "log-driver": flags.logDriver,
    "log-opts": flags.logOpt === undefined ? undefined : Object.fromEntries(flags.logOpt.map(pairOf)),
    "cgroup-parent": flags.cgroupParent,
    "cpu-rt-runtime": flags.cpuRtRuntime,
    "cpu-rt-period": flags.cpuRtPeriod,
    "bridge-subnet": flags.bridgeSubnet,
    "registry-mirrors": flags.registryMirror,
    "insecure-registries": flags.insecureRegistry,
    runtimes: flags.runtime,
    "default-runtime": flags.defaultRuntime,
    "userns-remap": flags.usernsRemap,
    "registry-certificates": flags.registryCertificates,
    tlscacert: flags.tlscacert,
    tlscert: flags.tlscert,
    tlskey: flags.tlskey,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as DaemonSettings;
}

const program = new Command("swarmd")
  .description("The daemon of one host of a swarm: cluster manager, worker, or both.")
  .version(VERSION)
  .option("--config-file <path>", `settings file (default ${DEFAULT_CONFIG_FILE}, if it is there)`)
  .option("--data-root <path>", "what must survive a reboot (default /var/lib/swarmd)")
  .option("--exec-root <path>", "sockets and process state (default /run/swarmd)")
  .option("-H, --host <url>", "where the API listens: unix:///path or tcp://ip:port; repeatable (default unix:///run/swarmd.sock)", collect)
  .option("--label <key=value>", "engine label of this node; repeatable", collect)
  .option("-l, --log-level <level>", `${LOG_LEVELS.join(", ")} (default info)`)
  .option("--log-driver <name>", `log driver of containers that name none: ${LOG_DRIVERS.join(", ")} (default json-file)`)
  .option("--log-opt <key=value>", "option of that log driver; repeatable", collect)
  .option("--cgroup-parent <path>", "folder of the containers' cgroups (default derived from the data root)")
  .option(
    "--cpu-rt-runtime <µs>",
    "real-time processor time of all containers together, in microseconds of each period; needs CONFIG_RT_GROUP_SCHED (default: leaves what is there)",
    Number,
  )
  .option("--cpu-rt-period <µs>", "period of --cpu-rt-runtime in microseconds (default 1000000)", Number)
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

try {
  program.parse();
  const flags = program.opts<Flags>();
  const file = readSettings(flags.configFile ?? DEFAULT_CONFIG_FILE, flags.configFile !== undefined);
  process.exitCode = await runDaemon(resolveConfig(settingsOf(flags), file));
} catch (cause) {
  process.stderr.write(`swarmd: ${messageOf(cause)}\n`);
  process.exitCode = 1;
}
