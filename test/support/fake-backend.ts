import { Readable } from "node:stream";
import { FakeClock } from "../../src/base/clock.js";
import { ClusterError } from "../../src/base/errors.js";
import { newId } from "../../src/base/ids.js";
import type { Backend, HostDescription, InitOptions, JoinOptions, LocalSwarmState, MemberStatus, RestoreOptions } from "../../src/api/http/backend.js";
import { DEFAULT_CLUSTER_SPEC } from "../../src/model/defaults.js";
import { ManagerChanges } from "../../src/node/manager-changes.js";
import type { Membership } from "../../src/manager/control/membership.js";
import { Control } from "../../src/manager/control/control.js";
import type { Cluster, Node, PortConfig, Service, Task } from "../../src/model/objects.js";
import { createRootCa } from "../../src/pki/root-ca.js";
import { wantedTlsInfo } from "../../src/pki/tls-info.js";
import { Store } from "../../src/store/store.js";
import type { ControlReply, ControlRequest } from "../../src/wire/generated/control.js";
import type { LogBatch, SubscribeLogsRequest } from "../../src/wire/generated/dispatcher.js";
import { FakeImageTransfer } from "./fake-image-transfer.js";
import { Engine } from "../../src/engine/engine.js";
import { silentLogger } from "../../src/base/log.js";
import { FakeHostNetwork } from "./fake-host-network.js";
import { MemoryHealthRecords } from "./memory-health-records.js";
import { FakeRuntime } from "./fake-runtime.js";
import { noSigner } from "./fake-signer.js";
import { MemoryImageStore } from "./memory-image-store.js";
import { MemoryVolumes } from "./memory-volumes.js";
import { MemoryProposer } from "./memory-proposer.js";

const INACTIVE: LocalSwarmState = { state: "inactive", nodeId: "", nodeAddress: "", isManager: false, error: "", remoteManagers: [] };
const ADDRESS = "10.88.0.1";

/**
 * What the HTTP API needs of the daemon, over a real store and the real control: a swarm of one manager whose tasks run as soon
 * as their service is there. Tests change `localState`, `readError` and the rest to see other sides of it.
 */
export class FakeBackend implements Backend {
  readonly clock = new FakeClock();
  readonly store = new Store({ clock: this.clock });
  readonly containers = new FakeRuntime(this.clock);
  readonly network = new FakeHostNetwork();
  readonly volumes = new MemoryVolumes();
  readonly images = new MemoryImageStore();
  readonly engine = new Engine({
    runtime: this.containers,
    network: this.network,
    volumes: this.volumes,
    images: this.images,
    clock: this.clock,
    logger: silentLogger,
    healthRecords: new MemoryHealthRecords(),
  });
  readonly transfer = new FakeImageTransfer();
  readonly proposer = new MemoryProposer(this.store);
  readonly #control = new Control({ store: this.store, clock: this.clock, membership: this.#membership(), signer: noSigner });
  localState: LocalSwarmState = INACTIVE;
  memberList: MemberStatus[] = [];
  /** Thrown by the next reads and writes while it is set. */
  readError: ClusterError | null = null;
  writeError: ClusterError | null = null;
  /** A read that never ends, as without a quorum. */
  isReadStuck = false;
  logBatches: readonly LogBatch[] = [];
  readonly requests: ControlRequest[] = [];
  readonly inits: InitOptions[] = [];
  readonly joins: JoinOptions[] = [];
  readonly rejoins: string[] = [];
  readonly logRequests: SubscribeLogsRequest[] = [];
  readonly rootCa = createRootCa({ nowMs: this.clock.now() });
  joinError: ClusterError | null = null;
  leaveError: ClusterError | null = null;
  unlockError: ClusterError | null = null;
  unlockedWith = "";

  host: HostDescription = {
    id: "host-id",
    hostname: "node-1",
    version: "0.1.0",
    gitCommit: "abc1234",
    kernelVersion: "6.1.0",
    operatingSystem: "Debian GNU/Linux 12",
    osVersion: "12",
    architecture: "x86_64",
    cpuCount: 2,
    memoryBytes: 4 * 2 ** 30,
    dataRoot: "/var/lib/swarmd",
    backingFilesystem: "extfs",
    proxies: { http: "", https: "", none: "" },
    bridge: { name: "sw0", subnet: "172.30.0.0/16", gateway: "172.30.0.1", mtu: 1500 },
    labels: [],
    registries: { mirrors: [], insecure: [] },
    runtimes: { byName: {}, defaultName: "swarm-shim" },
    userRemap: null,
    loggingDriver: "json-file",
    cgroupVersion: "2",
    startedAtMs: 1_700_000_000_000,
  };

  readonly passphrases: string[] = [];
  readonly restores: (Omit<RestoreOptions, "chunks"> & { readonly text: string })[] = [];

  /** By container id. */
  readonly ports = new Map<string, readonly PortConfig[]>();

  publishedPorts(containerId: string): readonly PortConfig[] {
    return this.ports.get(containerId) ?? [];
  }

  readonly changes = new ManagerChanges(() => (this.localState.isManager ? this.#followed : null));
  readonly #followed = { changes: this.store, ready: () => Promise.resolve() };

  readonly swarm: Backend["swarm"] = {
    local: () => this.localState,
    members: () => this.memberList,
    init: (options) => this.#init(options),
    join: async (options) => {
      this.joins.push(options);
      if (this.joinError !== null) throw this.joinError;
      this.localState = { ...INACTIVE, state: "active", nodeId: newId(), nodeAddress: ADDRESS };
    },
    unlock: async (unlockKey) => {
      this.unlockedWith = unlockKey;
      if (this.unlockError !== null) throw this.unlockError;
      this.localState = { ...this.localState, state: "active" };
    },
    rejoin: async (remoteAddress) => {
      this.rejoins.push(remoteAddress);
      if (this.joinError !== null) throw this.joinError;
    },
    leave: async () => {
      if (this.leaveError !== null) throw this.leaveError;
      this.localState = INACTIVE;
    },
    read: async () => {
      if (this.isReadStuck) await new Promise(() => {});
      if (this.readError !== null) throw this.readError;
      return this.store.view;
    },
    backup: async (passphrase) => {
      this.passphrases.push(passphrase);
      return Readable.from([Buffer.from("whole "), Buffer.from("state")]);
    },
    restore: async ({ chunks, ...options }) => {
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      this.restores.push({ ...options, text: Buffer.concat(parts).toString() });
      return "restorednode";
    },
    localView: () => (this.localState.isManager ? this.store.view : undefined),
    changes: this.changes,
    write: (request) => this.#write(request),
    subscribeLogs: (request) => this.#logs(request),
  };

  async metrics(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: "text/plain; version=0.0.4; charset=utf-8", text: "# HELP up\nup 1\n" };
  }

  async #init(options: InitOptions): Promise<string> {
    this.inits.push(options);
    const id = newId();
    const cluster: Cluster = {
      id: newId(),
      meta: null,
      spec: options.spec,
      rootCa: {
        certificate: this.rootCa.certificate,
        key: "the signing key",
        joinTokens: { worker: "SWMTKN-1-root-worker", manager: "SWMTKN-1-root-manager" },
        rotation: null,
        lastForcedRotation: 0,
      },
      defaultAddressPool: ["10.0.0.0/8"],
      subnetSize: 24,
      dataPathPort: 4789,
      removedNodes: {},
      formerIncarnations: [],
      incarnation: newId(),
    };
    await this.store.update((tx) => {
      tx.create("cluster", cluster);
      const node = nodeObject(id, "node-1");
      const description = { ...node.description!, tlsInfo: wantedTlsInfo(cluster.rootCa!) };
      tx.create("node", { ...node, description, role: "manager", spec: { name: "", labels: {}, role: "manager", availability: options.availability } });
    });
    this.localState = {
      state: "active",
      nodeId: id,
      nodeAddress: ADDRESS,
      isManager: true,
      error: "",
      remoteManagers: [{ nodeId: id, address: `${ADDRESS}:2377` }],
    };
    this.changes.look();
    this.memberList = [{ nodeId: id, address: `${ADDRESS}:2377`, isLeader: true, isReachable: true }];
    return id;
  }

  async #write(request: ControlRequest): Promise<ControlReply> {
    this.requests.push(request);
    if (this.writeError !== null) throw this.writeError;
    const reply = await this.#control.execute(request);
    await this.#runTasks();
    return reply;
  }

  /** What the orchestrators, the scheduler and the agents would come to. */
  #runTasks(): Promise<void> {
    return this.store.update((tx) => {
      for (const task of [...tx.tasks.all()]) if (tx.services.get(task.serviceId)?.specVersion !== task.specVersion) tx.remove("task", task.id);
      for (const service of tx.services.all()) {
        if (tx.tasks.byService(service.id).length > 0) continue;
        const replicas = service.spec?.mode?.type === "replicated" ? service.spec.mode.replicated.replicas : 1;
        for (let slot = 1; slot <= replicas; slot++) tx.create("task", runningTask(this.localState.nodeId, service, slot));
      }
    });
  }

  #membership(): Membership {
    const refuse = async () => {
      throw new ClusterError("unimplemented", "the fake has one member only");
    };
    return {
      join: refuse,
      remove: refuse,
      transferLeadership: refuse,
      members: () => this.memberList.map((member) => ({ ...member, raftId: 1, isVoter: true })),
    };
  }

  async *#logs(request: SubscribeLogsRequest): AsyncGenerator<LogBatch> {
    this.logRequests.push(request);
    yield* this.logBatches;
  }
}

/** A backend in a swarm of its own. */
export async function activeBackend(): Promise<FakeBackend> {
  const backend = new FakeBackend();
  await backend.swarm.init({
    listenAddress: "",
    advertiseAddress: "",
    dataPathAddress: "",
    dataPathPort: 0,
    defaultAddressPool: [],
    subnetSize: 0,
    forceNewCluster: false,
    availability: "active",
    spec: DEFAULT_CLUSTER_SPEC,
  });
  return backend;
}

export function nodeObject(id: string, hostname: string): Node {
  return {
    id,
    meta: null,
    spec: { name: "", labels: {}, role: "worker", availability: "active" },
    description: {
      hostname,
      platform: { architecture: "x86_64", os: "linux" },
      resources: { nanoCpus: 2_000_000_000n, memoryBytes: 4_294_967_296n, generic: [] },
      engine: { engineVersion: "0.1.0", labels: { disk: "ssd" }, plugins: [{ type: "Log", name: "json-file" }] },
      tlsInfo: null,
    },
    status: { state: "ready", message: "", address: ADDRESS },
    role: "worker",
    publicKeyDigest: "",
    certificateExpiresAtMs: 0,
  };
}

function runningTask(nodeId: string, service: Service, slot: number): Task {
  const id = newId();
  const spec = service.spec!;
  return {
    id,
    meta: null,
    name: `${spec.name}.${slot}.${id}`,
    labels: {},
    serviceId: service.id,
    serviceName: spec.name,
    serviceLabels: spec.labels,
    slot,
    nodeId,
    spec: spec.task,
    specVersion: service.specVersion,
    status: {
      state: "running",
      timestampMs: 1_700_000_000_000,
      message: "started",
      error: "",
      container: { containerId: "c".repeat(64), pid: 7, exitCode: 0 },
      ports: [],
      appliedBy: "",
      appliedAtMs: 0,
    },
    desiredState: "running",
    endpoint: { spec: spec.endpoint, ports: [], virtualIps: [] },
    networks: [],
    assignedGenericResources: [],
    jobIteration: 0,
  };
}
