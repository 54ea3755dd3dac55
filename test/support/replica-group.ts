import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../../src/base/clock.js";
import { silentLogger } from "../../src/base/log.js";
import { systemRandom } from "../../src/base/random.js";
import { DEFAULT_CLUSTER_SPEC, DEFAULT_RAFT_CONFIG } from "../../src/model/defaults.js";
import type { RaftConfig, Secret } from "../../src/model/objects.js";
import type { RecordCodec } from "../../src/replica/record-codec.js";
import { Replica } from "../../src/replica/replica.js";
import type { TailOpener } from "../../src/replica/tail-file.js";
import { Store } from "../../src/store/store.js";
import { testCluster } from "./cluster-object.js";
import { MemoryNetwork } from "./memory-network.js";
import { recordsOf } from "./records.js";

/** Ten times as fast as the real one, so that elections take 100 to 200 ms. */
const fastClock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() * 10,
  after: (delayMs, call) => systemClock.after(delayMs / 10, call),
  sleep: (delayMs, signal) => systemClock.sleep(delayMs / 10, signal),
};

/** One member: a store and a replica over real files. */
export class Host {
  readonly name: string;
  readonly directory: string;
  readonly address: string;
  readonly #network: MemoryNetwork;
  readonly #stop = new AbortController();
  readonly #clock: Clock;
  readonly store: Store;
  replica!: Replica;
  running: Promise<void> = Promise.resolve();

  constructor(network: MemoryNetwork, name: string, root: string, clock: Clock = fastClock) {
    this.#network = network;
    this.#clock = clock;
    this.store = new Store({ clock });
    this.name = name;
    this.address = `${name}:2377`;
    this.directory = join(root, name);
  }

  async open({ openTail, codec = recordsOf(this.name) }: { readonly openTail?: TailOpener | undefined; readonly codec?: RecordCodec } = {}): Promise<this> {
    this.replica = await Replica.open({
      dataDir: this.directory,
      codec,
      clock: this.#clock,
      random: systemRandom,
      logger: silentLogger,
      store: this.store,
      transport: this.#network.transport(this.address),
      ...(openTail === undefined ? {} : { openTail }),
    });
    return this;
  }

  run(): this {
    this.#network.attach(this.address, this.replica);
    this.running = this.replica.run(this.#stop.signal);
    this.running.catch(() => undefined);
    return this;
  }

  /** Stops it as a shutdown does. What is on disk stays. */
  async stop(): Promise<void> {
    this.#network.detach(this.address);
    this.#stop.abort();
    await Promise.allSettled([this.running]);
    await this.replica[Symbol.asyncDispose]();
  }

  get isLeader(): boolean {
    return this.replica.leadership.isLeader;
  }

  write(id: string, name = id): Promise<void> {
    return this.store.update((tx) => {
      const object: Secret = { id, meta: null, spec: { name, labels: {}, data: new Uint8Array(0), driver: null, templating: null } };
      if (tx.secrets.get(id) === undefined) tx.create("secret", object, { isClientWrite: true });
      else tx.update("secret", object, { isClientWrite: true });
    });
  }

  has(id: string): boolean {
    return this.store.view.secrets.get(id) !== undefined;
  }
}

/** A group of members in one process, with a folder of their own that goes away with `dispose`. */
export class ReplicaGroup implements AsyncDisposable {
  readonly network = new MemoryNetwork();
  readonly hosts = new Map<string, Host>();
  readonly root: string;
  readonly #clock: Clock;

  private constructor(root: string, clock: Clock) {
    this.root = root;
    this.#clock = clock;
  }

  static async create(clock = fastClock): Promise<ReplicaGroup> {
    return new ReplicaGroup(await mkdtemp(join(tmpdir(), "store-group-")), clock);
  }

  /** A group of running members, the first of which founded it. */
  static of(...names: string[]): Promise<ReplicaGroup> {
    return ReplicaGroup.#of(names, fastClock);
  }

  /** The same for what happens within some tens of milliseconds: at ten times that speed, a busy machine would decide how it ends. */
  static inRealTime(...names: string[]): Promise<ReplicaGroup> {
    return ReplicaGroup.#of(names, systemClock);
  }

  static async #of(names: readonly string[], clock: Clock): Promise<ReplicaGroup> {
    const group = await ReplicaGroup.create(clock);
    const [first, ...others] = names;
    await group.found(first ?? "a");
    for (const name of others) await group.join(name);
    // Every member must know that it may vote: until then, the loss of one may still be the loss of the quorum.
    const knowsAll = (host: Host) => host.replica.members().filter((member) => member.isVoter).length === names.length;
    await until(() => [...group.hosts.values()].every(knowsAll));
    return group;
  }

  host(name: string): Host {
    const host = this.hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  async found(name: string, raft?: Partial<RaftConfig>, codec?: RecordCodec): Promise<Host> {
    const host = await this.#new(name).open(codec === undefined ? {} : { codec });
    await host.replica.bootstrap({ nodeId: name, address: host.address });
    host.run();
    await until(() => host.isLeader);
    if (raft !== undefined) await setRaftConfig(host, raft);
    return host;
  }

  async join(name: string): Promise<Host> {
    const host = await this.#new(name).open();
    const leader = await this.awaitLeader();
    await host.replica.adopt(await leader.replica.join(name, host.address));
    return host.run();
  }

  /** Opens a host that was stopped, from what is on its disk. */
  async restart(name: string, openTail?: TailOpener, codec?: RecordCodec): Promise<Host> {
    const host = await this.#new(name).open({ openTail, ...(codec === undefined ? {} : { codec }) });
    return host.run();
  }

  leader(): Host | undefined {
    return [...this.hosts.values()].find((host) => host.isLeader);
  }

  async awaitLeader(except?: Host): Promise<Host> {
    const find = () => [...this.hosts.values()].find((host) => host !== except && host.isLeader);
    await until(() => find() !== undefined);
    return find() as Host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.hosts.values()].map((host) => host.stop()));
    await rm(this.root, { recursive: true, force: true });
  }

  #new(name: string): Host {
    const host = new Host(this.network, name, this.root, this.#clock);
    this.hosts.set(name, host);
    return host;
  }
}

/** Makes the cluster object, with these parts of its raft configuration other than by default. */
export async function setRaftConfig(host: Host, raft: Partial<RaftConfig>): Promise<void> {
  const spec = { ...DEFAULT_CLUSTER_SPEC, raft: { ...DEFAULT_RAFT_CONFIG, ...raft } };
  await host.store.update((tx) => tx.create("cluster", testCluster({ id: "cluster", spec })) as undefined);
}

/** Waits for a condition, looking each turn of the event loop; the test's own time limit ends it. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Names of the members that vote, as this one sees it. */
export function voters(host: Host): readonly string[] {
  return host.replica
    .members()
    .filter((member) => member.isVoter)
    .map((member) => member.nodeId)
    .sort();
}
