import { ALREADY_PART_TEXT, NO_MANAGER_TEXT, NOT_PART_TEXT, WORKER_TEXT } from "../api/http/swarm-texts.js";
import { ClusterError } from "../base/errors.js";
import type { ActiveNode } from "./active-node.js";
import type { ManagerRole } from "./manager-role.js";

/** What a host that is no manager answers, and one that does not leave just so: in Docker's words, which scripts look for. All are `unavailable`. */

/** A second init, join or restore. */
export function alreadyPart(): ClusterError {
  return refusal(ALREADY_PART_TEXT);
}

/** Leaving what this host is not in. */
export function notPart(): ClusterError {
  return refusal(NOT_PART_TEXT);
}

/** Asking for what only managers know, on a worker or outside of a swarm. */
export function notAManager(isWorker: boolean): ClusterError {
  return refusal(isWorker ? WORKER_TEXT : NO_MANAGER_TEXT);
}

/** What a node is, as far as its leaving goes. */
export interface Leaving extends Pick<ActiveNode, "isRetired" | "error" | "refusal"> {
  readonly manager: Pick<ManagerRole, "members" | "isRemoved" | "leaderAddress"> | null;
}

/** Why a node may not leave without force; null when it may. Nobody is told to do what cannot be done. */
export function refusalToLeave({ manager, isRetired, error, refusal: refused }: Leaving): ClusterError | null {
  if (isRetired) return retiredLeaves(error);
  if (manager === null) return null;
  const reason = refused || (manager.isRemoved ? error : "");
  if (reason !== "") return retiredLeaves(reason);
  const begin = "You are attempting to leave the swarm on a node that is participating as a manager. ";
  const others = manager.members().length - 1;
  if (others === 0) return refusal(`${begin}Removing the last manager erases all current state of the swarm. Use \`--force\` to ignore this message.`);
  const isDemotable = manager.leaderAddress() !== "";
  const leaderless = "The swarm does not have a leader, so that this node cannot be demoted, and leaving removes its copy of the cluster's state. ";
  return refusal(
    `${begin}${isDemotable ? "" : leaderless}The only way to restore a swarm that has lost consensus is to reinitialize it with \`--force-new-cluster\`. ${isDemotable ? "Demote the node first, or use" : "Use"} \`--force\` to suppress this message.`,
  );
}

/** A manager that cannot take part. */
export function retiredLeaves(reason: string): ClusterError {
  return refusal(
    `This node is a manager that cannot take part; leaving removes its copy of the cluster's state. Use \`--force\` to ignore this message. What keeps it: ${reason}`,
  );
}

/** A manager whose keys are locked, which leaves without force. */
export function lockedLeaves(): ClusterError {
  return refusal("Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.");
}

function refusal(text: string): ClusterError {
  return new ClusterError("unavailable", text);
}
