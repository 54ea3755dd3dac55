import { networkInterfaces } from "node:os";
import type { InitOptions, RestoreOptions } from "../api/http/backend.js";
import { newId } from "../base/ids.js";
import { withClusterDefaults } from "../model/defaults.js";
import { validateClusterSpec } from "../model/validation/cluster-spec.js";
import { IdentityFiles } from "../pki/identity-files.js";
import { resolveOwnAddresses } from "./addresses.js";
import type { ActiveNode } from "./active-node.js";
import { decodeBackup } from "./backup-file.js";
import { firstCredentials, firstObjects } from "./first-objects.js";
import { recordsOfMember } from "./member-records.js";
import { foundIncarnation, salvageMember } from "./new-incarnation.js";
import { restoredNode } from "./restored-node.js";
import type { NodeParts, SwarmPlace } from "./swarm-place.js";
import { type MemberState, raftFolderOf, type SwarmState, saveSwarmState } from "./swarm-state.js";

/** Makes this host the first manager of a new swarm, which leads it when this resolves. Throws ClusterError `invalid_argument`; what fails leaves nothing. */
export async function foundSwarm(place: SwarmPlace, options: InitOptions): Promise<NodeParts> {
  const spec = withClusterDefaults(options.spec);
  validateClusterSpec(spec);
  const { listenAddress, advertiseAddress, nodeAddress } = resolveOwnAddresses(options, networkInterfaces());
  const incarnation = newId();
  const first = firstCredentials(place.clock.now(), options.signingCa);
  const managers = [{ nodeId: first.nodeId, address: advertiseAddress }];
  return place.orNothing(async () => {
    const parts = await place.settle(first.credentials, { listenAddress, advertiseAddress, managers, member: null });
    try {
      const manager = await parts.node.startManager({ type: "bootstrap", incarnation });
      await manager.led();
      await manager.store.update((tx) => firstObjects(tx, { ...first, incarnation, init: { ...options, spec }, nodeAddress }));
      await parts.node.keysKept();
    } catch (cause) {
      await parts.node.stop();
      throw cause;
    }
    return parts;
  });
}

/** Reads a backup for this host. Throws ClusterError `invalid_argument` for a passphrase or file that is not the one. */
export async function openBackup({ clock }: SwarmPlace, options: RestoreOptions) {
  const addresses = resolveOwnAddresses(options, networkInterfaces());
  const { origin } = await decodeBackup(options.chunks, options.passphrase);
  return { origin, addresses, ...restoredNode(origin, { nodeAddress: addresses.nodeAddress, signingKey: options.signingKey, nowMs: clock.now() }) };
}

/** Writes what a manager begins with that has what was in a backup, as a new incarnation. Resolves with its state, on the disk. */
export async function writeRestored(place: SwarmPlace, backup: Awaited<ReturnType<typeof openBackup>>): Promise<SwarmState> {
  const { nodeId, credentials, objects, origin } = backup;
  const { listenAddress, advertiseAddress } = backup.addresses;
  const files = await IdentityFiles.create(place.certificates, credentials);
  const codec = await recordsOfMember(files, { isBeginning: true });
  const self = { nodeId, address: advertiseAddress };
  const member = await foundIncarnation(place, codec, { member: self, origin: { ...origin, objects } });
  const state = { listenAddress, advertiseAddress, managers: [self], member };
  await saveSwarmState(place.folder, state);
  return state;
}

/**
 * Makes a manager that is stopped the only one, with everything that it holds. `movedTo` is where it listens and others shall reach it from now on; null leaves that as it is.
 * Resolves with its state, on the disk; when it rejects, the old one still holds.
 */
export async function foundAnew(
  place: SwarmPlace,
  { state: old, identity, files }: Pick<ActiveNode, "state" | "identity" | "files">,
  { before, movedTo }: { readonly before: MemberState; readonly movedTo: Pick<SwarmState, "listenAddress" | "advertiseAddress"> | null },
): Promise<SwarmState> {
  const codec = await recordsOfMember(files, { isBeginning: false });
  const { listenAddress, advertiseAddress } = movedTo ?? old;
  const self = { nodeId: identity.nodeId, address: advertiseAddress };
  const origin = await salvageMember(place, codec, raftFolderOf(before));
  const member = await foundIncarnation(place, codec, { member: self, origin });
  const { advertiseInterface, ...kept } = old;
  // An address that the operator gives now may be of no interface.
  const where = movedTo !== null || advertiseInterface === undefined ? {} : { advertiseInterface };
  const state = { ...kept, ...where, listenAddress, advertiseAddress, managers: [self], member };
  await saveSwarmState(place.folder, state);
  return state;
}
