import { describe, expect, test } from "vitest";
import { USAGE_COLUMNS, usageRows } from "../../../src/cli/container/disk-usage.js";
import { containerColumns } from "../../../src/cli/container/list.js";
import { portWords } from "../../../src/cli/container/port-words.js";
import { binarySizeText, cpuPercent, memoryBytes, statsColumns } from "../../../src/cli/container/stats.js";
import { framesOf } from "../../../src/cli/multiplexed.js";
import { listText, table } from "../../../src/cli/output.js";
import { Readable } from "node:stream";

const port = (PrivatePort: number, PublicPort?: number, IP = PublicPort === undefined ? "" : "0.0.0.0", Type = "tcp") => ({
  IP,
  PrivatePort,
  Type,
  ...(PublicPort === undefined ? {} : { PublicPort }),
});

test.each([
  [[], ""],
  [[port(80)], "80/tcp"],
  [[port(80, 80)], "0.0.0.0:80->80/tcp"],
  [[port(80, 8080)], "0.0.0.0:8080->80/tcp"],
  [[port(81, 81), port(80, 80), port(82, 82)], "0.0.0.0:80-82->80-82/tcp"],
  [[port(80, 80), port(82, 82)], "0.0.0.0:80->80/tcp, 0.0.0.0:82->82/tcp"],
  [[port(80, 80), port(80, 80, "::"), port(81), port(90, 9090, "127.0.0.1", "udp")], "0.0.0.0:80->80/tcp, :::80->80/tcp, 81/tcp, 127.0.0.1:9090->90/udp"],
])("ports %j", (ports, expected) => {
  expect(portWords(ports)).toBe(expected);
});

const CONTAINER = {
  Id: "0123456789abcdef",
  Names: ["/web", "/other/link"],
  Image: "sha256:fedcba9876543210",
  ImageID: "sha256:fedcba9876543210",
  Command: "a command that is longer than twenty",
  Created: 0,
  Ports: null,
  Labels: { a: "b", c: "d" },
  State: "running",
  Status: "Up",
  SizeRw: 1234,
  SizeRootFs: 5_678_901,
  NetworkSettings: { Networks: { bridge: {} } },
  Mounts: [{ Name: "data", Source: "/x", Driver: "local" }, { Source: "/a/path/that/is/long" }],
};

test("what a listing shows of a container, and what a template can", () => {
  const text = (format: string, isWhole = false) => listText([CONTAINER], containerColumns({ isWhole, hasSize: true }), { format });
  const brief = '0123456789ab|fedcba987654|"a command that is l…"|web|1.23kB (virtual 5.68MB)|b|a=b,c=d|data,/a/path/that/i…|bridge|1\n';
  const format = '{{.ID}}|{{.Image}}|{{.Command}}|{{.Names}}|{{.Size}}|{{.Label "a"}}|{{.Labels}}|{{.Mounts}}|{{.Networks}}|{{.LocalVolumes}}';
  expect(text(format)).toBe(brief);
  expect(text("{{.ID}} {{.Image}} {{.Names}}", true)).toBe("0123456789abcdef sha256:fedcba9876543210 web,other/link\n");
  expect(text('table {{.Names}}\t{{.Label "tier"}}')).toBe("NAMES     tier\nweb\n");
  expect(JSON.parse(text("json"))).toMatchObject({ Names: "web", State: "running", Labels: "a=b,c=d" });
  expect(() => text("yaml")).toThrow('--format "yaml" is none of table, json and a template');
});

test("tables are as wide as docker's", () => {
  expect(
    table([
      ["A", "LONG TITLE", "LAST"],
      ["…", "x", "y"],
    ]),
  ).toBe("A         LONG TITLE   LAST\n…         x            y\n");
});

describe("stats", () => {
  const SAMPLE = {
    cpu_stats: { cpu_usage: { total_usage: 300 }, system_cpu_usage: 2000, online_cpus: 2 },
    precpu_stats: { cpu_usage: { total_usage: 200 }, system_cpu_usage: 1000 },
    memory_stats: { usage: 3 * 1024 * 1024, limit: 4 * 1024 * 1024, stats: { total_inactive_file: 1024 * 1024 } },
    pids_stats: { current: 7 },
    networks: { eth0: { rx_bytes: 1000, tx_bytes: 20 }, eth1: { rx_bytes: 500, tx_bytes: 0 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { op: "Read", value: 4096 },
        { op: "write", value: 1 },
      ],
    },
  };

  test("are shares of what there was", () => {
    expect(cpuPercent(SAMPLE)).toBe(20);
    expect(cpuPercent({ cpu_stats: SAMPLE.cpu_stats, precpu_stats: { cpu_usage: { total_usage: 400 }, system_cpu_usage: 1000 } })).toBe(0);
    expect(memoryBytes(SAMPLE)).toBe(2 * 1024 * 1024);
    const rows = [
      { id: "0123456789abcdef", name: "web", sample: SAMPLE },
      { id: "fedcba9876543210", name: "", sample: null },
    ];
    expect(listText(rows, statsColumns(false), { format: "{{.ID}} {{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.BlockIO}} {{.PIDs}}" })).toBe(
      "0123456789ab web 20.00% 2MiB / 4MiB 50.00% 1.5kB / 20B 4.1kB / 1B 7\nfedcba987654 -- -- -- / -- -- -- -- --\n",
    );
  });

  test.each([
    [0, "0B"],
    [1023, "1023B"],
    [1536, "1.5KiB"],
    [2 ** 30 * 1.2345, "1.234GiB"],
  ])("%d bytes are %s", (bytes, text) => {
    expect(binarySizeText(bytes)).toBe(text);
  });
});

test("what could be had back on the disk", () => {
  const image = (Containers: number, Size: number, SharedSize: number) => ({ Id: "i", RepoTags: null, Created: 0, Size, SharedSize, Containers });
  const usage = {
    LayersSize: 1000,
    Images: [image(1, 600, 100), image(0, 400, 0)],
    Containers: [
      { ...CONTAINER, SizeRw: 30 },
      { ...CONTAINER, State: "exited", SizeRw: 10 },
    ],
    Volumes: [
      { Name: "used", UsageData: { RefCount: 1, Size: 5 } },
      { Name: "free", UsageData: { RefCount: 0, Size: 15 } },
      { Name: "unknown", UsageData: null },
    ],
    BuildCache: [{ Size: 7, InUse: false, Shared: false }],
  };
  const format = "{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}";
  expect(listText(usageRows(usage), USAGE_COLUMNS, { format })).toBe(
    "Images 2 1 1kB 500B (50%)\nContainers 2 1 40B 10B (25%)\nLocal Volumes 3 1 20B 15B (75%)\nBuild Cache 1 0 7B 7B\n",
  );
});

test("frames are whole however the stream is cut", async () => {
  const bytes = Buffer.from([1, 0, 0, 0, 0, 0, 0, 2, 104, 105, 2, 0, 0, 0, 0, 0, 0, 1, 33]);
  for (const size of [1, 3, 8, 100]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
    const frames: string[] = [];
    for await (const { stream, payload } of framesOf(Readable.from(pieces))) frames.push(`${stream} ${payload}`);
    expect(frames).toEqual(["1 hi", "2 !"]);
  }
});
