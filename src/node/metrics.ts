import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { TASK_STATES } from "../model/task-state.js";
import type { StoreView } from "../store/view.js";
import type { CertificateLife } from "./certificate-lives.js";
import { measureEventLoopLag, NEVER_MS } from "./event-loop-lag.js";

/** What the metrics are taken from at the moment of a scrape. */
export interface MetricsSource {
  raft(): { readonly term: number; readonly commit: number; readonly applied: number; readonly isLeader: boolean; readonly members: number } | null;
  /** The local store; undefined on a node that is no manager. */
  store(): StoreView | undefined;
  containers(): { readonly running: number; readonly total: number };
  /** What this node's place in the swarm depends on; none outside of a swarm. */
  certificates(): readonly CertificateLife[];
  /** Milliseconds since the epoch. */
  now(): number;
}

const DAY_MS = 86_400_000;
/** The last part of its life in which a node's certificate should have been renewed (pki/renewal.ts). */
const LATE_PART = 0.2;
const NODE_STATES = ["unknown", "down", "ready", "disconnected"] as const;

/** Prometheus metrics of the daemon. Read when scraped, so that they cost nothing in between. */
export class Metrics {
  readonly #registry = new Registry();

  constructor(source: MetricsSource) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: NEVER_MS });
    measureEventLoopLag(this.#registry);
    const raftGauge = (name: string, help: string, read: (raft: NonNullable<ReturnType<MetricsSource["raft"]>>) => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          const raft = source.raft();
          if (raft === null) this.remove();
          else this.set(read(raft));
        },
      });
    raftGauge("swarm_raft_term", "Raft term of this member.", (raft) => raft.term);
    raftGauge("swarm_raft_leader", "1 when this member leads the cluster.", (raft) => (raft.isLeader ? 1 : 0));
    raftGauge("swarm_raft_commit_index", "Index of the last committed log entry known here.", (raft) => raft.commit);
    raftGauge("swarm_raft_applied_index", "Index of the last log entry applied to the store.", (raft) => raft.applied);
    raftGauge("swarm_raft_members", "Members of the raft group.", (raft) => raft.members);
    countGauge(registers, "swarm_nodes", "Nodes of the swarm by state.", NODE_STATES, () =>
      statesOf(source.store()?.nodes.all(), (node) => node.status?.state ?? "unknown"),
    );
    countGauge(registers, "swarm_tasks", "Tasks of the swarm by observed state.", TASK_STATES, () =>
      statesOf(source.store()?.tasks.all(), (task) => task.status?.state ?? "new"),
    );
    countGauge(registers, "swarm_containers", "Containers of this node by state.", ["running", "stopped"], () => {
      const { running, total } = source.containers();
      return [...Array<string>(running).fill("running"), ...Array<string>(total - running).fill("stopped")];
    });
    const certificateGauge = (name: string, help: string, read: (life: CertificateLife) => number) =>
      new Gauge({
        name,
        help,
        labelNames: ["certificate"],
        registers,
        collect() {
          this.reset();
          for (const life of source.certificates()) this.set({ certificate: life.certificate }, read(life));
        },
      });
    certificateGauge(
      "swarm_certificate_expiry_seconds",
      "Seconds until this node's certificate, or the root that it trusts, expires; negative after that.",
      (life) => Math.round((life.expiresAtMs - source.now()) / 1_000),
    );
    certificateGauge(
      "swarm_certificate_expiry_warning",
      "1 when a certificate should have been replaced: in the last 30 days of its life, or the last fifth where that is less.",
      (life) => (life.expiresAtMs - source.now() < Math.min(30 * DAY_MS, (life.expiresAtMs - life.notBeforeMs) * LATE_PART) ? 1 : 0),
    );
  }

  async render(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}

/** Undefined on a node that does not know. */
function statesOf<T>(objects: Iterable<T> | undefined, stateOf: (object: T) => string): readonly string[] | undefined {
  return objects === undefined ? undefined : [...objects].map(stateOf);
}

function countGauge(registers: Registry[], name: string, help: string, states: readonly string[], observe: () => readonly string[] | undefined): void {
  new Gauge({
    name,
    help,
    labelNames: ["state"],
    registers,
    collect() {
      const observed = observe();
      this.reset();
      // No figure at all, where zero would say that there are none.
      if (observed === undefined) return;
      const counts = new Map(states.map((state) => [state, 0]));
      for (const state of observed) counts.set(state, (counts.get(state) ?? 0) + 1);
      for (const [state, count] of counts) this.set({ state }, count);
    },
  });
}
