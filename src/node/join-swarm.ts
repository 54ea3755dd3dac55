import { networkInterfaces } from "node:os";
import type { JoinOptions } from "../api/http/backend.js";
import { unlessAborted } from "../base/abort.js";
import { ClusterError, isClusterError, messageOf } from "../base/errors.js";
import { joinCluster } from "../rpc/join.js";
import type { ActiveNode } from "./active-node.js";
import { formatHostPort, type HostPort, parseHostPort, resolveAdvertiseAddress, resolveListenAddress } from "./addresses.js";
import { sourceAddressTo } from "./source-address.js";
import type { NodeParts, SwarmPlace } from "./swarm-place.js";

/** `swarm join` ends within 15 s, whatever does not answer: this long to get in, and this long to take it back. */
const JOIN_TIMEOUT_MS = 13_000;
const WITHDRAWAL_TIMEOUT_MS = 2_000;

/**
 * Makes this host a node of a swarm that is there. A manager takes part when this resolves: it votes, and its keys are kept as the swarm wants it. Throws ClusterError
 * `invalid_argument` for an address or token that cannot be, else what kept it out with the step that failed; then nothing is left of it.
 */
export async function joinSwarm(place: SwarmPlace, options: JoinOptions): Promise<NodeParts> {
  const addresses = options.remoteAddresses.map((remote) => formatHostPort(parseHostPort(remote)));
  if (addresses.length === 0) throw new ClusterError("invalid_argument", "at least one remote address is necessary to join a swarm");
  const listen = resolveListenAddress(options.listenAddress, networkInterfaces());
  const chosen = advertiseAddressOf(options, listen);
  const signal = AbortSignal.timeout(JOIN_TIMEOUT_MS);
  return place.orNothing(async () => {
    const { credentials, address } = await certified(place, addresses, options, signal);
    const own = chosen ?? { host: await sourceAddressTo(parseHostPort(address)), port: listen.port };
    const where = { listenAddress: formatHostPort(listen), advertiseAddress: formatHostPort(own) };
    const parts = await place.settle(credentials, { ...where, managers: [{ nodeId: "", address }], member: null });
    try {
      if (parts.node.identity.identity.role === "manager") await takePart(parts.node, signal);
    } catch (cause) {
      if (await withdraw(place, parts.node)) throw cause;
      throw stillCounted(ClusterError.from(cause));
    }
    return parts;
  });
}

/** What is asked for, or the only address of this host. Null when there is no such one: the way to the manager decides, as with docker. Throws as `resolveAdvertiseAddress`. */
function advertiseAddressOf({ advertiseAddress }: JoinOptions, listen: HostPort): HostPort | null {
  try {
    return resolveAdvertiseAddress(advertiseAddress, listen, networkInterfaces());
  } catch (cause) {
    if (advertiseAddress === "" && isClusterError(cause, "invalid_argument")) return null;
    throw cause;
  }
}

/** Asks one manager after the other for a certificate. One that answers has the last word. */
async function certified({ clock }: SwarmPlace, addresses: readonly string[], { joinToken, availability }: JoinOptions, signal: AbortSignal) {
  const failures: ClusterError[] = [];
  for (const address of addresses) {
    try {
      const join = () => joinCluster({ address, clock, signal, token: joinToken, availability });
      return { address, credentials: await named(`cannot join through ${address}`, signal, join) };
    } catch (cause) {
      if (isClusterError(cause, "outcome_unknown")) throw maybeIn(address, cause);
      if (!isClusterError(cause, "unavailable")) throw cause;
      failures.push(cause);
    }
  }
  throw new ClusterError("unavailable", failures.map(messageOf).join("; "), { cause: failures.at(-1) });
}

async function takePart(node: ActiveNode, signal: AbortSignal): Promise<void> {
  await named("this host was let in, but got no place among the managers", signal, () => node.becomeMember(signal));
  await named(
    `this host was let in, but heard nothing of the other managers at ${node.state.advertiseAddress}: is it the address where they reach it`,
    signal,
    () => unlessAborted(signal, node.manager?.ready(signal) ?? Promise.resolve()),
  );
  await named("this manager could not lock its keys as the swarm wants it", signal, () => unlessAborted(signal, node.keysKept()));
}

/** What the others know of a manager whose join failed is taken back as far as they can be reached, however far it got: they may have made a place for it. False when not. */
async function withdraw({ logger }: SwarmPlace, node: ActiveNode): Promise<boolean> {
  await node.stop();
  try {
    await node.withdrawMember(AbortSignal.timeout(WITHDRAWAL_TIMEOUT_MS));
    return true;
  } catch (cause) {
    logger.warn({ err: cause }, "the managers still count this host as one of them: demote and remove it there");
    return false;
  }
}

function stillCounted(cause: ClusterError): ClusterError {
  const rest = "the managers could not be told, and may count this host as one of them: look there for a node without a host name, demote and remove it";
  return new ClusterError(cause.code, `${cause.message}; ${rest}`, { cause, details: cause.details });
}

/** Whoever asks again becomes another node. */
function maybeIn(address: string, cause: ClusterError): ClusterError {
  const rest = "look there for one without a host name, remove it, and join again";
  return new ClusterError("unavailable", `cannot join through ${address}: the managers lost their leader, and may have made a node of this host: ${rest}`, {
    cause,
  });
}

/** Says which step failed, and that time ran out where the signal says so. */
async function named<T>(step: string, signal: AbortSignal, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (signal.aborted) throw new ClusterError("deadline_exceeded", `${step}: no answer within ${JOIN_TIMEOUT_MS / 1000} s`, { cause });
    const { code, details } = ClusterError.from(cause);
    // To those who ask this host, "no leader" is of its own swarm.
    throw new ClusterError(code === "no_leader" ? "unavailable" : code, `${step}: ${messageOf(cause)}`, { cause, details });
  }
}
