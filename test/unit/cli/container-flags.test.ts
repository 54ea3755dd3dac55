import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBodyOf } from "../../../src/cli/container/create-body.js";
import { addCreateFlags, type CreateFlags } from "../../../src/cli/container/create-flags.js";
import { DetachWatch, parseDetachKeys } from "../../../src/cli/container/detach-keys.js";
import { parseExposed, parsePublished } from "../../../src/cli/container/ports.js";
import { DockerCommand } from "../../../src/cli/docker-command.js";
import { parseMount } from "../../../src/cli/mount-flag.js";
import { parseTime } from "../../../src/cli/time-flag.js";

const folder = mkdtempSync(join(tmpdir(), "flags-"));

function flagsOf(...args: readonly string[]): CreateFlags {
  const command = new DockerCommand("create").argument("<image>").argument("[command...]").passThroughOptions().exitOverride();
  addCreateFlags(command);
  command.parse(["node", "create", ...args, "img", "cmd", "--flag=true"]);
  expect(command.args).toEqual(["img", "cmd", "--flag=true"]);
  return command.opts<CreateFlags>();
}

function bodyOf(...args: readonly string[]) {
  return createBodyOf("img", ["cmd"], flagsOf(...args), { stdin: false, stdout: true, stderr: true }) as Record<string, unknown> & {
    HostConfig: Record<string, unknown>;
  };
}

const hostOf = (...args: readonly string[]) => bodyOf(...args).HostConfig;

beforeAll(() => {
  writeFileSync(join(folder, "env"), "# a comment\n\nA=b c\nFLAGS_TEST_SET\nFLAGS_TEST_UNSET\n");
  writeFileSync(join(folder, "labels"), "tier=front\nbare\n");
  writeFileSync(join(folder, "seccomp.json"), '{ "defaultAction": "SCMP_ACT_ALLOW" }');
  process.env.FLAGS_TEST_SET = "from here";
});

afterAll(() => {
  delete process.env.FLAGS_TEST_SET;
  rmSync(folder, { recursive: true });
});

describe("the flags of create", () => {
  test("nothing asked for is nothing said", () => {
    expect(bodyOf()).toEqual({
      Image: "img",
      Cmd: ["cmd"],
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      HostConfig: {},
    });
  });

  test.each<readonly [readonly string[], object]>([
    [["-it", "-w", "/w", "-u", "1:2", "-h", "box"], { Tty: true, OpenStdin: true, WorkingDir: "/w", User: "1:2", Hostname: "box" }],
    [["--entrypoint", ""], { Entrypoint: [""] }],
    [["--stop-signal", "INT", "--stop-timeout", "3"], { StopSignal: "INT", StopTimeout: 3 }],
    [["--expose", "80-81", "-p", "1:90/udp"], { ExposedPorts: { "90/udp": {}, "80/tcp": {}, "81/tcp": {} } }],
    [["-v", "/data", "-v", "named:/n"], { Volumes: { "/data": {} } }],
    [["-l", "a=b", "--label-file", join(folder, "labels")], { Labels: { tier: "front", bare: "", a: "b" } }],
    [
      ["-e", "X=1", "-e", "FLAGS_TEST_SET", "-e", "FLAGS_TEST_UNSET", "--env-file", join(folder, "env")],
      { Env: ["A=b c", "FLAGS_TEST_SET=from here", "X=1", "FLAGS_TEST_SET=from here", "FLAGS_TEST_UNSET"] },
    ],
    [
      ["--health-cmd", "true", "--health-interval", "1m", "--health-retries", "2"],
      { Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 60_000_000_000n, Retries: 2 } },
    ],
    [["--no-healthcheck"], { Healthcheck: { Test: ["NONE"] } }],
    [
      ["--network", "front", "--network-alias", "web", "--ip", "10.0.0.7"],
      { NetworkingConfig: { EndpointsConfig: { front: { Aliases: ["web"], IPAMConfig: { IPv4Address: "10.0.0.7" } } } } },
    ],
    [["--net", "front", "--network", "name=back,alias=db"], { NetworkingConfig: { EndpointsConfig: { back: { Aliases: ["db"] } } } }],
  ])("%j in the body", (args, expected) => {
    expect(bodyOf(...args)).toMatchObject(expected);
  });

  test.each<readonly [readonly string[], object]>([
    [["--rm=true", "--privileged=false", "--init=1"], { AutoRemove: true, Privileged: false, Init: true }],
    [
      ["-m", "64m", "--memory-swap", "-1", "--cpus", "1.5", "--pids-limit", "-1"],
      { Memory: 67_108_864n, MemorySwap: -1, NanoCpus: 1_500_000_000n, PidsLimit: -1 },
    ],
    [["--restart", "on-failure:3"], { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } }],
    [["--network", "container:web"], { NetworkMode: "container:web" }],
    [["-v", "./here:/there:ro", "-v", "named:/n"], { Binds: [`${resolve("here")}:/there:ro`, "named:/n"] }],
    [["--tmpfs", "/t:size=1m", "--tmpfs", "/u"], { Tmpfs: { "/t": "size=1m", "/u": "" } }],
    [
      ["--device", "/dev/fuse", "--device", "/dev/a:/dev/b:r", "--device", "/dev/c:rw"],
      {
        Devices: [
          { PathOnHost: "/dev/fuse", PathInContainer: "/dev/fuse", CgroupPermissions: "rwm" },
          { PathOnHost: "/dev/a", PathInContainer: "/dev/b", CgroupPermissions: "r" },
          { PathOnHost: "/dev/c", PathInContainer: "/dev/c", CgroupPermissions: "rw" },
        ],
      },
    ],
    [
      ["--device-read-bps", "/dev/sda:1m", "--blkio-weight-device", "/dev/sda:300"],
      { BlkioDeviceReadBps: [{ Path: "/dev/sda", Rate: 1_048_576n }], BlkioWeightDevice: [{ Path: "/dev/sda", Weight: 300 }] },
    ],
    [
      ["--security-opt", `seccomp=${join(folder, "seccomp.json")}`, "--security-opt", "no-new-privileges"],
      { SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', "no-new-privileges"] },
    ],
    [["--security-opt", "systempaths=unconfined"], { MaskedPaths: [], ReadonlyPaths: [] }],
    [["--log-driver", "local", "--log-opt", "max-size=1m"], { LogConfig: { Type: "local", Config: { "max-size": "1m" } } }],
    [
      ["--ulimit", "nofile=9:10", "--sysctl", "a.b=1", "--shm-size", "1g", "--oom-score-adj", "-500"],
      { Ulimits: [{ Name: "nofile", Soft: 9, Hard: 10 }], Sysctls: { "a.b": "1" }, ShmSize: 1_073_741_824n, OomScoreAdj: -500 },
    ],
    [["--gpus", "all"], { DeviceRequests: [{ Driver: "", Count: -1, Capabilities: [["gpu"]] }] }],
  ])("%j in the HostConfig", (args, expected) => {
    expect(hostOf(...args)).toMatchObject(expected);
  });

  test.each([
    [["--restart", "sometimes"], /--restart "sometimes" is not one of/],
    [["--restart", "always:3"], /--restart "always:3" is not one of/],
    [["--no-healthcheck", "--health-cmd", "x"], /--no-healthcheck does not go with/],
    [["--network", "host", "--ip", "1.2.3.4"], /do not go with --network host/],
    [["--network", "name=a,colour=red"], /"colour" is none of name, alias/],
    [["--env-file", "/no/such"], /--env-file: ENOENT/],
    [["--security-opt", "seccomp=/no/such"], /seccomp profile \/no\/such cannot be read/],
    [["--device-read-bps", "sda:1m"], /is not a device and an amount/],
    [["--ulimit", "nofile"], /--ulimit "nofile" is not name=soft/],
    [["-m", "much"], /--memory "much" is not a size/],
    [["--stop-timeout", "x"], /--stop-timeout "x" is not a whole number/],
  ])("%j is refused", (args, message) => {
    expect(() => bodyOf(...args)).toThrow(message);
  });
});

describe("published ports", () => {
  const binding = (HostPort: string, HostIp = "") => ({ HostIp, HostPort });

  test.each<readonly [string, object]>([
    ["80", { "80/tcp": [binding("")] }],
    ["8080:80", { "80/tcp": [binding("8080")] }],
    ["127.0.0.1:8080:80/udp", { "80/udp": [binding("8080", "127.0.0.1")] }],
    ["127.0.0.1::80", { "80/tcp": [binding("", "127.0.0.1")] }],
    ["[::1]:8080:80", { "80/tcp": [binding("8080", "::1")] }],
    ["8000-8001:80-81", { "80/tcp": [binding("8000")], "81/tcp": [binding("8001")] }],
    ["8000-8009:80", { "80/tcp": [binding("8000-8009")] }],
    ["target=80,published=8080,protocol=udp", { "80/udp": [binding("8080")] }],
  ])("%s", (text, expected) => {
    expect(parsePublished([text])).toEqual(expected);
  });

  test("several of one port", () => {
    expect(parsePublished(["1:80", "2:80"])).toEqual({ "80/tcp": [binding("1"), binding("2")] });
  });

  test.each(["x:80", "80:", "1-2:80-82", "0:80", "80/icmp", "70000", "90-80", "colour=red", ""])("%s is refused", (text) => {
    expect(() => parsePublished([text])).toThrow(`--publish "${text}"`);
  });

  test("exposed ones", () => {
    expect(parseExposed(["80", "90-91/udp"])).toEqual(["80/tcp", "90/udp", "91/udp"]);
    expect(() => parseExposed(["x"])).toThrow('--expose "x"');
  });
});

describe("--mount", () => {
  test.each<readonly [string, object]>([
    ["source=data,target=/d", { Type: "volume", Source: "data", Target: "/d" }],
    ["type=bind,src=./x,dst=/d,readonly", { Type: "bind", Source: resolve("x"), Target: "/d", ReadOnly: true }],
    [
      "type=bind,src=/x,dst=/d,ro=false,bind-propagation=rslave",
      { Type: "bind", Source: "/x", Target: "/d", ReadOnly: false, BindOptions: { Propagation: "rslave" } },
    ],
    ["type=bind,src=/x,dst=/d,bind-nonrecursive", { Type: "bind", Source: "/x", Target: "/d", BindOptions: { NonRecursive: true } }],
    [
      "type=bind,src=/x,dst=/d,ro,bind-recursive=writable",
      { Type: "bind", Source: "/x", Target: "/d", ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } },
    ],
    ["type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770", { Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1_048_576n, Mode: 0o1770 } }],
    [
      'src=v,target=/d,volume-nocopy,volume-driver=local,"volume-opt=o=size=1m,uid=7",volume-label=a=b',
      {
        Type: "volume",
        Source: "v",
        Target: "/d",
        VolumeOptions: { NoCopy: true, Labels: { a: "b" }, DriverConfig: { Name: "local", Options: { o: "size=1m,uid=7" } } },
      },
    ],
  ])("%s", (text, expected) => {
    expect(parseMount(text)).toEqual(expected);
  });

  test.each([
    ["type=bind,source=/x", /names no target/],
    ["type=disk,target=/x", /is not one of bind, volume/],
    ["target=/x,colour=red", /there is no field "colour"/],
    ["target=/x,constructor=y", /there is no field "constructor"/],
    ["target=", /target needs a value/],
    ["type=bind,src=/x,target=/x,volume-nocopy", /options of a volume do not go with type=bind/],
    ["type=tmpfs,target=/x,tmpfs-mode=9", /is not an octal number/],
  ])("%s is refused", (text, message) => {
    expect(() => parseMount(text)).toThrow(message);
  });
});

test("keys to detach are seen wherever the pieces are cut", () => {
  expect(parseDetachKeys("")).toEqual([16, 17]);
  expect(parseDetachKeys("ctrl-a,x,ctrl-[")).toEqual([1, 120, 27]);
  expect(() => parseDetachKeys("ctrl-a,strange")).toThrow('"strange" is neither');
  const watch = new DetachWatch([16, 17]);
  for (const piece of ["ab\x10", "c\x10", "\x10", "\x11"]) {
    expect(watch.isDetached).toBe(false);
    watch.see(Buffer.from(piece));
  }
  expect(watch.isDetached).toBe(true);
});

test("times", () => {
  expect(parseTime("12.5", "since")).toBe("12.5");
  expect(parseTime("1970-01-02T00:00:00.123456789Z", "since")).toBe("86400.123456789");
  expect(parseTime("1970-01-01T02:00:00+01:00", "since")).toBe("3600");
  expect(parseTime("1m30s", "since", 100_000)).toBe("10.000000");
  expect(() => parseTime("yesterday", "since")).toThrow('--since "yesterday" is none of');
});
