import { createHash } from "node:crypto";
import { messageOf } from "../../src/base/errors.js";
import { bodyOf, call } from "./api.js";

const PATIENCE_MS = 60_000;
const POLL_MS = 20;
const CALL_MS = 3_000;

interface Listed {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: unknown;
}

/** What one manager shows of the state that all share. */
export interface View {
  readonly services: readonly (Listed & { readonly Spec: { readonly Labels?: Readonly<Record<string, string>> } })[];
  readonly digest: string;
}

/** Reads the shared state through one manager; rejects when it does not answer. */
export async function viewThrough(socket: string): Promise<View> {
  const list = async <T extends Listed>(path: string) => bodyOf<readonly T[]>(await call(socket, "GET", path, { timeoutMs: CALL_MS }), `${path} at ${socket}`);
  const services = await list<View["services"][number]>("/services");
  const nodes = await list("/nodes");
  const plain = [services, nodes].map((objects) => objects.map(({ ID, Version, Spec }) => JSON.stringify([ID, Version.Index, sorted(Spec)])).toSorted());
  return { services, digest: createHash("sha256").update(JSON.stringify(plain)).digest("hex").slice(0, 16) };
}

/** A member's place in the log, from its metrics; rejects when it does not answer. */
export async function memberAt(socket: string): Promise<{ readonly applied: number; readonly isLeader: boolean }> {
  const answer = await call(socket, "GET", "/metrics", { timeoutMs: CALL_MS });
  if (answer.type !== "answered" || answer.status !== 200)
    throw new Error(`/metrics at ${socket}: ${answer.type === "answered" ? answer.status : answer.reason}`);
  const gauge = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(answer.text)?.[1] ?? Number.NaN);
  return { applied: gauge("swarm_raft_applied_index"), isLeader: gauge("swarm_raft_leader") === 1 };
}

/** Waits until every manager answers a read of the shared state, which takes a leader that it can reach. Rejects after a minute. */
export async function allAnswer(sockets: readonly string[], signal: AbortSignal): Promise<void> {
  await Promise.all(
    sockets.map((socket, index) => until(`manager ${index + 1} does not answer reads`, signal, async () => (await viewThrough(socket)) !== null)),
  );
}

/** Waits until all members have applied the same entries. Rejects after a minute. */
export async function appliedConverges(sockets: readonly string[], signal: AbortSignal): Promise<number> {
  let applied = Number.NaN;
  await until("the applied indexes do not converge", signal, async () => {
    const members = await Promise.all(sockets.map(memberAt));
    applied = members[0]?.applied ?? Number.NaN;
    return members.every((member) => member.applied === applied);
  });
  return applied;
}

async function until(what: string, signal: AbortSignal, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  let last = "";
  for (;;) {
    signal.throwIfAborted();
    try {
      if (await condition()) return;
    } catch (cause) {
      last = messageOf(cause);
    }
    if (performance.now() > deadline) throw new Error(`gave up after ${PATIENCE_MS / 1000} s: ${what}${last === "" ? "" : ` (${last})`}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The same value with the keys of its objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sorted(part)]),
  );
}
