import type { Command } from "commander";
import { action, type CliContext } from "../context.js";
import { editing } from "../editing.js";
import { collectExternalCa, EXTERNAL_CA_FLAG } from "../external-ca.js";
import { afterwards } from "../failure.js";
import { print } from "../output.js";
import { parseChoice } from "../quantities.js";
import type { SwarmInfo } from "../shapes.js";
import { changedPart, isLocking, type SettingFlags, type SpecPart, withSettings } from "../swarm-settings.js";
import { showUnlockKey } from "./autolock.js";

interface UpdateFlags extends SettingFlags {
  /** Given without a value, it is true. */
  readonly autolock?: string | true;
  readonly rotateDataKeys?: boolean;
}

/** update: the settings of a swarm. */
export function addSwarmUpdateCommand(program: Command): void {
  program
    .command("update")
    .description("change the settings of the swarm")
    .option("--autolock [true|false]", "lock the managers' keys on their disks: after a restart a manager needs the unlock key")
    .option("--cert-expiry <duration>", "validity of node certificates")
    .option(
      EXTERNAL_CA_FLAG,
      'protocol=cfssl,url=URL[,cacert=FILE]: who issues certificates, of the present root or of this one; in the place of those before; "" for none',
      collectExternalCa,
    )
    .option("--dispatcher-heartbeat <duration>", "period of the nodes' heartbeats")
    .option("--task-history-limit <n>", "tasks kept per slot")
    .option("--snapshot-interval <n>", "log entries between two snapshots")
    .option("--max-snapshots <n>", "snapshots kept beside the newest one")
    .option("--slow-follower-entries <n>", "log entries kept behind a snapshot for managers that are slow")
    .option("--heartbeat-tick <n>", "tenths of a second between two heartbeats of the leader")
    .option("--election-tick <n>", "tenths of a second without a heartbeat after which another manager stands for election; at most 600")
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
    .action(action<[UpdateFlags, Command]>(update));
}

async function update({ api, signal }: CliContext, flags: UpdateFlags, command: Command): Promise<void> {
  // As docker's: there is nothing to change.
  if (Object.keys(flags).length === 0) return command.outputHelp();
  let isLockedNow = false;
  await editing(signal, async () => {
    const { Spec: before, Version } = await api.call<SwarmInfo>({ method: "GET", path: "/swarm" });
    const spec = { ...(await withSettings(before, flags)), ...changedPart(before, "EncryptionConfig", lockOf(flags)) };
    isLockedNow = !isLocking(before) && isLocking(spec);
    const query = { version: String(Version.Index), ...(flags.rotateDataKeys === true ? { rotateDataKeys: "true" } : {}) };
    await api.call({ method: "POST", path: "/swarm/update", query, body: spec });
  });
  print("Swarm updated.");
  if (isLockedNow) await afterwards("managers are locked from now on, and 'swarm unlock-key' shows the key", () => showUnlockKey(api));
}

function lockOf({ autolock }: UpdateFlags): SpecPart {
  if (autolock === undefined) return {};
  return { AutoLockManagers: autolock === true || parseChoice(autolock, "autolock", ["true", "false"]) === "true" };
}
