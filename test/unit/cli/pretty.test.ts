import { expect, test } from "vitest";
import { shortDuration } from "../../../src/cli/pretty/duration.js";
import { prettyNode } from "../../../src/cli/pretty/node.js";
import { prettyService } from "../../../src/cli/pretty/service.js";
import type { ServiceSpecJson } from "../../../src/cli/shapes.js";

test.each([
  [0, "0s"],
  [5n, "5ns"],
  [1_500, "1.5µs"],
  [250_000_000, "250ms"],
  [5_000_000_000, "5s"],
  [90_500_000_000n, "1m30.5s"],
  [3_600_000_000_000n, "1h0m0s"],
  [-1_000_000_000, "-1s"],
])("%s ns is %s", (nanoseconds, text) => {
  expect(shortDuration(nanoseconds)).toBe(text);
});

const SECOND = 1_000_000_000n;
const SPEC: ServiceSpecJson = {
  Name: "web",
  Labels: { tier: "front", bare: "" },
  Mode: { Replicated: { Replicas: 3 } },
  TaskTemplate: {
    ContainerSpec: {
      Image: "bb:v1",
      Command: ["/bin/sh", "-c"],
      Args: ["echo it's"],
      Env: ["A=b", "C=d e"],
      User: "0:7",
      Init: false,
      StopGracePeriod: 10n * SECOND,
      CapabilityDrop: ["ALL"],
      Sysctls: { "net.ipv4.ip_forward": "1" },
      Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }],
      Healthcheck: { Test: ["CMD-SHELL", "true || false"], Interval: 30n * SECOND, Retries: 3 },
      Mounts: [
        { Type: "bind", Source: "/etc", Target: "/e", ReadOnly: true, BindOptions: { Propagation: "rslave" } },
        { Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1048576n, Mode: 0o1777 } },
      ],
    },
    Resources: { Limits: { NanoCPUs: 500_000_000n, MemoryBytes: 67108864n, Pids: 9 }, Reservations: { MemoryBytes: 1024n } },
    RestartPolicy: { Condition: "any", Delay: 5n * SECOND, MaxAttempts: 0 },
    Placement: { Constraints: ["node.role==worker"], Preferences: [{ Spread: { SpreadDescriptor: "node.labels.zone" } }], MaxReplicas: 2 },
    LogDriver: { Name: "local", Options: { "max-size": "1m" } },
    Networks: [{ Target: "host" }],
  },
  UpdateConfig: { Parallelism: 1, Delay: 0n, FailureAction: "rollback", Monitor: 5n * SECOND, MaxFailureRatio: 0.25, Order: "start-first" },
  EndpointSpec: { Mode: "vip", Ports: [{ Protocol: "tcp", TargetPort: 80, PublishedPort: 8080, PublishMode: "host" }] },
};

test("service inspect --pretty shows all that docker's does, health checks and mounts included", () => {
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();
  const service = {
    ID: "s1",
    Version: { Index: 7 },
    CreatedAt: ago(7200),
    UpdatedAt: ago(180),
    Spec: SPEC,
    UpdateStatus: { State: "paused", Message: "task x failed", StartedAt: ago(180) },
    ServiceStatus: { RunningTasks: 2, DesiredTasks: 3 },
  };
  expect(prettyService(service)).toBe(`ID:             s1
Name:           web
Labels:
 tier=front
 bare
Created:        2 hours ago
Updated:        3 minutes ago
Service Mode:   Replicated
 Replicas:      3
 Running:       2 of 3
UpdateStatus:
 State:         paused
 Started:       3 minutes ago
 Message:       task x failed
Placement:
 Constraints:           node.role==worker
 Preferences:           spread=node.labels.zone
 Max Replicas Per Node: 2
UpdateConfig:
 Parallelism:       1
 Delay:             0s
 On failure:        rollback
 Monitoring Period: 5s
 Max failure ratio: 0.25
 Order:             start-first
ContainerSpec:
 Image:             bb:v1
 Command:           /bin/sh -c
 Args:              'echo it'\\''s'
 Env:
  A=b
  C=d e
 User:              0:7
 Init:              false
 Stop Grace Period: 10s
 Cap Drop:          ALL
 SysCtls:
  net.ipv4.ip_forward=1
 Ulimits:
  nofile:       1:2
Healthcheck:
 Test:          true || false
 Interval:      30s
 Retries:       3
Mounts:
 Target:        /e
  Source:       /etc
  ReadOnly:     true
  Type:         bind
  Propagation:  rslave
 Target:        /t
  ReadOnly:     false
  Type:         tmpfs
  Size:         1MiB
  Mode:         1777
Resources:
 Reservations:
  Memory:       1KiB
 Limits:
  CPU:          0.5
  Memory:       64MiB
  Pids:         9
RestartPolicy:
 Condition:     any
 Delay:         5s
Log Driver:
 Name:          local
 LogOpts:
  max-size=1m
Networks:       host
Endpoint Mode:  vip
Ports:
 PublishedPort = 8080
  Protocol = tcp
  TargetPort = 80
  PublishMode = host
`);
});

test("node inspect --pretty leaves out what a worker has not", () => {
  const node = {
    ID: "n1",
    Version: { Index: 7 },
    CreatedAt: "2026-11-21T17:00:00Z",
    Spec: { Labels: { disk: "ssd" }, Role: "worker", Availability: "drain" },
    Description: {
      Hostname: "node-4",
      Platform: { Architecture: "x86_64", OS: "linux" },
      Resources: { NanoCPUs: 2_000_000_000, MemoryBytes: 4294967296 },
      Engine: {
        EngineVersion: "0.1.0",
        Plugins: [
          { Type: "Volume", Name: "local" },
          { Type: "Log", Name: "json-file" },
          { Type: "Log", Name: "local" },
        ],
      },
      TLSInfo: { TrustRoot: "-----BEGIN\nx\n", CertIssuerSubject: "c2FtZQ==", CertIssuerPublicKey: "a2V5" },
    },
    Status: { State: "down", Addr: "10.88.0.4", Message: "heartbeat failure" },
  };
  expect(prettyNode(node)).toBe(`ID:             n1
Labels:
 disk=ssd
Hostname:       node-4
Joined at:      2026-11-21T17:00:00Z
Role:           Worker
Status:
 State:         Down
 Message:       heartbeat failure
 Availability:  Drain
 Address:       10.88.0.4
Platform:
 Operating System: linux
 Architecture:     x86_64
Resources:
 CPUs:          2
 Memory:        4GiB
Plugins:
 Log:           json-file, local
 Volume:        local
Engine Version: 0.1.0
TLS Info:
 TrustRoot:
  -----BEGIN
  x
 Issuer Subject:    c2FtZQ==
 Issuer Public Key: a2V5
`);
});
