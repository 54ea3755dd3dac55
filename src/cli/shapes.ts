import type { HealthJson } from "./health-flags.js";
/** The parts of the API's answers that commands read. */

export interface SwarmInfo {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: Readonly<Record<string, unknown>>;
  readonly TLSInfo: TlsInfoJson;
  readonly RootRotationInProgress: boolean;
  readonly JoinTokens: { readonly Worker: string; readonly Manager: string };
}

/** What a node trusts and who certified it, or what the swarm wants of it; PEM and base64. */
export interface TlsInfoJson {
  readonly TrustRoot?: string;
  readonly CertIssuerSubject?: string;
  readonly CertIssuerPublicKey?: string;
}

export interface NodeInfo {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly CreatedAt: string;
  readonly Spec: { readonly Name?: string; readonly Labels: Readonly<Record<string, string>> | null; readonly Role: string; readonly Availability: string };
  readonly Description: {
    readonly Hostname: string;
    readonly Platform?: { readonly Architecture: string; readonly OS: string };
    readonly Resources?: { readonly NanoCPUs?: number | bigint; readonly MemoryBytes?: number | bigint };
    readonly Engine: {
      /** Not of a node that was never connected. */
      readonly EngineVersion?: string;
      readonly Labels?: Readonly<Record<string, string>> | null;
      readonly Plugins?: readonly { readonly Type: string; readonly Name: string }[] | null;
    };
    readonly TLSInfo?: TlsInfoJson;
  };
  readonly Status: { readonly State: string; readonly Addr: string; readonly Message?: string };
  readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string; readonly Addr: string };
}

export interface ServiceSpecJson {
  Name: string;
  Labels: Record<string, string>;
  TaskTemplate: TaskSpecJson;
  Mode: { Replicated?: { Replicas: number }; Global?: object };
  UpdateConfig?: UpdateConfigJson;
  RollbackConfig?: UpdateConfigJson;
  EndpointSpec?: { Mode?: string; Ports?: PortJson[] };
}

export interface TaskSpecJson {
  ContainerSpec: ContainerSpecJson;
  Resources?: { Limits?: LimitsJson; Reservations?: LimitsJson; SwapBytes?: number | bigint; MemorySwappiness?: number };
  RestartPolicy?: { Condition?: string; Delay?: bigint; MaxAttempts?: number; Window?: bigint };
  Placement?: {
    Constraints?: string[];
    Preferences?: { Spread: { SpreadDescriptor: string } }[];
    MaxReplicas?: number;
    Platforms?: { Architecture: string; OS: string }[];
  };
  Networks?: { Target: string }[];
  LogDriver?: { Name: string; Options?: Record<string, string> };
  ForceUpdate?: number;
}

export interface LimitsJson {
  NanoCPUs?: bigint;
  MemoryBytes?: bigint;
  Pids?: number;
}

export interface ContainerSpecJson {
  Image: string;
  Labels?: Record<string, string>;
  Command?: string[];
  Args?: string[];
  Hostname?: string;
  Env?: string[];
  Dir?: string;
  User?: string;
  Groups?: string[];
  ReadOnly?: boolean;
  StopSignal?: string;
  StopGracePeriod?: bigint;
  Init?: boolean;
  Isolation?: string;
  TTY?: boolean;
  Healthcheck?: HealthJson;
  Mounts?: MountJson[];
  Hosts?: string[];
  DNSConfig?: { Nameservers?: string[]; Search?: string[]; Options?: string[] };
  Sysctls?: Record<string, string>;
  CapabilityAdd?: string[];
  CapabilityDrop?: string[];
  Ulimits?: { Name: string; Soft: number; Hard: number }[];
}

export interface MountJson {
  Type: string;
  Source?: string;
  Target: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: {
    Propagation?: string;
    NonRecursive?: boolean;
    CreateMountpoint?: boolean;
    ReadOnlyNonRecursive?: boolean;
    ReadOnlyForceRecursive?: boolean;
  };
  VolumeOptions?: {
    NoCopy?: boolean;
    Labels?: Record<string, string>;
    Subpath?: string;
    DriverConfig?: { Name?: string; Options?: Record<string, string> };
  };
  ImageOptions?: { Subpath: string };
  TmpfsOptions?: { SizeBytes?: bigint; Mode?: number };
}

export interface UpdateConfigJson {
  Parallelism?: number;
  Delay?: bigint;
  FailureAction?: string;
  Monitor?: bigint;
  MaxFailureRatio?: number;
  Order?: string;
}

export interface PortJson {
  Protocol: string;
  TargetPort: number;
  PublishedPort?: number;
  PublishMode: string;
}

export interface ServiceInfo {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: ServiceSpecJson;
  readonly PreviousSpec?: ServiceSpecJson;
  readonly CreatedAt: string;
  readonly UpdatedAt: string;
  readonly Endpoint?: { readonly Ports?: readonly PortJson[] };
  readonly UpdateStatus?: { readonly State: string; readonly Message: string; readonly StartedAt?: string; readonly CompletedAt?: string };
  readonly ServiceStatus?: { readonly RunningTasks: number; readonly DesiredTasks: number };
}

export interface TaskInfo {
  readonly ID: string;
  readonly ServiceID: string;
  readonly NodeID?: string;
  readonly Slot?: number;
  readonly CreatedAt: string;
  readonly Spec: TaskSpecJson;
  readonly DesiredState: string;
  readonly Status: {
    readonly State: string;
    readonly Timestamp: string;
    readonly Err?: string;
    readonly Message?: string;
    readonly PortStatus?: { readonly Ports?: readonly PortJson[] };
  };
}

export interface ImageSummary {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests?: readonly string[] | null;
  readonly Created: number;
  readonly Size: number;
  readonly VirtualSize?: number;
  /** -1: not counted. */
  readonly SharedSize: number;
  readonly Containers: number;
}

export interface HostInfo {
  readonly Name: string;
  readonly ServerVersion: string;
  readonly OperatingSystem: string;
  readonly KernelVersion: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly DockerRootDir: string;
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused?: number;
  readonly ContainersStopped?: number;
  readonly Images: number;
  readonly Driver?: string;
  readonly LoggingDriver?: string;
  readonly CgroupDriver?: string;
  readonly CgroupVersion?: string;
  readonly Runtimes?: Readonly<Record<string, unknown>>;
  readonly DefaultRuntime?: string;
  readonly Labels?: readonly string[] | null;
  readonly SecurityOptions?: readonly string[] | null;
  readonly RegistryConfig?: {
    readonly Mirrors?: readonly string[] | null;
    readonly IndexConfigs?: Readonly<Record<string, { readonly Secure: boolean }>>;
  } | null;
  readonly Warnings?: readonly string[] | null;
  readonly Swarm: {
    readonly NodeID: string;
    readonly NodeAddr: string;
    readonly LocalNodeState: string;
    readonly ControlAvailable: boolean;
    readonly Error: string;
    readonly Nodes?: number;
    readonly Managers?: number;
    readonly Cluster?: { readonly ID: string; readonly TLSInfo?: TlsInfoJson };
    readonly RemoteManagers?: readonly { readonly NodeID: string; readonly Addr: string }[] | null;
  };
}

export interface ContainerPort {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

/** One of GET /containers/json. */
export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  readonly Created: number;
  readonly Ports: readonly ContainerPort[] | null;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly State: string;
  readonly Status: string;
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly NetworkSettings?: { readonly Networks?: Readonly<Record<string, unknown>> | null };
  readonly Mounts?: readonly { readonly Type?: string; readonly Name?: string; readonly Source: string; readonly Driver?: string }[] | null;
}

/** What commands read of GET /containers/{id}/json. */
export interface ContainerInspect {
  readonly Id: string;
  readonly Name: string;
  readonly State: { readonly Running: boolean; readonly Paused: boolean; readonly Restarting: boolean };
  readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean };
  readonly HostConfig: { readonly AutoRemove: boolean };
  readonly NetworkSettings: { readonly Ports: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>> };
}

export interface VolumeJson {
  readonly Name: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly Mountpoint: string;
  readonly Labels: Readonly<Record<string, string>> | null;
}
