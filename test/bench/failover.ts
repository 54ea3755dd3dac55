import { HttpLane, httpRequest, type LaneAnswer } from "./http-lane.js";
import { type BenchLab, etcdLab, median, ourLab } from "./lab-command.js";
import type { BenchOptions, Figure } from "./main.js";
import { etcdPut, MEMBERS, nextSpec, socketsOf } from "./targets.js";
import { until } from "../support/until.js";

const KILLS = 9;
/** While there is no leader, the client begins another attempt after this long, without giving up those before. */
const ATTEMPT_MS = 50;
const PATIENCE_S = 60;

/** What a client says to one kind of cluster. */
interface Dialect {
  readonly name: string;
  write(): string;
  readonly statusRequest: string;
  /** Whether the member that gave this answer to `statusRequest` leads. */
  isLeader(body: string): boolean;
  /** What a member is asked for the others, and whether its answer says that it is connected to all of them. */
  readonly peersRequest: string;
  isConnected(body: string): boolean;
}

interface DockerNode {
  readonly ManagerStatus?: { readonly Reachability: string };
}

const OURS: Dialect = {
  name: "swarmd",
  write: () => httpRequest("POST", "/services/create", nextSpec().text),
  statusRequest: httpRequest("GET", "/metrics"),
  isLeader: (body) => /^swarm_raft_leader 1$/m.test(body),
  peersRequest: httpRequest("GET", "/nodes"),
  isConnected: (body) => (JSON.parse(body) as readonly DockerNode[]).every(({ ManagerStatus }) => ManagerStatus?.Reachability === "reachable"),
};

const ETCD: Dialect = {
  name: "etcd",
  write: etcdPut,
  statusRequest: httpRequest("POST", "/v3/maintenance/status", "{}"),
  isLeader(body) {
    const { leader, header } = JSON.parse(body) as { readonly leader?: string; readonly header: { readonly member_id: string } };
    return leader === header.member_id;
  },
  // It does not say, and needs no connection to notice that a leader is gone.
  peersRequest: httpRequest("POST", "/v3/maintenance/status", "{}"),
  isConnected: () => true,
};

/** From the loss of the leader to the next accepted write, as a client of another member sees it; timings are the defaults of both. */
export async function benchFailover({ runs, say }: BenchOptions): Promise<readonly Figure[]> {
  const ours = await series(ourLab(), OURS, runs, say);
  const peerLab = etcdLab();
  const peer = peerLab === null ? null : await series(peerLab, ETCD, runs, say);
  const row = (name: string, target: number, pick: (times: FailoverTimes) => readonly number[]): Figure => ({
    name,
    unit: "s",
    ours: median(pick(ours)),
    target,
    ...(peer === null ? {} : { peer: median(pick(peer)), peerName: "etcd" }),
  });
  return [
    row(`kill -9 of the leader to the next accepted write, median of ${KILLS}`, 0.5, ({ kills }) => kills),
    row(`link of the leader cut to the next accepted write, median of ${runs}`, 2.5, ({ cuts }) => cuts),
  ];
}

interface FailoverTimes {
  readonly kills: readonly number[];
  readonly cuts: readonly number[];
}

async function series(lab: BenchLab, dialect: Dialect, cuts: number, say: (line: string) => void): Promise<FailoverTimes> {
  const times = { kills: [] as number[], cuts: [] as number[] };
  try {
    await lab.verb("up", "--managers", String(MEMBERS), "--workers", "0");
    const group = new Group(dialect, await socketsOf(lab));
    for (let count = 0; count < KILLS; count++) {
      const leader = await group.whole();
      const pid = Number(await lab.verb("pid", String(leader)));
      times.kills.push(await group.timeToWrite(leader, async () => void process.kill(pid, "SIGKILL")));
      await lab.verb("start", String(leader));
    }
    for (let count = 0; count < cuts; count++) {
      const leader = await group.whole();
      times.cuts.push(await group.timeToWrite(leader, () => lab.verb("cut", String(leader))));
      await lab.verb("heal", String(leader));
    }
    for (const [kind, values] of Object.entries(times)) say(`${dialect.name}, ${kind}: ${values.map((value) => value.toFixed(2)).join(" ")} s`);
    return times;
  } finally {
    await lab.verb("down");
  }
}

/** The members as their clients see them. */
class Group {
  readonly #dialect: Dialect;
  readonly #sockets: readonly string[];

  constructor(dialect: Dialect, sockets: readonly string[]) {
    this.#dialect = dialect;
    this.#sockets = sockets;
  }

  /** Resolves with the number of the leader once one leads, and every member takes a write and is connected to the others. */
  whole(): Promise<number> {
    return until(
      "every member takes writes and is connected to the others",
      async () => {
        for (const socket of this.#sockets) {
          const peers = await ask(socket, this.#dialect.peersRequest);
          if (peers?.status !== 200 || !this.#dialect.isConnected(peers.body) || !(await this.#isAccepted(socket))) return false;
        }
        for (const [index, socket] of this.#sockets.entries()) {
          const answer = await ask(socket, this.#dialect.statusRequest);
          if (answer?.status === 200 && this.#dialect.isLeader(answer.body)) return index + 1;
        }
        return false;
      },
      PATIENCE_S,
    );
  }

  /** Seconds from when `strike` hits the leader to the first write that another member accepts. */
  async timeToWrite(leader: number, strike: () => Promise<unknown>): Promise<number> {
    const socket = this.#sockets[leader % MEMBERS] ?? "";
    await strike();
    const started = performance.now();
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearInterval(timer);
        clearTimeout(patience);
        settle();
      };
      const attempt = () => void this.#isAccepted(socket).then((isAccepted) => isAccepted && end(resolve));
      const timer = setInterval(attempt, ATTEMPT_MS);
      const patience = setTimeout(() => end(() => reject(new Error(`${this.#dialect.name} took no write for ${PATIENCE_S} s`))), PATIENCE_S * 1000);
      attempt();
    });
    return (performance.now() - started) / 1000;
  }

  async #isAccepted(socket: string): Promise<boolean> {
    const answer = await ask(socket, this.#dialect.write());
    return answer !== null && answer.status < 300;
  }
}

/** One request on a connection of its own; null when there was no answer. */
async function ask(socket: string, request: string): Promise<LaneAnswer | null> {
  using lane = new HttpLane(socket);
  try {
    return await lane.request(request);
  } catch {
    // Refused or broken: what a member that is down, or has no leader, comes to.
    return null;
  }
}
