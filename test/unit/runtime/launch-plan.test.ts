import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { expect, test } from "vitest";
import { capabilityMask } from "../../../src/runtime/capabilities.js";
import { ALL_ABILITIES } from "../../support/resource-abilities.js";
import { parseCgroupMounts } from "../../../src/runtime/cgroup-layout.js";
import { planCgroups, withGroupsOfHost } from "../../../src/runtime/cgroup-plan.js";
import { containerPaths } from "../../../src/runtime/container-paths.js";
import { hostResolvConf, hostsText, resolvConfText } from "../../../src/runtime/etc-files.js";
import { parseOutcome } from "../../../src/runtime/shim/exit-record.js";
import { encodeLaunch } from "../../../src/runtime/launch-request.js";
import { planLog } from "../../../src/runtime/logs/log-plan.js";
import { LOG_SOURCE } from "../../support/log-source.js";
import { parseLogEntry } from "../../../src/runtime/logs/log-entry.js";
import { planProcess } from "../../../src/runtime/process-config.js";
import { planRlimits } from "../../../src/runtime/rlimits.js";
import { signalNumber } from "../../../src/runtime/signals.js";
import { planSysctls } from "../../../src/runtime/sysctls.js";
import { containerConfig } from "../../support/container-world.js";
import { EMPTY_CONFIG } from "../../../src/runtime/images/import-changes.js";

test.each([
  ["SIGTERM", 15],
  ["term", 15],
  ["9", 9],
  ["SIGRTMIN+3", 37],
  ["RTMAX-1", 63],
])("signal %s is %i", (name, number) => {
  expect(signalNumber(name)).toBe(number);
});

test.each(["", "SIGNONE", "0", "65", "-1", "SIGRTMIN+31"])("signal %j is refused", (name) => {
  expect(() => signalNumber(name)).toThrow("invalid signal");
});

const DOCKER_DEFAULT = 0xa80425fbn;
const NET_ADMIN = 1n << 12n;
const CHOWN = 1n;
// As many as this process has to give.
const ALL = BigInt(`0x${/^CapPrm:\s*(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]}`);
test.each([
  [[], [], DOCKER_DEFAULT],
  [["NET_ADMIN"], [], DOCKER_DEFAULT | NET_ADMIN],
  [["cap_net_admin"], ["CAP_CHOWN"], (DOCKER_DEFAULT | NET_ADMIN) & ~CHOWN],
  [["ALL"], [], ALL],
  [["ALL"], ["CHOWN"], ALL & ~CHOWN],
  [[], ["ALL"], 0n],
  [["CHOWN"], ["ALL"], CHOWN],
])("capabilities +%j -%j", (add, drop, expected) => {
  expect(capabilityMask({ add, drop })).toBe(expected);
});

const HYBRID = `
25 30 0:23 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
26 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct
27 25 0:25 / /sys/fs/cgroup/memory\\040here rw,relatime - cgroup cgroup rw,memory
28 25 0:26 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
29 25 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
99 25 0:25 / /elsewhere/memory rw,relatime - cgroup cgroup rw,memory
`;
const PURE = "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";

test("hierarchies are found in mountinfo", () => {
  const hybrid = parseCgroupMounts(HYBRID);
  expect([...hybrid.legacy]).toEqual([
    ["cpu", "/sys/fs/cgroup/cpu,cpuacct"],
    ["cpuacct", "/sys/fs/cgroup/cpu,cpuacct"],
    ["memory", "/sys/fs/cgroup/memory here"],
    ["name=systemd", "/sys/fs/cgroup/systemd"],
  ]);
  expect(hybrid.unified).toBe("/sys/fs/cgroup/unified");
  expect(parseCgroupMounts(PURE)).toEqual({ legacy: new Map(), unified: "/sys/fs/cgroup" });
});

const LIMITS = { nanoCpus: 1_500_000_000, memoryBytes: 1 << 20, pids: 10 };

test("limits of version 2 are written into one group", () => {
  const layout = { ...parseCgroupMounts(PURE), unifiedControllers: ["memory", "cpu", "pids"], abilities: ALL_ABILITIES };
  expect(planCgroups(layout, "swarm/o/c", LIMITS)).toEqual({
    group: "swarm/o/c",
    groups: [
      {
        path: "/sys/fs/cgroup/swarm/o/c",
        isUnified: true,
        limits: [
          ["memory.max", "1048576"],
          ["memory.swap.max", "1048576"],
          ["pids.max", "10"],
          ["cpu.max", "150000 100000"],
        ],
      },
    ],
    outOfMemoryFile: "/sys/fs/cgroup/swarm/o/c/memory.events",
    freezer: { file: "/sys/fs/cgroup/swarm/o/c/cgroup.freeze", frozen: "1", thawed: "0" },
    visible: [{ name: "", path: "/sys/fs/cgroup/swarm/o/c" }],
  });
});

test("who is in the host's cgroup namespace sees all groups of version 2, and its own of version 1", () => {
  const [pure, hybrid] = [PURE, HYBRID].map((mounts) => {
    const layout = { ...parseCgroupMounts(mounts), unifiedControllers: [], abilities: ALL_ABILITIES };
    return planCgroups(layout, "swarm/o/c", LIMITS);
  });
  expect(withGroupsOfHost(pure!)).toEqual({ ...pure, visible: [{ name: "", path: "/sys/fs/cgroup" }] });
  expect(withGroupsOfHost(hybrid!)).toEqual(hybrid);
});

test("limits of version 1 are written where their controllers are, and version 2 only holds the processes", () => {
  const layout = { ...parseCgroupMounts(HYBRID), unifiedControllers: [], abilities: ALL_ABILITIES };
  const plan = planCgroups(layout, "swarm/o/c", LIMITS);
  expect(plan.groups).toEqual([
    {
      path: "/sys/fs/cgroup/memory here/swarm/o/c",
      isUnified: false,
      limits: [
        ["memory.limit_in_bytes", "1048576"],
        ["memory.memsw.limit_in_bytes", "2097152"],
      ],
    },
    {
      path: "/sys/fs/cgroup/cpu,cpuacct/swarm/o/c",
      isUnified: false,
      limits: [
        ["cpu.cfs_period_us", "100000"],
        ["cpu.cfs_quota_us", "150000"],
      ],
    },
    { path: "/sys/fs/cgroup/unified/swarm/o/c", isUnified: true, limits: [] },
  ]);
  expect(plan.outOfMemoryFile).toBe("/sys/fs/cgroup/memory here/swarm/o/c/memory.oom_control");
});

test("no limit writes nothing, and the least processor time is the kernel's", () => {
  const layout = { ...parseCgroupMounts(PURE), unifiedControllers: ["memory", "cpu", "pids"], abilities: ALL_ABILITIES };
  expect(planCgroups(layout, "g", { nanoCpus: 0, memoryBytes: 0, pids: 0 }).groups[0]?.limits).toEqual([]);
  expect(planCgroups(layout, "g", { nanoCpus: 1, memoryBytes: 0, pids: 0 }).groups[0]?.limits).toEqual([["cpu.max", "1000 100000"]]);
});

test.each([
  [{ entrypoint: [], command: [] }, ["entry", "default"]],
  [{ entrypoint: [], command: ["mine"] }, ["entry", "mine"]],
  [{ entrypoint: ["other"], command: [] }, ["other"]],
  [{ entrypoint: ["other"], command: ["mine"] }, ["other", "mine"]],
  [{ entrypoint: [""], command: ["mine"] }, ["mine"]],
])("arguments for %j", (changes, args) => {
  const image = { ...EMPTY_CONFIG, entrypoint: ["entry"], command: ["default"] };
  expect(planProcess(containerConfig(changes), image).args).toEqual(args);
});

test.each([
  { env: ["A=\0mount=bind"] },
  { workingDir: "/\0mount=bind" },
  { user: "0\0mount=bind" },
  { command: ["a\0mount=bind"] },
  { stopSignal: "9\0mount=bind" },
])("an image cannot end a record of the request and begin one of its own: %j", (image) => {
  expect(() => planProcess(containerConfig({ command: [] }), { ...EMPTY_CONFIG, command: ["a"], ...image })).toThrow(
    /^(args|env|workingDir|user|stopSignal) of container test-\w+ \(image busybox\) contains a NUL character$/,
  );
});

test("the last of a variable's values wins, and a bare name takes it out", () => {
  const image = { ...EMPTY_CONFIG, env: ["A=1", "B=1", "PATH=/only"] };
  const { env } = planProcess(containerConfig({ env: ["A=2", "B", "C="], hostname: "h" }), image);
  expect(env).toEqual(["PATH=/only", "HOSTNAME=h", "A=2", "C="]);
});

test("a container without a name for its machine has its short id, or the host's name on the host's network", () => {
  const nameOf = (changes: object) => planProcess(containerConfig({ command: ["x"], ...changes }), EMPTY_CONFIG).hostname;
  expect(nameOf({ id: "a".repeat(64) })).toBe("a".repeat(12));
  expect(nameOf({ network: "host" })).toBe(hostname());
  expect(nameOf({ network: "host", hostname: "mine" })).toBe("mine");
});

test("limits take Docker's names; negative is unlimited", () => {
  const limits = planRlimits([
    { name: "nproc", soft: 10, hard: -1 },
    { name: "nofile", soft: 5, hard: 6 },
  ]);
  expect(limits).toEqual([
    { resource: 6, soft: 10n, hard: 2n ** 64n - 1n },
    { resource: 7, soft: 5n, hard: 6n },
  ]);
  expect(planRlimits([])).toMatchObject([{ resource: 7 }]);
  expect(() => planRlimits([{ name: "openfiles", soft: 1, hard: 1 }])).toThrow("invalid ulimit type: openfiles");
});

const OWN = { isHostNetwork: false, isHostIpc: false, isRemapped: false };
test("kernel settings are those of the container's own namespaces", () => {
  expect(planSysctls({ "net.core.somaxconn": "5", "kernel.shmmax": "1", "fs.mqueue.msg_max": "1" }, OWN)).toMatchObject({ "net.core.somaxconn": "5" });
  expect(planSysctls({}, { ...OWN, isHostNetwork: true })).toEqual({});
  for (const name of ["kernel.shmmax", "fs.mqueue.msg_max"])
    expect(() => planSysctls({ [name]: "5" }, { ...OWN, isHostIpc: true })).toThrow(`sysctl "${name}" not allowed in host ipc namespace`);
  expect(() => planSysctls({ "net.core.somaxconn": "5" }, { ...OWN, isHostNetwork: true })).toThrow("not allowed in host network");
  expect(planSysctls({}, { ...OWN, isRemapped: true })).toEqual({ "net.ipv4.ip_unprivileged_port_start": "0" });
  expect(() => planSysctls({ "vm.swappiness": "5" }, OWN)).toThrow("not in a separate kernel namespace");
});

test("resolvers of the host's own loopback are left out", () => {
  const config = containerConfig();
  expect(resolvConfText(config, "nameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch a b\noptions edns0\n")).toBe(
    "nameserver 192.0.2.1\nsearch a b\noptions edns0\n",
  );
  expect(resolvConfText(config, "nameserver 127.0.0.53\n")).toBe("nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
  expect(resolvConfText(containerConfig({ network: "host" }), "nameserver 127.0.0.53\n")).toBe("nameserver 127.0.0.53\n");
  expect(resolvConfText(containerConfig({ dns: { nameservers: ["::2"], search: ["."], options: [] } }), "search x\n")).toBe("nameserver ::2\n");
});

test.each([
  ["tabs", "nameserver\t192.0.2.1\nsearch\ta\t b\noptions\tedns0\n", "nameserver 192.0.2.1\nsearch a b\noptions edns0\n"],
  ["a domain", "domain corp.test\nnameserver 192.0.2.1\n", "nameserver 192.0.2.1\nsearch corp.test\n"],
  ["a domain before the last search", "domain a.test\nsearch b.test c.test\nnameserver 192.0.2.1\n", "nameserver 192.0.2.1\nsearch b.test c.test\n"],
  ["IPv6", "nameserver 2001:db8::1\nnameserver fe80::1%eth0\nnameserver 192.0.2.1\n", "nameserver 192.0.2.1\n"],
  ["a comment", "# nameserver 192.0.2.9\nnameserver 192.0.2.1 # ours\n", "nameserver 192.0.2.1\n"],
])("a host's resolv.conf with %s is understood", (_, text, expected) => {
  expect(resolvConfText(containerConfig(), text)).toBe(expected);
});

test("behind systemd-resolved's own resolver are those that it asks", async () => {
  const files = new Map([
    ["/etc/resolv.conf", "nameserver 127.0.0.53\nsearch a\n"],
    ["/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\nsearch a\n"],
  ]);
  const read = async (path: string) => files.get(path) ?? "";
  expect(await hostResolvConf(containerConfig(), read)).toBe("nameserver 192.0.2.1\nsearch a\n");
  expect(await hostResolvConf(containerConfig({ network: "host" }), read)).toBe("nameserver 127.0.0.53\nsearch a\n");
  files.set("/etc/resolv.conf", "nameserver 127.0.0.53\nnameserver 192.0.2.7\n");
  expect(await hostResolvConf(containerConfig(), read)).toBe("nameserver 127.0.0.53\nnameserver 192.0.2.7\n");
  files.set("/etc/resolv.conf", "nameserver 127.0.0.53\n");
  files.delete("/run/systemd/resolve/resolv.conf");
  expect(await hostResolvConf(containerConfig(), read)).toBe("nameserver 127.0.0.53\n");
});

test.each([
  ["box", "", "box"],
  ["box", "example.org", "box.example.org box"],
  ["box.example.org", "", "box.example.org box"],
  ["box.example", "org", "box.example.org box"],
])("the own names of host %j in domain %j are %j, at the own address", (hostname, domainname, names) => {
  const network = { bridge: "b", hostInterface: "h", macAddress: "02:42:0a:00:00:02", address: "10.0.0.2/24", gateway: "10.0.0.1", mtu: 1500 };
  expect(hostsText(containerConfig({ network, domainname }), { hostname, hostGateway: "" }).split("\n").at(-2)).toBe(`10.0.0.2\t${names}`);
});

test("a request is its length and its records", () => {
  const config = containerConfig({ command: ["a b", "c=d"], env: ["E=ü"] });
  const process = planProcess(config, EMPTY_CONFIG);
  const paths = containerPaths({ dataRoot: "/data", execRoot: "/run" }, config.id);
  const cgroups = { group: "g", groups: [], outOfMemoryFile: "", freezer: null, visible: [] };
  const plan = planLog(
    { driver: "json-file", options: { "max-size": "1m", "max-file": "3", compress: "true", labels: "a" } },
    { ...LOG_SOURCE, labels: { a: "b" } },
  );
  const log = { plan, path: "/data/log", compressorPath: "/compress" };
  const own = { log, seccomp: { path: "/f", flags: 4 }, devices: [], initPath: "/init", joined: [], maps: null, attachers: 0 };
  const request = encodeLaunch({ config, process, paths, layers: ["/l1", "/l2"], cgroups, ...own });
  expect(request.readUInt32LE()).toBe(request.length - 4);
  const records = request.subarray(4).toString("utf8").split("\0");
  expect(records).toEqual(
    expect.arrayContaining([
      `id=${config.id}`,
      "arg=a b",
      "arg=c=d",
      "env=E=ü",
      "layer=/l1",
      "layer=/l2",
      "net=none",
      "seccomp=/f",
      "log.size=1048576",
      "log.files=3",
      'log.attributes={"a":"b"}',
      "log.compressor=/compress",
    ]),
  );
  expect(records.at(-1)).toBe("");
  expect(() => encodeLaunch({ config: { ...config, domainname: "a\0capabilities=1" }, process, paths, layers: [], cgroups, ...own })).toThrow(
    'setting "domainname" contains a NUL character',
  );
});

test("a socket that would not fit is refused", () => {
  expect(() => containerPaths({ dataRoot: "/d", execRoot: `/${"x".repeat(80)}` }, "a".repeat(64))).toThrow("too long");
});

test("exit records and log entries are parsed, and damage is told from them", () => {
  const text = '{"exitCode":3,"isOutOfMemory":true,"pid":9,"startedAtNs":"1795250000123456789","finishedAtNs":"1795250001999999999"}   ';
  expect(parseOutcome(text)).toEqual({ type: "exited", exit: { exitCode: 3, isOutOfMemory: true, finishedAtMs: 1795250001999 }, startedAtMs: 1795250000123 });
  expect(parseOutcome('{"error":"exec: no"}')).toEqual({ type: "failed", reason: "exec: no" });
  for (const damaged of ["", "{", "{}", "null", '{"exitCode":"3"}']) expect(() => parseOutcome(damaged)).toThrow("damaged");
  const entry = '{"log":"a\\n","stream":"stderr","time":"2026-01-02T03:04:05.5Z"}';
  expect(parseLogEntry(entry)).toEqual({
    stream: "stderr",
    timestampNs: BigInt(Date.UTC(2026, 0, 2, 3, 4, 5, 500)) * 1_000_000n,
    data: Buffer.from("a\n"),
    attributes: {},
  });
  for (const damaged of [entry.slice(0, 20), "", "7", '{"log":1}', entry.replace("stderr", "other"), entry.replace("Z", "+01:00")])
    expect(parseLogEntry(damaged)).toBeNull();
});
