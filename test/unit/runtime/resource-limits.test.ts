import { expect, test } from "vitest";
import { changedDisks, withDeviceNumbers } from "../../../src/runtime/disk-limits.js";
import { legacyLimits, unifiedLimits } from "../../../src/runtime/resource-limits.js";
import { ALL_ABILITIES } from "../../support/resource-abilities.js";

const NONE = { nanoCpus: 0, memoryBytes: 0, pids: 0 };

test.each([
  [{}, []],
  [{ memoryBytes: 100 }, ["memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=200"]],
  [{ memoryBytes: 100, memorySwapBytes: 100 }, ["memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=100"]],
  [{ memoryBytes: 100, memorySwapBytes: -1 }, ["memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=-1"]],
  [{ memoryReservationBytes: 50 }, ["memory.soft_limit_in_bytes=50"]],
  [{ pids: 7 }, ["pids.max=7"]],
  [{ pids: -1 }, ["pids.max=max"]],
  [{ nanoCpus: 500_000_000 }, ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000"]],
  [{ cpuQuotaUs: 2000 }, ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=2000"]],
  [{ cpuQuotaUs: -1, cpuPeriodUs: 5000 }, ["cpu.cfs_period_us=5000", "cpu.cfs_quota_us=-1"]],
  [{ cpuShares: 512 }, ["cpu.shares=512"]],
  [{ cpuRealtimePeriodUs: 9000, cpuRealtimeRuntimeUs: 100 }, ["cpu.rt_period_us=9000", "cpu.rt_runtime_us=100"]],
  [{ cpusetCpus: "0-1", cpusetMems: "0" }, ["cpuset.cpus=0-1", "cpuset.mems=0"]],
  [{ memorySwappiness: 0 }, ["memory.swappiness=0"]],
  [{ isOutOfMemoryKillDisabled: true }, ["memory.oom_control=1"]],
  [{ isOutOfMemoryKillDisabled: false }, ["memory.oom_control=0"]],
  [{ kernelMemoryTcpBytes: 4096 }, ["memory.kmem.tcp.limit_in_bytes=4096"]],
  [{ diskWeight: 300 }, ["blkio.bfq.weight=300"]],
  [
    { disks: { weight: [{ path: "8:0", value: 20 }], readBytes: [{ path: "8:0", value: 1024 }], writeOperations: [{ path: "8:16", value: 0 }] } },
    ["blkio.bfq.weight_device=8:0 20", "blkio.throttle.read_bps_device=8:0 1024", "blkio.throttle.write_iops_device=8:16 0"],
  ],
])("limits of version 1: %j", (resources, expected) => {
  const limits = ["memory", "pids", "cpu", "freezer", "cpuset", "blkio"].flatMap((controller) =>
    legacyLimits(controller, { ...NONE, ...resources }, ALL_ABILITIES),
  );
  expect(limits.map(([file, text]) => `${file}=${text}`)).toEqual(expected);
});

test.each([
  [{}, []],
  [{ memoryBytes: 100 }, ["memory.max=100", "memory.swap.max=100"]],
  [{ memoryBytes: 100, memorySwapBytes: 150 }, ["memory.max=100", "memory.swap.max=50"]],
  [{ memoryBytes: 100, memorySwapBytes: -1 }, ["memory.max=100", "memory.swap.max=max"]],
  [{ memoryReservationBytes: 50 }, ["memory.low=50"]],
  [{ pids: -1 }, ["pids.max=max"]],
  [{ nanoCpus: 1_500_000_000 }, ["cpu.max=150000 100000"]],
  [{ cpuPeriodUs: 5000 }, ["cpu.max=max 5000"]],
  [{ cpuShares: 2 }, ["cpu.weight=1"]],
  [{ cpuShares: 1024 }, ["cpu.weight=39"]],
  [{ cpuShares: 262_144 }, ["cpu.weight=10000"]],
  [{ cpusetCpus: "0-1", cpusetMems: "0" }, ["cpuset.cpus=0-1", "cpuset.mems=0"]],
  [{ diskWeight: 10 }, ["io.weight=1"]],
  [{ diskWeight: 1000 }, ["io.weight=10000"]],
  [
    {
      disks: {
        weight: [
          { path: "8:0", value: 505 },
          { path: "8:16", value: 0 },
        ],
        readBytes: [{ path: "8:0", value: 1024 }],
        writeOperations: [{ path: "8:16", value: 0 }],
      },
    },
    ["io.weight=8:0 5000", "io.weight=8:16 default", "io.max=8:0 rbps=1024", "io.max=8:16 wiops=max"],
  ],
])("limits of version 2: %j", (resources, expected) => {
  const abilities = { hasSwap: true, diskWeight: { file: "io.weight", deviceFile: "io.weight" } };
  const limits = unifiedLimits(() => true, { ...NONE, ...resources }, abilities);
  expect(limits.map(([file, text]) => `${file}=${text}`)).toEqual(expected);
  expect(unifiedLimits(() => false, { ...NONE, ...resources }, abilities)).toEqual([]);
});

test("a change of one disk's limit takes the place of the earlier one", () => {
  const limit = (path: string, value: number) => ({ path, value });
  const before = { readBytes: [limit("/dev/a", 1), limit("/dev/b", 2)], weight: [limit("/dev/a", 10)] };
  expect(changedDisks(before, { readBytes: [limit("/dev/a", 0)], writeBytes: [limit("/dev/c", 3)] })).toEqual({
    weight: [limit("/dev/a", 10)],
    readBytes: [limit("/dev/b", 2), limit("/dev/a", 0)],
    writeBytes: [limit("/dev/c", 3)],
  });
});

test.each([
  ["/dev/no-such-disk", "it does not exist"],
  ["/dev/null", "it is no block device"],
])("%s has no limits", async (path, reason) => {
  const message = `limits of the device "${path}" cannot be set: ${reason}`;
  await expect(withDeviceNumbers({ ...NONE, disks: { readBytes: [{ path, value: 1 }] } })).rejects.toMatchObject({ code: "invalid_argument", message });
});
