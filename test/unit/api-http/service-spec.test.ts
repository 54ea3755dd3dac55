import fc from "fast-check";
import { expect, test } from "vitest";
import { serviceSpecFromDocker, serviceSpecToDocker } from "../../../src/api/http/convert/service-spec.js";
import { unlessBlank } from "../../../src/api/http/convert/zero-values.js";
import { parseJson, stringifyJson } from "../../../src/api/http/json.js";
import type { ServiceSpec } from "../../../src/model/objects.js";

const NEWEST = { apiMinor: 99, registryAuth: "" };

const text = fc.string({ maxLength: 8 });
const texts = fc.array(text, { maxLength: 3 });
const record = fc.dictionary(text, text, { maxKeys: 3 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const count = fc.maxSafeNat();
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const orBlank = <T extends object>(value: fc.Arbitrary<T>) => orNull(value).map((given) => (given === null ? null : unlessBlank(given)));

const driver = fc.record({ name: text, options: record });
const generic = fc.oneof(
  fc.record({ kind: text, named: fc.string({ minLength: 1, maxLength: 5 }), discrete: fc.constant(0n) }),
  fc.record({ kind: text, named: fc.constant(""), discrete: int64 }),
);
const file = orNull(fc.record({ name: text, uid: text, gid: text, mode: fc.nat(0o7777) }));
const mount = fc.record({
  type: fc.constantFrom("bind", "volume", "tmpfs", "npipe", "cluster", "image"),
  source: text,
  target: text,
  readOnly: fc.boolean(),
  consistency: text,
  bindOptions: orNull(
    fc.record({
      propagation: fc.constantFrom("", "private", "rshared"),
      nonRecursive: fc.boolean(),
      createMountpoint: fc.boolean(),
      readOnlyNonRecursive: fc.boolean(),
      readOnlyForceRecursive: fc.boolean(),
    }),
  ),
  volumeOptions: orNull(fc.record({ noCopy: fc.boolean(), labels: record, driver: orNull(driver), subpath: text })),
  tmpfsOptions: orNull(fc.record({ sizeBytes: int64, mode: fc.nat(0o7777) })),
} as const);
const privileges = fc.record({
  noNewPrivileges: fc.boolean(),
  seccompMode: fc.constantFrom("", "default", "unconfined", "custom"),
  seccompProfile: fc.uint8Array({ maxLength: 5 }),
  apparmorMode: fc.constantFrom("", "default", "disabled"),
});
const optional = fc.record({ stopGracePeriodNs: int64, init: fc.boolean() }, { requiredKeys: [] });
const required = fc.record({
  image: text,
  labels: record,
  command: texts,
  args: texts,
  hostname: text,
  env: texts,
  dir: text,
  user: text,
  groups: texts,
  tty: fc.boolean(),
  openStdin: fc.boolean(),
  readOnly: fc.boolean(),
  stopSignal: text,
  mounts: fc.array(mount, { maxLength: 2 }),
  healthcheck: orNull(fc.record({ test: texts, intervalNs: int64, timeoutNs: int64, retries: fc.nat(), startPeriodNs: int64, startIntervalNs: int64 })),
  hosts: texts,
  dns: orBlank(fc.record({ nameservers: texts, search: texts, options: texts })),
  secrets: fc.array(fc.record({ secretId: text, secretName: text, file }), { maxLength: 2 }),
  configs: fc.array(fc.record({ configId: text, configName: text, file, runtime: fc.boolean() }), { maxLength: 2 }),
  isolation: fc.constantFrom("", "process", "hyperv"),
  sysctls: record,
  capabilityAdd: texts,
  capabilityDrop: texts,
  ulimits: fc.array(fc.record({ name: text, soft: int64, hard: int64 }), { maxLength: 2 }),
  oomScoreAdj: int64,
  privileges: orBlank(privileges),
  registryAuth: fc.constant(""),
} as const);
const container = fc.tuple(required, optional).map(([always, sometimes]) => ({ ...always, ...sometimes }));
const resources = fc.record({
  limits: orBlank(fc.record({ nanoCpus: int64, memoryBytes: int64, pids: int64 })),
  reservations: orBlank(fc.record({ nanoCpus: int64, memoryBytes: int64, generic: fc.array(generic, { maxLength: 2 }) })),
});
const update = (actions: readonly ("pause" | "continue" | "rollback")[]) =>
  orNull(
    fc.record({
      parallelism: count,
      delayNs: int64,
      failureAction: fc.constantFrom(...actions),
      monitorNs: int64,
      maxFailureRatio: fc.double({ min: 0, max: 1, noNaN: true }).map((ratio) => ratio + 0),
      order: fc.constantFrom("stop_first", "start_first"),
    } as const),
  );
const port = fc.record({
  name: text,
  protocol: fc.constantFrom("tcp", "udp", "sctp"),
  targetPort: fc.nat(65_535),
  publishedPort: fc.nat(65_535),
  publishMode: fc.constantFrom("ingress", "host"),
} as const);
const mode = fc.oneof(
  fc.record({ type: fc.constant("replicated"), replicated: fc.record({ replicas: count }) } as const),
  fc.constant({ type: "global", global: {} } as const),
  fc.record({ type: fc.constant("replicatedJob"), replicatedJob: fc.record({ maxConcurrent: count, totalCompletions: count }) } as const),
  fc.constant({ type: "globalJob", globalJob: {} } as const),
);
const restart = orNull(fc.record({ condition: fc.constantFrom("any", "none", "on_failure"), delayNs: int64, maxAttempts: count, windowNs: int64 } as const));
const placement = fc.record({
  constraints: texts,
  preferences: fc.array(fc.record({ descriptor: text }), { maxLength: 2 }),
  maxReplicas: count,
  platforms: fc.array(fc.record({ architecture: text, os: text }), { maxLength: 2 }),
});
const spec: fc.Arbitrary<ServiceSpec> = fc.record({
  name: text,
  labels: record,
  task: fc.record({
    runtime: fc.constant("container" as const),
    container,
    resources: orBlank(resources),
    restart,
    placement: orBlank(placement),
    networks: fc.array(fc.record({ target: text, aliases: texts, driverOptions: record }), { maxLength: 2 }),
    logDriver: orNull(driver),
    forceUpdate: count,
  }),
  mode,
  update: update(["pause", "continue", "rollback"]),
  rollback: update(["pause", "continue"]),
  endpoint: orNull(fc.record({ mode: fc.constantFrom("vip", "dnsrr"), ports: fc.array(port, { maxLength: 2 }) } as const)),
});

/** What a client that inspects a service and posts the same again makes of its spec. */
const roundTrip = (given: ServiceSpec) => serviceSpecFromDocker(parseJson(stringifyJson(serviceSpecToDocker(given))), NEWEST);

test("what a client inspects and posts again means the same", () => {
  fc.assert(
    fc.property(spec, (given) => {
      expect(roundTrip(given)).toEqual(given);
    }),
    { numRuns: 300 },
  );
});

const withContainer = (change: object) => ({ Name: "web", TaskTemplate: { ContainerSpec: { Image: "bb", ...change } } });
const withTask = (change: object) => ({ Name: "web", TaskTemplate: { ContainerSpec: { Image: "bb" }, ...change } });
const withSpec = (change: object) => ({ ...withTask({}), ...change });
const read = (body: unknown, apiMinor = 47) => serviceSpecFromDocker(body, { apiMinor, registryAuth: "" });

test("what is left out has one form", () => {
  expect(read(withTask({}))).toEqual(
    read(
      withSpec({
        TaskTemplate: {
          ContainerSpec: {
            Image: "bb",
            DNSConfig: {},
            Isolation: "default",
            Privileges: { CredentialSpec: null, SELinuxContext: null },
            Env: null,
            Labels: {},
          },
          Resources: { Limits: {}, Reservations: { GenericResources: null } },
          Placement: { Constraints: [] },
          Runtime: "container",
          ForceUpdate: 0,
        },
        Mode: { Replicated: {} },
      }),
    ),
  );
});

test("empty words take their defaults", () => {
  const given = read(
    withSpec({
      UpdateConfig: { Parallelism: 2, FailureAction: "", Order: "" },
      EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8080 }] },
    }),
  );
  expect(given.update).toMatchObject({ parallelism: 2, failureAction: "pause", order: "stop_first", monitorNs: 0n });
  expect(given.endpoint).toEqual({ mode: "vip", ports: [{ name: "", protocol: "tcp", targetPort: 80, publishedPort: 8080, publishMode: "ingress" }] });
});

test.each([
  [withSpec({ Mode: { Replicated: {}, Global: {} } }), 400, "must specify only one service mode"],
  [withSpec({ UpdateConfig: { Order: "sideways" } }), 400, 'invalid UpdateConfig.Order: "sideways" is not one of stop-first, start-first'],
  [withSpec({ RollbackConfig: { FailureAction: "rollback" } }), 400, 'invalid RollbackConfig.FailureAction: "rollback" is not one of pause, continue'],
  [withSpec({ EndpointSpec: { Mode: "magic" } }), 400, 'invalid EndpointSpec.Mode: "magic" is not one of vip, dnsrr'],
  [withSpec({ EndpointSpec: { Ports: [{ TargetPort: 70_000 }] } }), 400, "EndpointSpec.Ports[0].TargetPort must be an integer from 0 to 65535"],
  [withTask({ RestartPolicy: { Condition: "never" } }), 400, 'invalid TaskTemplate.RestartPolicy.Condition: "never" is not one of any, none, on-failure'],
  [withTask({ Placement: { Preferences: [{}] } }), 400, "a placement preference must be a spread"],
  [withTask({ Runtime: "wasm" }), 400, 'invalid TaskTemplate.Runtime: "wasm" is not one of container, plugin, attachment'],
  [withTask({ PluginSpec: { Name: "x" } }), 501, "TaskTemplate.PluginSpec is not supported"],
  [
    withContainer({ Mounts: [{ Type: "magic" }] }),
    400,
    'invalid TaskTemplate.ContainerSpec.Mounts[0].Type: "magic" is not one of bind, volume, tmpfs, npipe, cluster, image',
  ],
  [
    withContainer({ Mounts: [{ Type: "tmpfs", TmpfsOptions: { Options: [["noexec"]] } }] }),
    501,
    "TaskTemplate.ContainerSpec.Mounts[0].TmpfsOptions.Options is not supported",
  ],
  [withContainer({ Privileges: { SELinuxContext: { User: "u" } } }), 501, "TaskTemplate.ContainerSpec.Privileges.SELinuxContext is not supported"],
  [withContainer({ Env: "A=1" }), 400, "TaskTemplate.ContainerSpec.Env must be a list of strings"],
  [withContainer({ Labels: { a: 1 } }), 400, "TaskTemplate.ContainerSpec.Labels.a must be a string"],
  [withContainer({ StopGracePeriod: 1.5 }), 400, "TaskTemplate.ContainerSpec.StopGracePeriod must be a 64-bit integer"],
  [withContainer({ StopGracePeriod: 2n ** 63n }), 400, "TaskTemplate.ContainerSpec.StopGracePeriod must be a 64-bit integer"],
  [withContainer({ TTY: "yes" }), 400, "TaskTemplate.ContainerSpec.TTY must be true or false"],
  [withSpec({ Surprise: { deep: [1] } }), 501, "Surprise is not supported"],
  [{ Name: "web" }, 400, "TaskTemplate must be given"],
  [{ Name: "web", TaskTemplate: {} }, 400, "ContainerSpec: a container runtime needs a container specification"],
])("%o is refused with one sentence", (body, status, message) => {
  expect(() => read(body)).toThrow(expect.objectContaining({ status, message }));
});

test("names match without regard to case, as they do for Docker", () => {
  expect(read({ name: "web", tasktemplate: { containerspec: { image: "bb" } } })).toEqual(read(withTask({})));
});

test.each([
  [39, (given: ServiceSpec) => given.task?.container?.sysctls, {}],
  [40, (given: ServiceSpec) => given.task?.container?.sysctls, { a: "1" }],
  [40, (given: ServiceSpec) => given.task?.container?.capabilityAdd, []],
  [41, (given: ServiceSpec) => given.task?.container?.capabilityAdd, ["CAP_X"]],
  [40, (given: ServiceSpec) => given.mode?.type, "replicated"],
  [41, (given: ServiceSpec) => given.mode?.type, "globalJob"],
  [45, (given: ServiceSpec) => given.task?.container?.oomScoreAdj, 0n],
  [46, (given: ServiceSpec) => given.task?.container?.oomScoreAdj, 7n],
  [51, (given: ServiceSpec) => given.task?.resources?.swapBytes, undefined],
  [52, (given: ServiceSpec) => given.task?.resources?.swapBytes, 5n],
  [43, (given: ServiceSpec) => given.task?.networks.map((network) => network.target), ["host"]],
  [44, (given: ServiceSpec) => given.task?.networks, []],
])("in API 1.%i a field that is newer or gone means nothing (%#)", (apiMinor, part, expected) => {
  const body = {
    ...withTask({ ContainerSpec: { Image: "bb", Sysctls: { a: "1" }, CapabilityAdd: ["CAP_X"], OomScoreAdj: 7 }, Resources: { SwapBytes: 5 } }),
    Mode: { GlobalJob: {} },
    Networks: [{ Target: "host" }],
  };
  expect(part(read(body, apiMinor))).toEqual(expected);
});

test("the registry's credentials are taken in and never shown", () => {
  const given = serviceSpecFromDocker(withTask({}), { apiMinor: 47, registryAuth: "c2VjcmV0" });
  expect(given.task?.container?.registryAuth).toBe("c2VjcmV0");
  expect(stringifyJson(serviceSpecToDocker(given))).not.toContain("c2VjcmV0");
});
