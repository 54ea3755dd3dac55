import type { HostPort } from "../../model/host-port.js";
import type { ClusterSpec, NodeAvailability } from "../../model/objects.js";
import type { Engine } from "../../engine/engine.js";
import type { ContainerRuntime } from "../../runtime/container-runtime.js";
import type { OciRuntimes } from "../../runtime/oci/oci-runtimes.js";
import type { UserRemap } from "../../runtime/user-remap.js";
import type { ImageStore } from "../../runtime/image-store.js";
import type { Store } from "../../store/store.js";
import type { ImageTransfer } from "../../runtime/image-transfer.js";
import type { StoreView } from "../../store/view.js";
import type { VolumeStore } from "../../volumes/volume-store.js";
import type { ControlReply, ControlRequest } from "../../wire/generated/control.js";
import type { LogBatch, SubscribeLogsRequest } from "../../wire/generated/dispatcher.js";

/** What the HTTP API needs of the daemon. Implemented by node/; a fake of it lets every route be tested without a cluster. */
export interface Backend {
  readonly swarm: SwarmBackend;
  readonly containers: ContainerRuntime;
  readonly engine: Engine;
  readonly volumes: VolumeStore;
  readonly images: ImageStore;
  readonly transfer: ImageTransfer;
  readonly host: HostDescription;
  /** The ports of this host that lead to the container now. */
  publishedPorts(containerId: string): readonly HostPort[];
  /** Prometheus text and its content type. Never waits for a quorum. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface HostDescription {
  readonly id: string;
  readonly hostname: string;
  readonly version: string;
  readonly gitCommit: string;
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  /** VERSION_ID of os-release; empty where there is none. */
  readonly osVersion: string;
  readonly architecture: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly dataRoot: string;
  /** Of the data root, as Docker names kinds of file systems; empty for an unknown one. */
  readonly backingFilesystem: string;
  /** What the daemon goes through to registries, without passwords. */
  readonly proxies: { readonly http: string; readonly https: string; readonly none: string };
  readonly bridge: BridgeDescription;
  readonly labels: readonly string[];
  readonly registries: { readonly mirrors: readonly string[]; readonly insecure: readonly string[] };
  readonly runtimes: OciRuntimes;
  /** Null where containers are in the host's user namespace. */
  readonly userRemap: UserRemap | null;
  readonly cgroupVersion: "1" | "2";
  /** Of containers that name none. */
  readonly loggingDriver: string;
  readonly startedAtMs: number;
}

/** The network that containers get when they ask for none. */
export interface BridgeDescription {
  /** Of the link on this host. */
  readonly name: string;
  /** CIDR. */
  readonly subnet: string;
  readonly gateway: string;
  readonly mtu: number;
}

export interface SwarmBackend {
  /** This node's own view; never waits for a quorum. */
  local(): LocalSwarmState;
  /** Resolves with the node id. Throws `unavailable` when already part of a swarm, `invalid_argument` for bad input. */
  init(options: InitOptions): Promise<string>;
  /** Ends within 15 s; when it fails nothing is left of it. */
  join(options: JoinOptions): Promise<void>;
  /**
   * Tells this node where a manager of its swarm (host[:port]) is now, when it finds none by itself. Throws `unavailable` outside of a swarm and when no manager of this swarm answers
   * there, `invalid_argument` for what is no address or this node's own.
   */
  rejoin(remoteAddress: string): Promise<void>;
  leave(options: { readonly force: boolean }): Promise<void>;
  /**
   * Lets a manager that is locked take part again. Throws `invalid_argument` for what is no unlock key, `unauthenticated` for another one (nothing changes then),
   * `conflict` when it is not locked.
   */
  unlock(unlockKey: string): Promise<void>;
  /**
   * The state of the cluster, as of a moment after the call, as the bytes of one encrypted file. Throws like `read`, and `invalid_argument` for an empty passphrase.
   */
  backup(passphrase: string): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Makes this host the only manager of the cluster that was backed up. Resolves with the id of the node that it becomes. Throws `unavailable` when already
   * part of a swarm, `invalid_argument` when file and passphrase do not fit; then nothing is left of it.
   */
  restore(options: RestoreOptions): Promise<string>;
  /**
   * A linearizable view: it shows every write that was acknowledged before the call. Use it synchronously: it moves on at the next await.
   * Throws `unavailable` when this node is not a manager, `no_leader` after 5 s without a leader.
   */
  read(): Promise<StoreView>;
  /** This manager's own copy of the cluster's state, which may lag behind; undefined when this node is not a manager. Never waits. */
  localView(): StoreView | undefined;
  /**
   * Changes of the cluster's state as this host's manager applies them, past ones and new ones: none while it is not a manager. Whoever follows them hears also of what
   * swarm it is part of later. Never waits.
   */
  readonly changes: Pick<Store, "past" | "follow">;
  /** Carries out a write on the leader, wherever it is. Throws what the leader threw; `no_leader` and `outcome_unknown` as base/errors says. */
  write(request: ControlRequest): Promise<ControlReply>;
  /** Members of the raft group as this manager sees them; empty on a worker. */
  members(): readonly MemberStatus[];
  subscribeLogs(request: SubscribeLogsRequest, signal: AbortSignal): AsyncIterable<LogBatch>;
}

export interface MemberStatus {
  readonly nodeId: string;
  /** host:port. */
  readonly address: string;
  readonly isLeader: boolean;
  readonly isReachable: boolean;
}

export interface LocalSwarmState {
  readonly state: "inactive" | "pending" | "active" | "error" | "locked";
  /** Empty when inactive. */
  readonly nodeId: string;
  readonly nodeAddress: string;
  readonly isManager: boolean;
  readonly error: string;
  readonly remoteManagers: readonly { readonly nodeId: string; readonly address: string }[];
}

export interface InitOptions {
  /** `ip|interface[:port]`; empty is the default. */
  readonly listenAddress: string;
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  readonly dataPathPort: number;
  readonly defaultAddressPool: readonly string[];
  readonly subnetSize: number;
  readonly forceNewCluster: boolean;
  readonly availability: NodeAvailability;
  readonly spec: ClusterSpec;
  /** The root to begin with and its key, PEM. Default: a new one. */
  readonly signingCa?: { readonly certificate: string; readonly key: string };
}

export interface RestoreOptions {
  readonly listenAddress: string;
  readonly advertiseAddress: string;
  readonly passphrase: string;
  /** PEM, of the root that the backup has no key of; "" otherwise. */
  readonly signingKey: string;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface JoinOptions {
  readonly listenAddress: string;
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  readonly remoteAddresses: readonly string[];
  readonly joinToken: string;
  readonly availability: NodeAvailability;
}
