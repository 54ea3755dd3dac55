import { ALREADY_PART_TEXT, NO_MANAGER_TEXT, NOT_PART_TEXT, WORKER_TEXT } from "../api/http/swarm-texts.js";
import { ClusterError } from "../base/errors.js";
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

/** A manager that leaves without force. */
export function managerLeaves(manager: Pick<ManagerRole, "members">): ClusterError {
  const begin = "You are attempting to leave the swarm on a node that is participating as a manager. ";
  const others = manager.members().length - 1;
  if (others === 0) return refusal(`${begin}Removing the last manager erases all current state of the swarm. Use \`--force\` to ignore this message.`);
  return refusal(
    `${begin}The only way to restore a swarm that has lost consensus is to reinitialize it with \`--force-new-cluster\`. Demote the node first, or use \`--force\` to suppress this message.`,
  );
}

/** One that cannot take part. */
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
