import type { Command } from "commander";
import { collect } from "../collect.js";
import { action, type CliContext } from "../context.js";
import { collectExternalCa, EXTERNAL_CA_FLAG, parseExternalCas } from "../external-ca.js";
import { EXIT, CommandFailure, misuse } from "../failure.js";
import { print } from "../output.js";
import { parseChoice, parseCount, parseDuration } from "../quantities.js";
import type { HostInfo, NodeInfo, SwarmInfo } from "../shapes.js";
import { showUnlockKey } from "./autolock.js";
import { fileOf } from "./ca.js";

const AVAILABILITIES = ["active", "pause", "drain"] as const;

interface InitFlags {
  readonly listenAddr: string;
  readonly advertiseAddr?: string;
  readonly availability: string;
  readonly caCert?: string;
  readonly caKey?: string;
  readonly certExpiry?: string;
  readonly externalCa?: readonly string[];
  readonly dispatcherHeartbeat?: string;
  readonly taskHistoryLimit?: string;
  readonly forceNewCluster?: boolean;
  readonly autolock?: boolean;
  readonly dataPathAddr?: string;
  readonly dataPathPort?: string;
  readonly defaultAddrPool?: readonly string[];
  readonly defaultAddrPoolMaskLength?: string;
  readonly maxSnapshots?: string;
  readonly snapshotInterval?: string;
}

interface JoinFlags {
  readonly token: string;
  readonly listenAddr: string;
  readonly advertiseAddr?: string;
  readonly availability: string;
  readonly dataPathAddr?: string;
}

const DATA_PATH = [
  "--data-path-addr <address>",
  "ip|interface for the traffic of overlay networks, once there are such (default as --advertise-addr)",
] as const;

/** init, join, join-token and leave: how a cluster comes to be. */
export function addClusterCommands(program: Command): void {
  program
    .command("init")
    .description("make this host the first manager of a new swarm")
    .option("--listen-addr <address>", "ip|interface[:port] to listen on", "0.0.0.0:2377")
    .option("--advertise-addr <address>", "ip|interface[:port] that other nodes dial")
    .option("--availability <availability>", "active, pause or drain", "active")
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
    .option(...DATA_PATH)
    .option("--data-path-port <port>", "port for that traffic (default 4789)")
    .option("--default-addr-pool <subnet>", "addresses that overlay networks are cut from, as in 10.20.0.0/16; repeatable", collect)
    .option("--default-addr-pool-mask-length <n>", "size of each such network (default 24)")
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
  program
    .command("join")
    .description("join a swarm as a node")
    .argument("<address>", "host[:port] of a manager")
    .requiredOption("--token <token>", "join token: says whether as a worker or as a manager")
    .option("--listen-addr <address>", "ip|interface[:port] to listen on", "0.0.0.0:2377")
    .option("--advertise-addr <address>", "ip|interface[:port] that other nodes dial")
    .option("--availability <availability>", "active, pause or drain", "active")
    .option(...DATA_PATH)
    .addHelpText("after", "\nExample: what 'swarm join-token worker' prints on a manager\n  swarm join --token SWMTKN-1-… 10.0.0.1:2377")
    .action(action<[string, JoinFlags]>(join));
  program
    .command("join-token")
    .description("show or rotate the token to join with")
    .argument("<role>", "worker or manager")
    .option("-q, --quiet", "print the token alone")
    .option("--rotate", "replace the token by a new one; nodes that joined stay")
    .action(action<[string, { quiet?: boolean; rotate?: boolean }]>(joinToken));
  program
    .command("leave")
    .description("leave the swarm")
    .option("-f, --force", "leave even if this node is a manager")
    .action(action<[{ force?: boolean }]>(leave));
}

async function init({ api }: CliContext, flags: InitFlags): Promise<void> {
  if ((flags.caCert === undefined) !== (flags.caKey === undefined))
    throw misuse("--ca-cert and --ca-key go together: a swarm begins with a root that it can sign with");
  const caConfig = {
    ...(flags.caCert === undefined ? {} : { SigningCACert: await fileOf(flags.caCert, "ca-cert"), SigningCAKey: await fileOf(flags.caKey, "ca-key") }),
    ...(flags.certExpiry === undefined ? {} : { NodeCertExpiry: parseDuration(flags.certExpiry, "cert-expiry") }),
    ...(flags.externalCa === undefined ? {} : { ExternalCAs: await parseExternalCas(flags.externalCa) }),
  };
  const raft = {
    ...(flags.maxSnapshots === undefined ? {} : { KeepOldSnapshots: parseCount(flags.maxSnapshots, "max-snapshots") }),
    ...(flags.snapshotInterval === undefined ? {} : { SnapshotInterval: parseCount(flags.snapshotInterval, "snapshot-interval") }),
  };
  const spec = {
    ...(flags.taskHistoryLimit === undefined ? {} : { Orchestration: { TaskHistoryRetentionLimit: parseCount(flags.taskHistoryLimit, "task-history-limit") } }),
    ...(Object.keys(raft).length === 0 ? {} : { Raft: raft }),
    ...(flags.dispatcherHeartbeat === undefined ? {} : { Dispatcher: { HeartbeatPeriod: parseDuration(flags.dispatcherHeartbeat, "dispatcher-heartbeat") } }),
    ...(Object.keys(caConfig).length === 0 ? {} : { CAConfig: caConfig }),
  };
  const body = {
    ListenAddr: flags.listenAddr,
    AdvertiseAddr: flags.advertiseAddr ?? "",
    DataPathAddr: flags.dataPathAddr ?? "",
    DataPathPort: flags.dataPathPort === undefined ? 0 : parseCount(flags.dataPathPort, "data-path-port"),
    DefaultAddrPool: flags.defaultAddrPool ?? [],
    SubnetSize: flags.defaultAddrPoolMaskLength === undefined ? 0 : parseCount(flags.defaultAddrPoolMaskLength, "default-addr-pool-mask-length"),
    ForceNewCluster: flags.forceNewCluster === true,
    AutoLockManagers: flags.autolock === true,
    Availability: parseChoice(flags.availability, "availability", AVAILABILITIES),
    Spec: spec,
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

async function join({ api }: CliContext, address: string, flags: JoinFlags): Promise<void> {
  const body = {
    RemoteAddrs: [address],
    JoinToken: flags.token,
    ListenAddr: flags.listenAddr,
    AdvertiseAddr: flags.advertiseAddr ?? "",
    DataPathAddr: flags.dataPathAddr ?? "",
    Availability: parseChoice(flags.availability, "availability", AVAILABILITIES),
  };
  await api.call({ method: "POST", path: "/swarm/join", body });
  const info = await api.call<HostInfo>({ method: "GET", path: "/info" });
  print(`This node joined a swarm as a ${info.Swarm.ControlAvailable ? "manager" : "worker"}.`);
}

async function joinToken({ api }: CliContext, roleText: string, flags: { readonly quiet?: boolean; readonly rotate?: boolean }): Promise<void> {
  const role = parseChoice(roleText, "role", ["worker", "manager"]);
  if (flags.rotate === true) {
    const before = await api.call<SwarmInfo>({ method: "GET", path: "/swarm" });
    const query = { version: String(before.Version.Index), [role === "worker" ? "rotateWorkerToken" : "rotateManagerToken"]: "true" };
    await api.call({ method: "POST", path: "/swarm/update", query, body: before.Spec });
  }
  const [swarm, info] = await Promise.all([api.call<SwarmInfo>({ method: "GET", path: "/swarm" }), api.call<HostInfo>({ method: "GET", path: "/info" })]);
  const token = role === "worker" ? swarm.JoinTokens.Worker : swarm.JoinTokens.Manager;
  if (flags.quiet === true) {
    print(token);
    return;
  }
  const node = await api.call<NodeInfo>({ method: "GET", path: `/nodes/${info.Swarm.NodeID}` });
  if (node.ManagerStatus === undefined) throw new CommandFailure(EXIT.refused, "this node is not a manager");
  if (flags.rotate === true) print(`The ${role} token was replaced.\n`);
  printJoinCommand(role, token, node.ManagerStatus.Addr);
}

function printJoinCommand(role: string, token: string, address: string): void {
  print(`To add a ${role}, run on its host:\n\n    swarm join --token ${token} ${address}\n`);
}

async function leave({ api }: CliContext, flags: { readonly force?: boolean }): Promise<void> {
  await api.call({ method: "POST", path: "/swarm/leave", query: flags.force === true ? { force: "1" } : {} });
  print("Node left the swarm.");
}
