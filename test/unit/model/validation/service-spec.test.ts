import { describe, expect, test } from "vitest";
import type {
  ContainerSpec,
  EndpointSpec,
  HealthConfig,
  Mount,
  PortConfig,
  ServiceSpec,
  TaskSpec,
  UpdateConfig,
  VolumeOptions,
} from "../../../../src/model/objects.js";
import { DEFAULT_UPDATE_CONFIG } from "../../../../src/model/defaults.js";
import { validateServiceSpec } from "../../../../src/model/validation/service-spec.js";
import { serviceSpec } from "../../../support/services.js";
import { taskSpec } from "../../../support/tasks.js";

const container = (change: Partial<ContainerSpec>) => serviceSpec({ task: taskSpec(change) });
const task = (change: Partial<TaskSpec>) => serviceSpec({ task: taskSpec({}, change) });
const port = (change: Partial<PortConfig> = {}): PortConfig => ({
  name: "",
  protocol: "tcp",
  targetPort: 80,
  publishedPort: 8080,
  publishMode: "host",
  ...change,
});
const ports = (list: readonly PortConfig[], mode: EndpointSpec["mode"] = "vip") => serviceSpec({ endpoint: { mode, ports: list } });
const update = (change: Partial<UpdateConfig>) => serviceSpec({ update: { ...DEFAULT_UPDATE_CONFIG, ...change } });
const mount = (change: Partial<Mount>): Mount => ({
  type: "bind",
  source: "/srv",
  target: "/data",
  readOnly: false,
  consistency: "",
  bindOptions: null,
  volumeOptions: null,
  tmpfsOptions: null,
  ...change,
});
const bindOptions = { propagation: "", nonRecursive: false, createMountpoint: false, readOnlyNonRecursive: false, readOnlyForceRecursive: false };
const volumeOptions = { noCopy: false, labels: {}, driver: null, subpath: "" };
const volume = (options: Partial<VolumeOptions>) => mount({ type: "volume", source: "v", volumeOptions: { ...volumeOptions, ...options } });
const health = (change: Partial<HealthConfig>): HealthConfig => ({
  test: [],
  intervalNs: 0n,
  timeoutNs: 0n,
  retries: 0,
  startPeriodNs: 0n,
  startIntervalNs: 0n,
  ...change,
});
const limits = (nanoCpus: bigint, memoryBytes: bigint, pids = 0n) => task({ resources: { limits: { nanoCpus, memoryBytes, pids }, reservations: null } });
const reservations = (nanoCpus: bigint, memoryBytes: bigint) => task({ resources: { limits: null, reservations: { nanoCpus, memoryBytes, generic: [] } } });

describe("accepted", () => {
  test.each<[string, ServiceSpec]>([
    ["the smallest", serviceSpec()],
    ["a name of 63 characters", serviceSpec({ name: "a".repeat(63) })],
    ["a name with dashes and underscores", serviceSpec({ name: "stack_web-1" })],
    ["no replicas", serviceSpec({ mode: { type: "replicated", replicated: { replicas: 0 } } })],
    ["global", serviceSpec({ mode: { type: "global", global: {} } })],
    ["an image with registry, tag and digest", container({ image: `registry:5000/a/b:v1@sha256:${"a".repeat(64)}` })],
    ["templates", { ...container({ env: ["A={{.Task.Name}}", 'B={{index .Service.Labels "x"}}'], hostname: "{{.Node.Hostname}}" }), labels: { x: "y" } }],
    ["a host port", ports([port()])],
    ["the same host port on tcp and udp", ports([port(), port({ protocol: "udp" })])],
    ["two ports that the node chooses", ports([port({ publishedPort: 0 }), port({ publishedPort: 0, targetPort: 81 })])],
    ["bind and tmpfs mounts", container({ mounts: [mount({}), mount({ type: "tmpfs", source: "", target: "/tmp" })] })],
    ["volumes", container({ mounts: [mount({ type: "volume", source: "v" }), mount({ type: "volume", source: "", target: "/anonymous" })] })],
    ["a shallow bind", container({ mounts: [mount({ readOnly: true, bindOptions: { ...bindOptions, nonRecursive: true, readOnlyNonRecursive: true } })] })],
    ["a template in a volume's label", container({ mounts: [volume({ labels: { node: "{{.Node.Hostname}}" } })] })],
    ["no health check", container({ healthcheck: health({ test: ["NONE"] }) })],
    ["a health check", container({ healthcheck: health({ test: ["CMD-SHELL", "true || false"], intervalNs: 1_000_000n, retries: 3 }) })],
    ["a health check without settings", container({ healthcheck: health({}) })],
    ["constraints", task({ placement: { constraints: ["node.role==worker"], preferences: [], maxReplicas: 1, platforms: [] } })],
    ["the log driver none", task({ logDriver: { name: "none", options: {} } })],
    ["reservations at the minimum", reservations(1_000_000n, 4n * 1024n * 1024n)],
    ["a capability", container({ capabilityAdd: ["CAP_NET_ADMIN"], capabilityDrop: ["ALL"] })],
    ["the host's network", task({ networks: [{ target: "host", aliases: [], driverOptions: {} }] })],
    ["init off", container({ init: false })],
  ])("%s", (_, spec) => {
    expect(() => validateServiceSpec(spec)).not.toThrow();
  });
});

describe("never right", () => {
  test.each<[string, ServiceSpec | null, string]>([
    ["no spec", null, "service spec must be given"],
    ["no name", serviceSpec({ name: "" }), "name must be provided"],
    ["a dot in the name", serviceSpec({ name: "a.b" }), "name must be valid as a DNS name component"],
    ["a dash at the end", serviceSpec({ name: "web-" }), "name must be valid as a DNS name component"],
    ["a long name", serviceSpec({ name: "a".repeat(64) }), "name must be 63 characters or fewer"],
    ["no mode", serviceSpec({ mode: null }), "service mode must be set"],
    ["no task", serviceSpec({ task: null }), "missing runtime"],
    ["no container", task({ container: null }), "missing runtime"],
    ["no image", container({ image: "" }), "image reference must be provided"],
    ["an image with spaces", container({ image: "a b" }), '"a b" is not a valid repository/tag'],
    ["too little cpu", reservations(999_999n, 0n), "invalid cpu value 0.000999999: Must be at least 0.001"],
    ["negative cpu", limits(-1n, 0n), "Must be at least 0.001"],
    ["too little memory", limits(0n, 4_194_303n), "invalid memory value 4194303: Must be at least 4MiB"],
    ["negative pids", limits(0n, 0n, -1n), "pids limit -1"],
    ["swap without limit", task({ resources: { limits: null, reservations: null, swapBytes: 1n } }), "memory swap limit needs a memory limit"],
    ["a bad constraint", task({ placement: { constraints: ["node.role"], preferences: [], maxReplicas: 0, platforms: [] } }), "expected one operator"],
    ["a negative restart delay", task({ restart: { condition: "any", delayNs: -1n, maxAttempts: 0, windowNs: 0n } }), "restart-delay cannot be negative"],
    ["a negative restart window", task({ restart: { condition: "any", maxAttempts: 0, windowNs: -1n } }), "restart-window cannot be negative"],
    ["a negative update delay", update({ delayNs: -1n }), "update-delay cannot be negative"],
    ["a negative monitor", update({ monitorNs: -1n }), "update-monitor cannot be negative"],
    ["a failure ratio above 1", update({ maxFailureRatio: 1.5 }), "update-maxfailureratio cannot be less than 0 or bigger than 1"],
    ["a failure ratio that is no number", update({ maxFailureRatio: Number.NaN }), "update-maxfailureratio"],
    ["target port 0", ports([port({ targetPort: 0 })]), "target port 0"],
    ["a port beyond 65535", ports([port({ publishedPort: 65_536 })]), "published port 65536"],
    ["a published port twice", ports([port(), port({ targetPort: 81 })]), "duplicate published ports provided"],
    ["ingress and host on one port", ports([port(), port({ publishMode: "ingress", targetPort: 81 })]), "duplicate published ports provided"],
    ["dnsrr with ingress", ports([port({ publishMode: "ingress" })], "dnsrr"), "can't be used with dnsrr mode"],
    ["a health check of an unknown kind", container({ healthcheck: health({ test: ["HTTP", "/"] }) }), 'unknown healthcheck type "HTTP"'],
    ["a health check without a command", container({ healthcheck: health({ test: ["CMD"] }) }), 'the healthcheck ["CMD"] names no command'],
    ["a health check that is too often", container({ healthcheck: health({ intervalNs: 999n }) }), "Interval in HealthConfig cannot be less than 1ms"],
    ["a relative mount target", container({ mounts: [mount({ target: "data" })] }), "must be an absolute path: data"],
    ["no mount target", container({ mounts: [mount({ target: "" })] }), "invalid mount target, must not be empty"],
    ["a mount on the root", container({ mounts: [mount({ target: "/x/.." })] }), "must not be the root"],
    ["a relative bind source", container({ mounts: [mount({ source: "srv" })] }), "invalid bind mount source, must be an absolute path: srv"],
    ["a target twice", container({ mounts: [mount({}), mount({ target: "/data/" })] }), "duplicate mount point: /data/"],
    ["an odd propagation", container({ mounts: [mount({ bindOptions: { ...bindOptions, propagation: "sideways" } })] }), 'propagation "sideways"'],
    ["volume options of a bind", container({ mounts: [mount({ volumeOptions })] }), 'config for type "bind": field VolumeOptions must not be specified'],
    ["a read-only anonymous volume", container({ mounts: [mount({ type: "volume", source: "", readOnly: true })] }), "must not set ReadOnly mode"],
    ["a subpath upwards", container({ mounts: [volume({ subpath: "a/../../b" })] }), 'subpath "a/../../b" must be relative'],
    ["a subpath of nothing", container({ mounts: [{ ...volume({ subpath: "a" }), source: "" }] }), "must not set Subpath"],
    [
      "a template that does not expand in a volume's option",
      container({ mounts: [volume({ driver: { name: "", options: { device: "{{.X}}" } } })] }),
      "volume driver option",
    ],
    [
      "write protection at the top of a writable bind",
      container({ mounts: [mount({ bindOptions: { ...bindOptions, readOnlyNonRecursive: true } })] }),
      "must be set readonly",
    ],
    ["a tmpfs with a source", container({ mounts: [mount({ type: "tmpfs" })] }), "source must be empty"],
    ["an unknown template field", container({ env: ["A={{.Nope}}"] }), 'environment variable A: template has ".Nope"'],
    ["a template that does not end", container({ hostname: "{{.Node.ID" }), "hostname: template"],
    ["a template in a mount", container({ mounts: [mount({ source: "/srv/{{.Task}}" })] }), "mount source: template"],
    ["a label that the service does not have", container({ env: ["A={{.Service.Labels.x}}"] }), 'service label "x"'],
    ["an odd capability", container({ capabilityAdd: ["fly now"] }), 'invalid capability "fly now"'],
    ["a soft limit above the hard one", container({ ulimits: [{ name: "nofile", soft: 2n, hard: 1n }] }), "soft limit 2 is above hard limit 1"],
    ["an extra host without a name", container({ hosts: ["10.0.0.1"] }), 'invalid extra host "10.0.0.1"'],
    ["a DNS server by name", container({ dns: { nameservers: ["ns"], search: [], options: [] } }), 'DNS server "ns" is not an IP address'],
    ["a negative stop grace period", container({ stopGracePeriodNs: -1n }), "stop-grace-period cannot be negative"],
    ["a relative working directory", container({ dir: "app" }), 'working directory "app"'],
    ["an environment variable without a name", container({ env: ["=x"] }), 'environment variable "=x"'],
  ])("%s", (_, spec, message) => {
    expect(() => validateServiceSpec(spec)).toThrow(expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining(message) }));
  });
});

describe("not built", () => {
  const secret = { secretId: "1", secretName: "s", file: null };
  const privileges = { noNewPrivileges: false, seccompMode: "", seccompProfile: new Uint8Array(), apparmorMode: "" };
  test.each<[string, ServiceSpec, string]>([
    ["ingress ports", ports([port({ publishMode: "ingress" })]), "mode=host"],
    ["a network", task({ networks: [{ target: "n1", aliases: [], driverOptions: {} }] }), "networks"],
    ["two networks", task({ networks: ["host", "bridge"].map((target) => ({ target, aliases: [], driverOptions: {} })) }), "more than one network"],
    ["secrets", container({ secrets: [secret] }), "secrets"],
    ["configs", container({ configs: [{ configId: "1", configName: "c", file: null, runtime: false }] }), "configs"],
    ["jobs", serviceSpec({ mode: { type: "replicatedJob", replicatedJob: { maxConcurrent: 1, totalCompletions: 1 } } }), "jobs"],
    ["global jobs", serviceSpec({ mode: { type: "globalJob", globalJob: {} } }), "jobs"],
    ["a volume of a plugin", container({ mounts: [volume({ driver: { name: "flocker", options: {} } })] }), 'the volume driver "flocker"'],
    ["an image as a mount", container({ mounts: [mount({ type: "image", source: "v" })] }), "mounts of type image"],
    [
      "generic resources",
      task({ resources: { limits: null, reservations: { nanoCpus: 0n, memoryBytes: 0n, generic: [{ kind: "gpu", named: "", discrete: 1n }] } } }),
      "generic",
    ],
    ["plugins", task({ runtime: "plugin", container: null }), "plugin"],
    ["AppArmor", container({ privileges: { ...privileges, apparmorMode: "disabled" } }), "AppArmor"],
    ["isolation", container({ isolation: "hyperv" }), '"hyperv"'],
  ])("%s", (_, spec, message) => {
    expect(() => validateServiceSpec(spec)).toThrow(expect.objectContaining({ code: "unimplemented", message: expect.stringContaining(message) }));
  });
});
