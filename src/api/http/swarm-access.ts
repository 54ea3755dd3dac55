import { ClusterError } from "../../base/errors.js";
import type { StoreView } from "../../store/view.js";
import type { ControlReply, ControlRequest } from "../../wire/generated/control.js";
import type { Backend } from "./backend.js";
import { controlError, HttpError } from "./errors.js";
import { LOCKED_TEXT, NO_MANAGER_TEXT, WORKER_TEXT } from "./swarm-texts.js";

/** Throws the 503 that Swarm gives on a node that is not a manager, with what to do. */
export function requireManager(backend: Backend): void {
  if (backend.swarm.localView() !== undefined) return;
  const local = backend.swarm.local();
  if (local.state === "locked") throw new HttpError(503, LOCKED_TEXT);
  if (local.isManager) return;
  if ((local.nodeId !== "" || local.state === "error") && local.error !== "") throw new HttpError(503, `This node is not a swarm manager: ${local.error}`);
  throw new HttpError(503, local.nodeId === "" ? NO_MANAGER_TEXT : WORKER_TEXT);
}

/** The cluster's state after every acknowledged write. To be used before the next await. */
export async function readSwarm(backend: Backend): Promise<StoreView> {
  requireManager(backend);
  return await backend.swarm.read();
}

/** A write of a client: its errors get the texts of Swarm's control API. */
export async function writeSwarm(backend: Backend, request: ControlRequest): Promise<ControlReply> {
  requireManager(backend);
  try {
    return await backend.swarm.write(request);
  } catch (cause) {
    throw controlError(cause);
  }
}

/** Throws when the leader answered with something else than what the request is for. */
export function wrongReply(reply: ControlReply): ClusterError {
  return new ClusterError("internal", `the leader answered with "${reply.type}"`);
}
