import { expect, test } from "vitest";
import { changedResources, resourcesFromDocker, resourcesOfContainer } from "../../../src/api/http/convert/container-resources.js";
import { parseCpuset } from "../../../src/api/http/convert/cpuset.js";
import { ALL_ABILITIES, NO_ABILITIES } from "../../support/resource-abilities.js";
import { Fields } from "../../../src/api/http/convert/fields.js";

const MB = 1024 * 1024;
const NONE = { nanoCpus: 0, memoryBytes: 0, pids: 0 };

test.each([
  [{}, NONE],
  [
    { Memory: 10 * MB, MemorySwap: -1, PidsLimit: -1 },
    { ...NONE, memoryBytes: 10 * MB, memorySwapBytes: -1 },
  ],
  [
    { CpuPeriod: 5000, CpuQuota: 2500, CpuShares: 2, PidsLimit: 4 },
    { ...NONE, pids: 4, cpuPeriodUs: 5000, cpuQuotaUs: 2500, cpuShares: 2 },
  ],
  [
    { CpusetCpus: "0,2-3", CpusetMems: "0", CpuRealtimePeriod: 9000, CpuRealtimeRuntime: 100 },
    { ...NONE, cpusetCpus: "0,2-3", cpusetMems: "0", cpuRealtimePeriodUs: 9000, cpuRealtimeRuntimeUs: 100 },
  ],
  [{ MemorySwappiness: -1, OomKillDisable: false }, NONE],
  [
    { Memory: 10 * MB, MemorySwappiness: 0, OomKillDisable: true, KernelMemoryTCP: 4096 },
    { ...NONE, memoryBytes: 10 * MB, memorySwappiness: 0, isOutOfMemoryKillDisabled: true, kernelMemoryTcpBytes: 4096 },
  ],
  [
    { BlkioWeight: 300, BlkioWeightDevice: [{ Path: "/dev/sda", Weight: 10 }], BlkioDeviceReadBps: [], BlkioDeviceWriteIOps: [{ Path: "/dev/sda", Rate: 5 }] },
    { ...NONE, diskWeight: 300, disks: { weight: [{ path: "/dev/sda", value: 10 }], writeOperations: [{ path: "/dev/sda", value: 5 }] } },
  ],
])("made with %j", (body, expected) => {
  expect(resourcesFromDocker(new Fields(body, ""), ALL_ABILITIES)).toEqual({ resources: expected, warnings: [] });
});

test.each([
  [{ Memory: MB }, "Minimum memory limit allowed is 6MB"],
  [{ MemorySwap: 10 * MB }, "You should always set the Memory limit"],
  [{ Memory: 10 * MB, MemorySwap: 9 * MB }, "Minimum memoryswap limit should be larger"],
  [{ Memory: 10 * MB, MemorySwap: -2 }, "invalid MemorySwap -2"],
  [{ Memory: 10 * MB, MemoryReservation: 11 * MB }, "memory reservation"],
  [{ NanoCpus: 1, CpuQuota: 1000 }, "Nano CPUs and CPU Quota cannot both"],
  [{ NanoCpus: 1, CpuPeriod: 1000 }, "Nano CPUs and CPU Period cannot both"],
  [{ CpuPeriod: 10 }, "CPU cfs period"],
  [{ CpuQuota: 10 }, "CPU cfs quota"],
  [{ CpuShares: 1 }, "invalid CpuShares 1"],
  [{ NanoCpus: 4_000_000_001 }, "Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"],
  [{ CpusetCpus: "0,4" }, "Requested CPUs are not available - requested 0,4, available: 0-3"],
  [{ CpusetMems: "1" }, "Requested memory nodes are not available - requested 1, available: 0"],
  [{ CpusetCpus: "1-x" }, "Invalid value 1-x for cpuset cpus: invalid format: 1-x"],
  [{ CpusetMems: "2-1" }, "Invalid value 2-1 for cpuset mems: invalid format: 2-1"],
  [{ MemorySwappiness: 101 }, "Invalid value: 101, valid memory swappiness range is 0-100"],
  [{ MemorySwappiness: -2 }, "Invalid value: -2, valid memory swappiness range is 0-100"],
  [{ BlkioWeight: 9 }, "Range of blkio weight is from 10 to 1000"],
  [{ BlkioWeightDevice: [{ Path: "/dev/sda", Weight: 1001 }] }, 'Range of blkio weight is from 10 to 1000, for device "/dev/sda" it is 1001'],
  [{ BlkioDeviceReadBps: [{ Path: "sda", Rate: 1 }] }, 'bad format for device path in BlkioDeviceReadBps: "sda"'],
  [{ BlkioDeviceReadBps: [{ Path: "/dev/sda", Rate: -1 }] }, "BlkioDeviceReadBps[0].Rate must be"],
  [{ CpuRealtimePeriod: 1000, CpuRealtimeRuntime: 1001 }, "CPU real-time runtime 1001 cannot be higher than the period 1000"],
])("refused: %j", (body, message) => {
  expect(() => resourcesFromDocker(new Fields(body, ""), ALL_ABILITIES)).toThrow(message);
});

test.each([
  [{}, { memoryBytes: 10 * MB, pids: 3 }, { memoryBytes: 10 * MB, pids: 3 }],
  [
    { Memory: 20 * MB, PidsLimit: null },
    { memoryBytes: 10 * MB, pids: 3 },
    { memoryBytes: 20 * MB, pids: 3 },
  ],
  [{ PidsLimit: 0 }, { pids: 3 }, { pids: -1 }],
  [{ CpuShares: 5 }, { nanoCpus: 7 }, { nanoCpus: 7, cpuShares: 5 }],
  [
    { CpusetCpus: "1", OomKillDisable: false },
    { cpusetMems: "0", isOutOfMemoryKillDisabled: true },
    { cpusetCpus: "1", cpusetMems: "0", isOutOfMemoryKillDisabled: false },
  ],
  [
    { BlkioDeviceReadBps: [{ Path: "/dev/b", Rate: 2 }] },
    { disks: { readBytes: [{ path: "/dev/a", value: 1 }] } },
    {
      disks: {
        readBytes: [
          { path: "/dev/a", value: 1 },
          { path: "/dev/b", value: 2 },
        ],
      },
    },
  ],
])("changed by %j", (body, before, after) => {
  const { resourcesOf, warnings } = changedResources(new Fields(body, ""), ALL_ABILITIES);
  expect([resourcesOf({ ...NONE, ...before }), warnings]).toEqual([{ ...NONE, ...after }, []]);
});

test.each([
  [{ NanoCpus: 5 }, { cpuQuotaUs: 1000 }, "Nano CPUs cannot be updated"],
  [{ CpuQuota: 5000 }, { nanoCpus: 5 }, "CPU Period and CPU Quota cannot be updated"],
  [{ Memory: 30 * MB }, { memoryBytes: 10 * MB, memorySwapBytes: 20 * MB }, "update the memoryswap at the same time"],
])("contradicts what it has: %j", (body, before, message) => {
  const { resourcesOf } = changedResources(new Fields(body, ""), ALL_ABILITIES);
  expect(() => resourcesOf({ ...NONE, ...before })).toThrow(message);
});

test.each<readonly [object, readonly string[]]>([
  [{ OomKillDisable: true }, ["OOM killer is disabled for the container, but no memory limit is set"]],
  [{ KernelMemory: MB }, ["Your kernel does not support kernel memory limit"]],
])("kept, with a warning: %j", (body, warnings) => {
  expect(resourcesFromDocker(new Fields(body, ""), ALL_ABILITIES).warnings).toEqual(warnings.map((text) => expect.stringContaining(text)));
});

test("what the kernel does not have is left out, and told in Docker's words", () => {
  const rate = [{ Path: "/dev/sda", Rate: 1 }];
  const body = {
    ...{ Memory: 10 * MB, MemorySwap: 20 * MB, MemoryReservation: 7 * MB, MemorySwappiness: 5, KernelMemoryTCP: 1, OomKillDisable: true, PidsLimit: 5 },
    ...{ CpuShares: 5, CpuPeriod: 5000, CpuQuota: 5000, CpusetCpus: "0", BlkioWeight: 20, BlkioWeightDevice: [{ Path: "/dev/sda", Weight: 10 }] },
    ...{ BlkioDeviceReadBps: rate, BlkioDeviceWriteBps: rate, BlkioDeviceReadIOps: rate, BlkioDeviceWriteIOps: rate },
  };
  const { resources, warnings } = resourcesFromDocker(new Fields(body, ""), NO_ABILITIES);
  expect(resources).toEqual(NONE);
  expect(warnings).toHaveLength(17);
  expect(warnings).toContain("Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.");
  expect(warnings).toContain("Your kernel does not support IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded.");
  const nothing = { MemorySwap: -1, MemorySwappiness: -1, OomKillDisable: false, PidsLimit: -1 };
  expect(resourcesFromDocker(new Fields(nothing, ""), NO_ABILITIES).warnings).toEqual([]);
});

test.each([
  [{ CpuRealtimeRuntime: 1 }, "Your kernel does not support CPU real-time scheduler"],
  [{ NanoCpus: 1 }, "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler"],
])("refused where the kernel has no such thing: %j", (body, message) => {
  expect(() => resourcesFromDocker(new Fields(body, ""), NO_ABILITIES)).toThrow(message);
});

test("inspect shows them as they were asked for", () => {
  const body = { CpusetCpus: "0", MemorySwappiness: 7, BlkioWeight: 20, BlkioDeviceReadBps: [{ Path: "/dev/sda", Rate: 9 }], OomKillDisable: true };
  const { resources } = resourcesFromDocker(new Fields(body, ""), ALL_ABILITIES);
  expect(resourcesOfContainer(resources)).toMatchObject({ ...body, CpusetMems: "", BlkioWeightDevice: null, CpuRealtimePeriod: 0 });
});

test.each([
  ["", []],
  ["0", [0]],
  ["0-2,5,7-7", [0, 1, 2, 5, 7]],
  ["8193", null],
  ["1,", null],
  ["a", null],
])("the list %j", (list, numbers) => {
  const parsed = parseCpuset(list);
  expect(parsed === null ? null : [...parsed]).toEqual(numbers);
});
