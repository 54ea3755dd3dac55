import { integerBetween, type Random } from "../../src/base/random.js";
import { type Answer, bodyOf, call } from "./api.js";
import { Ledger } from "./ledger.js";

const LABEL = "soak";
/** After this a call is given up and the next goes through another manager; a manager that is cut off would refuse it after five seconds. */
const READ_MS = 1_000;
const WRITE_MS = 2_000;
const BETWEEN_MS = 5;

interface ServiceObject {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Labels?: Readonly<Record<string, string>> };
}

/** How one attempt ended. `unread` ones never got as far as a write. */
export type Outcome = "acknowledged" | "conflict" | "refused" | "unknown" | "unread";

/** One attempt, as the evidence shows it. */
export interface Attempt {
  readonly at: string;
  readonly manager: number;
  readonly service: string;
  readonly value: number;
  readonly outcome: Outcome;
  readonly reason?: string;
}

/** Writes a number that is used once into a label of a random service through a random manager, one attempt after the other, until it is stopped. */
export class Writer {
  readonly counts: Record<Outcome, number> = { acknowledged: 0, conflict: 0, refused: 0, unknown: 0, unread: 0 };
  readonly reasons = new Map<string, number>();
  readonly violations: string[] = [];
  readonly #sockets: readonly string[];
  readonly #random: Random;
  readonly #record: (attempt: Attempt) => void;
  readonly #ledgers = new Map<string, Ledger>();
  #counter = 0;
  /** Number of the manager that did not answer last; the next attempt goes through another. */
  #silent = 0;
  #acceptedAt = performance.now();
  #longestMs = 0;

  constructor(sockets: readonly string[], random: Random, record: (attempt: Attempt) => void) {
    this.#sockets = sockets;
    this.#random = random;
    this.#record = record;
  }

  /** Makes the services; there must be a leader. */
  async prepare(services: number): Promise<void> {
    for (let number = 1; number <= services; number++) {
      const spec = {
        Name: `soak-${number}`,
        Labels: { [LABEL]: "0" },
        TaskTemplate: { ContainerSpec: { Image: "none:none" } },
        Mode: { Replicated: { Replicas: 0 } },
      };
      const { ID } = bodyOf<{ readonly ID: string }>(
        await call(this.#sockets[0] ?? "", "POST", "/services/create", { timeoutMs: 10_000, body: spec }),
        spec.Name,
      );
      this.#ledgers.set(ID, new Ledger(0));
    }
    this.#acceptedAt = performance.now();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#attempt();
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
    }
  }

  /** Longest time without an accepted write since the last call of this, in ms, the one that still lasts included. */
  takeLongestMs(): number {
    const longest = Math.max(this.#longestMs, performance.now() - this.#acceptedAt);
    this.#longestMs = 0;
    return longest;
  }

  /** Compares what a manager shows with what may be there; the sentences say what is wrong. */
  judge(services: readonly ServiceObject[]): readonly string[] {
    return [...this.#ledgers].flatMap(([id, ledger]) => {
      const service = services.find((candidate) => candidate.ID === id);
      const wrong = service === undefined ? "the service is missing" : ledger.observed(numberIn(service));
      return wrong === null ? [] : [`service ${id}: ${wrong}`];
    });
  }

  async #attempt(): Promise<void> {
    const ids = [...this.#ledgers.keys()];
    const id = ids[integerBetween(this.#random, 0, ids.length - 1)] ?? "";
    const candidates = this.#sockets.map((_, index) => index + 1).filter((number) => number !== this.#silent);
    const manager = candidates[integerBetween(this.#random, 0, candidates.length - 1)] ?? 0;
    const socket = this.#sockets[manager - 1] ?? "";
    const ledger = this.#ledgers.get(id);
    if (ledger === undefined) throw new Error("there are no services to write to");
    const value = ++this.#counter;
    const finish = (outcome: Outcome, reason?: string) => {
      this.#silent = outcome === "acknowledged" || outcome === "conflict" ? 0 : manager;
      this.counts[outcome]++;
      if (reason !== undefined) this.reasons.set(`${outcome}: ${reason}`, (this.reasons.get(`${outcome}: ${reason}`) ?? 0) + 1);
      this.#record({ at: new Date().toISOString(), manager, service: id, value, outcome, ...(reason === undefined ? {} : { reason }) });
    };

    const read = await call(socket, "GET", `/services/${id}`, { timeoutMs: READ_MS });
    if (read.type !== "answered" || read.status !== 200) {
      if (read.type === "answered" && read.status === 404) this.violations.push(`manager ${manager} does not know service ${id}`);
      finish("unread", reasonOf(read));
      return;
    }
    const service = JSON.parse(read.text) as ServiceObject;
    const wrong = ledger.observed(numberIn(service));
    if (wrong !== null) this.violations.push(`manager ${manager}, service ${id}, before write ${value}: ${wrong}`);

    const body = { ...service.Spec, Labels: { ...service.Spec.Labels, [LABEL]: String(value) } };
    const answer = await call(socket, "POST", `/services/${id}/update?version=${service.Version.Index}`, { timeoutMs: WRITE_MS, body });
    const outcome = outcomeOf(answer);
    if (outcome === "acknowledged") {
      ledger.acknowledged(value);
      this.#accepted();
      finish(outcome);
      return;
    }
    if (outcome === "unknown") ledger.unknown(value);
    finish(outcome, reasonOf(answer));
  }

  #accepted(): void {
    const now = performance.now();
    this.#longestMs = Math.max(this.#longestMs, now - this.#acceptedAt);
    this.#acceptedAt = now;
  }
}

function numberIn(service: ServiceObject): number {
  return Number(service.Spec.Labels?.[LABEL]);
}

/** Only an answer that says that nothing was proposed is a refusal; every doubt is an unknown outcome. */
function outcomeOf(answer: Answer): Outcome {
  if (answer.type !== "answered") return answer.type === "not_sent" ? "refused" : "unknown";
  if (answer.status === 200) return "acknowledged";
  if (answer.text.includes("update out of sequence")) return "conflict";
  return answer.status === 503 && answer.text.includes("does not have a leader") ? "refused" : "unknown";
}

function reasonOf(answer: Answer): string {
  return answer.type === "answered" ? `${answer.status} ${answer.text.trim()}` : answer.reason.replace(/\/\S+\/(\d+)\/swarmd\.sock/, "node $1");
}
