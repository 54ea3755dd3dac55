/** What a host answers that is not what was asked of it, in Docker's words: scripts and the stock command line look for them. */

export const NOT_PART_TEXT = "This node is not part of a swarm";
export const ALREADY_PART_TEXT = 'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.';
/** Of a host that is in no swarm. */
export const NO_MANAGER_TEXT = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
export const WORKER_TEXT =
  "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";
export const LOCKED_TEXT = 'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.';
