import { describe, expect, test } from "vitest";
import { applyFlags, emptySpec } from "../../../src/cli/service/spec.js";
import { shellWords } from "../../../src/cli/shell-words.js";

const applied = (flags: object, start = emptySpec("bb:v1")) => {
  applyFlags(start, flags);
  return start;
};

describe("what flags make of a spec", () => {
  test("nothing that was not asked for", () => expect(applied({})).toEqual(emptySpec("bb:v1")));

  test.each<[string, object, object]>([
    ["replicas", { replicas: "3" }, { Mode: { Replicated: { Replicas: 3 } } }],
    ["update settings keep docker's default of one at a time", { updateDelay: "2s" }, { UpdateConfig: { Parallelism: 1, Delay: 2_000_000_000n } }],
    ["parallelism of zero", { updateParallelism: "0" }, { UpdateConfig: { Parallelism: 0 } }],
    [
      "a short port",
      { publish: ["8080:80/udp"] },
      { EndpointSpec: { Ports: [{ Protocol: "udp", TargetPort: 80, PublishedPort: 8080, PublishMode: "ingress" }] } },
    ],
    [
      "a long port",
      { publish: ["mode=host,target=80,published=8080"] },
      { EndpointSpec: { Ports: [{ Protocol: "tcp", TargetPort: 80, PublishedPort: 8080, PublishMode: "host" }] } },
    ],
    ["labels", { label: ["a=1", "b"] }, { Labels: { a: "1", b: "" } }],
  ])("%s", (_name, flags, expected) => expect(applied(flags)).toMatchObject(expected));

  test.each<[string, object, object]>([
    ["environment, in the order given", { env: ["A=1"], envAdd: ["A=2", "B=3"] }, { Env: ["A=1", "A=2", "B=3"] }],
    ["hosts in the form of the file", { host: ["db:10.0.0.5"] }, { Hosts: ["10.0.0.5 db"] }],
    ["a bind mount", { mount: ["type=bind,source=/a,target=/b,readonly"] }, { Mounts: [{ Type: "bind", Source: "/a", Target: "/b", ReadOnly: true }] }],
    [
      "a tmpfs",
      { mount: ["type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777"] },
      { Mounts: [{ Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1_048_576n, Mode: 0o1777 } }] },
    ],
    ["limits", { ulimit: ["nofile=10:20"] }, { Ulimits: [{ Name: "nofile", Soft: 10, Hard: 20 }] }],
    ["an entrypoint in words", { entrypoint: "sh -c 'a b'" }, { Command: ["sh", "-c", "a b"] }],
    [
      "a health check",
      { healthCmd: "a || b", healthInterval: "2s", healthRetries: "4", healthcheck: true },
      { Healthcheck: { Test: ["CMD-SHELL", "a || b"], Interval: 2_000_000_000n, Retries: 4 } },
    ],
    ["no health check", { healthcheck: false }, { Healthcheck: { Test: ["NONE"] } }],
  ])("%s", (_name, flags, expected) => expect(applied(flags).TaskTemplate.ContainerSpec).toMatchObject(expected));

  test("an update replaces what it adds by the same key, and removes", () => {
    const spec = applied({ env: ["A=1", "B=2"], label: ["x=1"], constraint: ["node.role==worker"], mount: ["type=tmpfs,target=/t"] });
    applied({ envAdd: ["A=9"], envRm: ["B"], labelRm: ["x"], constraintRm: ["node.role==worker"], mountRm: ["/t"] }, spec);
    expect(spec.TaskTemplate.ContainerSpec.Env).toEqual(["A=9"]);
    expect(spec.Labels).toEqual({});
    expect(spec.TaskTemplate.Placement?.Constraints).toEqual([]);
    expect(spec.TaskTemplate.ContainerSpec.Mounts).toEqual([]);
  });

  test("an update changes of a health check what it names, and brings back one that was switched off", () => {
    const spec = applied({ healthCmd: "a", healthTimeout: "3s" });
    applied({ healthTimeout: "4s" }, spec);
    expect(spec.TaskTemplate.ContainerSpec.Healthcheck).toEqual({ Test: ["CMD-SHELL", "a"], Timeout: 4_000_000_000n });
    applied({ healthcheck: false }, spec);
    expect(applied({ healthRetries: "2" }, spec).TaskTemplate.ContainerSpec.Healthcheck).toEqual({ Retries: 2 });
    expect(() => applied({ healthcheck: false, healthCmd: "a" })).toThrow("--no-healthcheck conflicts with --health-* options");
  });

  test("swap is said beside the limits, and an update changes what it names", () => {
    const spec = applied({ limitMemory: "64m", memorySwap: "32m", memorySwappiness: "0" });
    expect(spec.TaskTemplate.Resources).toEqual({ Limits: { MemoryBytes: 67_108_864n }, Reservations: {}, SwapBytes: 33_554_432n, MemorySwappiness: 0 });
    applied({ memorySwap: "-1" }, spec);
    expect(spec.TaskTemplate.Resources).toMatchObject({ Limits: { MemoryBytes: 67_108_864n }, SwapBytes: -1, MemorySwappiness: 0 });
    expect(applied({ memorySwappiness: "-1" }).TaskTemplate.Resources).toEqual({ Limits: {}, Reservations: {}, MemorySwappiness: -1 });
  });

  test("publish-rm matches target and protocol", () => {
    const spec = applied({ publish: ["8080:80", "5353:53/udp"] });
    applied({ publishRm: ["80"] }, spec);
    expect(spec.EndpointSpec?.Ports?.map((port) => port.TargetPort)).toEqual([53]);
  });

  test.each<[object, RegExp]>([
    [{ replicas: "many" }, /--replicas/],
    [{ updateFailureAction: "explode" }, /--update-failure-action "explode"/],
    [{ rollbackFailureAction: "rollback" }, /--rollback-failure-action/],
    [{ mount: ["type=bind"] }, /names no target/],
    [{ updateMaxFailureRatio: "2" }, /0 to 1/],
    [{ placementPref: ["pack=x"] }, /spread/],
    [{ memorySwap: "-2" }, /--memory-swap "-2" is not a size/],
    [{ memorySwappiness: "-2" }, /--memory-swappiness "-2" is not a whole number/],
  ])("refuses %j", (flags, text) => expect(() => applied(flags)).toThrow(text));
});

test.each<[string, string[]]>([
  ["a b  c", ["a", "b", "c"]],
  [`a "b c" 'd "e"'`, ["a", "b c", 'd "e"']],
  [String.raw`a\ b "c\"d"`, ["a b", 'c"d']],
  ["", []],
])("shell words of %j", (text, expected) => expect(shellWords(text, "args")).toEqual(expected));

test("shell words refuse an open quote", () => expect(() => shellWords(`a "b`, "args")).toThrow(/--args/));
