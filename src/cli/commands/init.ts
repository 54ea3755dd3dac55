import type { Command } from "commander";
import { collect } from "../collect.js";
import { action, type CliContext } from "../context.js";
import { collectExternalCa, EXTERNAL_CA_FLAG } from "../external-ca.js";
import { misuse } from "../failure.js";
import { textOfFlag } from "../flag-file.js";
import { printJoinCommand } from "../join-command.js";
import { addNodeFlags, type NodeFlags, nodeFields } from "../node-flags.js";
import { print } from "../output.js";
import { parseCount } from "../quantities.js";
import type { NodeInfo, SwarmInfo } from "../shapes.js";
import { type SettingFlags, withSettings } from "../swarm-settings.js";
import { showUnlockKey } from "./autolock.js";

interface InitFlags extends NodeFlags, SettingFlags {
  readonly caCert?: string;
  readonly caKey?: string;
  readonly forceNewCluster?: boolean;
  readonly autolock?: boolean;
  readonly dataPathPort?: string;
  readonly defaultAddrPool?: readonly string[];
  readonly defaultAddrPoolMaskLength?: string;
}

/** init: how a swarm comes to be. */
export function addInitCommand(program: Command): void {
  addNodeFlags(program.command("init"))
    .description("make this host the first manager of a new swarm")
    .option("--data-path-port <port>", "port for that traffic (default 4789)")
    .option("--default-addr-pool <subnet>", "addresses that overlay networks are cut from, as in 10.20.0.0/16; repeatable", collect)
    .option("--default-addr-pool-mask-length <n>", "size of each such network (default 24)")
    .option("--ca-cert <file>", "root certificate (PEM) of the swarm, instead of a new one")
    .option("--ca-key <file>", "its key (PEM, ECDSA P-256)")
    .option("--cert-expiry <duration>", "validity of node certificates (default 2160h)")
    .option(
      EXTERNAL_CA_FLAG,
      "protocol=cfssl,url=URL[,cacert=FILE]: who issues certificates, of the root that ca --rotate changes to when it is named",
      collectExternalCa,
    )
    .option("--dispatcher-heartbeat <duration>", "period of the nodes' heartbeats (default 2s)")
    .option("--task-history-limit <n>", "tasks kept per slot (default 5)")
    .option("--max-snapshots <n>", "snapshots kept beside the newest one (default 0)")
    .option("--snapshot-interval <n>", "log entries between two snapshots (default 10000)")
    .option("--force-new-cluster", "make this manager the only one, with the state that it has, when the others are gone for good")
    .option("--autolock", "lock the managers' keys on their disks: after a restart a manager needs the unlock key")
    .addHelpText(
      "after",
      `
Examples:
  swarm init --advertise-addr eth1                       # on a host with several addresses, say which one the others dial
  swarm init --force-new-cluster --advertise-addr eth1   # on the last manager, when most of them are gone for good`,
    )
    .action(action<[InitFlags]>(init));
}

async function init({ api }: CliContext, flags: InitFlags): Promise<void> {
  if ((flags.caCert === undefined) !== (flags.caKey === undefined))
    throw misuse("--ca-cert and --ca-key go together: a swarm begins with a root that it can sign with");
  const root =
    flags.caCert === undefined ? {} : { SigningCACert: await textOfFlag(flags.caCert, "ca-cert"), SigningCAKey: await textOfFlag(flags.caKey, "ca-key") };
  const body = {
    ...nodeFields(flags),
    DataPathPort: flags.dataPathPort === undefined ? 0 : parseCount(flags.dataPathPort, "data-path-port"),
    DefaultAddrPool: flags.defaultAddrPool ?? [],
    SubnetSize: flags.defaultAddrPoolMaskLength === undefined ? 0 : parseCount(flags.defaultAddrPoolMaskLength, "default-addr-pool-mask-length"),
    ForceNewCluster: flags.forceNewCluster === true,
    AutoLockManagers: flags.autolock === true,
    Spec: await withSettings({}, flags, root),
  };
  const nodeId = await api.call<string>({ method: "POST", path: "/swarm/init", body });
  const [node, swarm] = await Promise.all([
    api.call<NodeInfo>({ method: "GET", path: `/nodes/${nodeId}` }),
    api.call<SwarmInfo>({ method: "GET", path: "/swarm" }),
  ]);
  print(`Swarm initialized: this node (${nodeId}) is now a manager.\n`);
  printJoinCommand("worker", swarm.JoinTokens.Worker, node.ManagerStatus?.Addr ?? "");
  print("To add a manager, run 'swarm join-token manager' and follow what it says.");
  if (flags.autolock === true) {
    print("");
    await showUnlockKey(api);
  }
}
