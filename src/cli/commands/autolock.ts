import type { Command } from "commander";
import type { Api } from "../api.js";
import { action, type CliContext } from "../context.js";
import { collectExternalCa, EXTERNAL_CA_FLAG, type ExternalCaJson, parseExternalCas } from "../external-ca.js";
import { CommandFailure, EXIT } from "../failure.js";
import { note, print } from "../output.js";
import { parseChoice, parseDuration } from "../quantities.js";
import { readSecret } from "../read-secret.js";
import type { HostInfo, SwarmInfo } from "../shapes.js";

interface UpdateFlags {
  /** Given without a value, it is true. */
  readonly autolock?: string | true;
  readonly certExpiry?: string;
  readonly externalCa?: readonly string[];
  readonly dispatcherHeartbeat?: string;
  readonly taskHistoryLimit?: string;
  readonly snapshotInterval?: string;
  readonly maxSnapshots?: string;
  readonly slowFollowerEntries?: string;
  readonly heartbeatTick?: string;
  readonly electionTick?: string;
  readonly rotateDataKeys?: boolean;
}

/** Parts of the spec as the API has them; what is not known here goes back as it came. */
type SpecPart = Readonly<Record<string, unknown>>;

/** update, unlock and unlock-key: the settings of a swarm, and the lock on its managers' keys. */
export function addAutolockCommands(program: Command): void {
  program
    .command("update")
    .description("change the settings of the swarm")
    .option("--autolock [true|false]", "lock the managers' keys on their disks: after a restart a manager needs the unlock key")
    .option("--cert-expiry <duration>", "validity of node certificates")
    .option(
      EXTERNAL_CA_FLAG,
      "protocol=cfssl,url=URL[,cacert=FILE]: who issues certificates, of the present root or of this one; in the place of those before",
      collectExternalCa,
    )
    .option("--dispatcher-heartbeat <duration>", "period of the nodes' heartbeats")
    .option("--task-history-limit <n>", "tasks kept per slot")
    .option("--snapshot-interval <n>", "log entries between two snapshots")
    .option("--max-snapshots <n>", "snapshots kept beside the newest one")
    .option("--slow-follower-entries <n>", "log entries kept behind a snapshot for managers that are slow")
    .option("--heartbeat-tick <n>", "tenths of a second between two heartbeats of the leader")
    .option("--election-tick <n>", "tenths of a second without a heartbeat after which another manager stands for election")
    .option("--rotate-data-keys", "have every manager seal its log and snapshots with a new key")
    .addHelpText(
      "after",
      `
Examples:
  swarm update --task-history-limit 2
  swarm update --autolock=false
These are the settings of the swarm; limits of containers are changed by 'swarm container update'.`,
    )
    .showHelpAfterError("--help shows how it is used; for containers there is 'swarm container update'")
    .action(action<[UpdateFlags]>(update));
  program
    .command("unlock-key")
    .description("show or rotate the key that unlocks managers")
    .option("-q, --quiet", "print the key alone")
    .option("--rotate", "replace the key by a new one; managers that are down need the one before")
    .action(action<[{ quiet?: boolean; rotate?: boolean }]>(unlockKey));
  program.command("unlock").description("unlock this manager: the key is asked for, or read from standard input").action(action<[]>(unlock));
}

/** Says how to unlock: to be shown once, when the lock is put on. */
export async function showUnlockKey(api: Api): Promise<void> {
  const { UnlockKey: key } = await api.call<{ UnlockKey: string }>({ method: "GET", path: "/swarm/unlockkey" });
  print(`After a restart a manager is unlocked by 'swarm unlock' with this key:\n\n    ${key}\n`);
  print("Keep it where none of the managers does: without it, a manager that restarted cannot be used again.");
}

async function update({ api }: CliContext, flags: UpdateFlags): Promise<void> {
  const { Spec: before, Version } = await api.call<SwarmInfo>({ method: "GET", path: "/swarm" });
  const wasLocked = isLocking(before);
  const spec = changedSpec(before, flags, await parseExternalCas(flags.externalCa ?? []));
  const query = { version: String(Version.Index), ...(flags.rotateDataKeys === true ? { rotateDataKeys: "true" } : {}) };
  await api.call({ method: "POST", path: "/swarm/update", query, body: spec });
  print("Swarm updated.");
  if (!wasLocked && isLocking(spec)) await showUnlockKey(api);
}

function changedSpec(spec: SpecPart, flags: UpdateFlags, externalCas: readonly ExternalCaJson[]): SpecPart {
  const part = (name: string, changes: SpecPart) =>
    Object.keys(changes).length === 0 ? {} : { [name]: { ...(spec[name] as SpecPart | undefined), ...changes } };
  const { autolock, certExpiry, dispatcherHeartbeat } = flags;
  return {
    ...spec,
    ...part(
      "EncryptionConfig",
      autolock === undefined ? {} : { AutoLockManagers: autolock === true || parseChoice(autolock, "autolock", ["true", "false"]) === "true" },
    ),
    ...part("CAConfig", {
      ...(certExpiry === undefined ? {} : { NodeCertExpiry: parseDuration(certExpiry, "cert-expiry") }),
      ...(externalCas.length === 0 ? {} : { ExternalCAs: externalCas }),
    }),
    ...part("Dispatcher", dispatcherHeartbeat === undefined ? {} : { HeartbeatPeriod: parseDuration(dispatcherHeartbeat, "dispatcher-heartbeat") }),
    ...part("Orchestration", countOf("TaskHistoryRetentionLimit", flags.taskHistoryLimit)),
    ...part("Raft", {
      ...countOf("SnapshotInterval", flags.snapshotInterval),
      ...countOf("KeepOldSnapshots", flags.maxSnapshots),
      ...countOf("LogEntriesForSlowFollowers", flags.slowFollowerEntries),
      ...countOf("HeartbeatTick", flags.heartbeatTick),
      ...countOf("ElectionTick", flags.electionTick),
    }),
  };
}

function countOf(name: string, text: string | undefined): SpecPart {
  if (text === undefined) return {};
  if (!/^\d{1,15}$/.test(text)) throw new CommandFailure(EXIT.misuse, `"${text}" is not a number`);
  return { [name]: Number(text) };
}

function isLocking(spec: SpecPart): boolean {
  return (spec.EncryptionConfig as { AutoLockManagers?: boolean } | undefined)?.AutoLockManagers === true;
}

async function unlockKey({ api }: CliContext, flags: { readonly quiet?: boolean; readonly rotate?: boolean }): Promise<void> {
  if (flags.rotate === true) {
    const { Spec, Version } = await api.call<SwarmInfo>({ method: "GET", path: "/swarm" });
    if (!isLocking(Spec)) throw new CommandFailure(EXIT.refused, "cannot rotate the unlock key because autolock is not turned on");
    await api.call({ method: "POST", path: "/swarm/update", query: { version: String(Version.Index), rotateManagerUnlockKey: "true" }, body: Spec });
    if (flags.quiet !== true) print("The unlock key was replaced. Managers that are down now need the one before: keep it until they have been back.\n");
  }
  const { UnlockKey: key } = await api.call<{ UnlockKey: string }>({ method: "GET", path: "/swarm/unlockkey" });
  if (key === "") throw new CommandFailure(EXIT.refused, "no unlock key is set");
  if (flags.quiet === true) print(key);
  else await showUnlockKey(api);
}

async function unlock({ api, signal }: CliContext): Promise<void> {
  const { Swarm } = await api.call<HostInfo>({ method: "GET", path: "/info" });
  if (Swarm.LocalNodeState === "inactive") throw new CommandFailure(EXIT.refused, "this node is not part of a swarm");
  if (Swarm.LocalNodeState !== "locked") throw new CommandFailure(EXIT.refused, "this node is not locked");
  const key = await readSecret("Unlock key: ", signal);
  await api.call({ method: "POST", path: "/swarm/unlock", body: { UnlockKey: key } });
  note("This manager is unlocked.");
}
