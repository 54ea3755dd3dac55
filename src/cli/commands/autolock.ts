import type { Command } from "commander";
import type { Api } from "../api.js";
import { action, type CliContext } from "../context.js";
import { afterwards, CommandFailure, EXIT } from "../failure.js";
import { note, print } from "../output.js";
import { readSecret } from "../read-secret.js";
import type { HostInfo, SwarmInfo } from "../shapes.js";
import { isLocking } from "../swarm-settings.js";

/** unlock and unlock-key: the lock on managers' keys. */
export function addAutolockCommands(program: Command): void {
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

async function unlockKey({ api }: CliContext, flags: { readonly quiet?: boolean; readonly rotate?: boolean }): Promise<void> {
  if (flags.rotate === true) {
    const { Spec, Version } = await api.call<SwarmInfo>({ method: "GET", path: "/swarm" });
    if (!isLocking(Spec)) throw new CommandFailure(EXIT.refused, "cannot rotate the unlock key because autolock is not turned on");
    await api.call({ method: "POST", path: "/swarm/update", query: { version: String(Version.Index), rotateManagerUnlockKey: "true" }, body: Spec });
    if (flags.quiet !== true) print("The unlock key was replaced. Managers that are down now need the one before: keep it until they have been back.\n");
    return await afterwards("the unlock key was replaced, and 'swarm unlock-key' shows the new one", () => show(api, flags));
  }
  await show(api, flags);
}

async function show(api: Api, flags: { readonly quiet?: boolean }): Promise<void> {
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
