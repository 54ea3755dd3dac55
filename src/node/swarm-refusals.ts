import { ClusterError } from "../base/errors.js";
import type { ManagerRole } from "./manager-role.js";

/** What a host that is no manager answers, and one that does not leave just so: in Docker's words, which scripts look for. All are `unavailable`. */

export function alreadyPart(): ClusterError {
  return refusal('This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.');
}

export function notPart(): ClusterError {
  return refusal("This node is not part of a swarm");
}

export function notAManager(isWorker: boolean): ClusterError {
  if (!isWorker)
    return refusal('This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.');
  return refusal(
    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
  );
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

export function lockedLeaves(): ClusterError {
  return refusal("Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.");
}

function refusal(text: string): ClusterError {
  return new ClusterError("unavailable", text);
}
