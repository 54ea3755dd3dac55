import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ContainerResources } from "../../../src/runtime/container-config.js";
import { giveRealtime, type RealtimeTime } from "../../../src/runtime/realtime-budget.js";
import { ContainerWorld } from "../../support/container-world.js";

const CPU = "/sys/fs/cgroup/cpu";
const hasRealtime = existsSync(`${CPU}/cpu.rt_runtime_us`);
const RUNC = { byName: { runc: { path: "/usr/sbin/runc", args: [] } }, defaultName: "swarm-shim" };

describe.runIf(hasRealtime)("real-time processor time", () => {
  let world: ContainerWorld;
  beforeEach(async () => {
    world = await ContainerWorld.open({ runtimes: RUNC });
  });
  afterEach(() => world[Symbol.asyncDispose]());

  const setting = (group: string, file = "cpu.rt_runtime_us") => Number(readFileSync(join(CPU, world.cgroup, group, file), "utf8"));
  const reopen = (runtimeUs: number, periodUs = 1_000_000) => {
    world.realtime = { runtimeUs, periodUs };
    return world.reopen();
  };
  const rt = (runtimeUs: number, periodUs?: number): ContainerResources => ({
    nanoCpus: 0,
    memoryBytes: 0,
    pids: 0,
    cpuRealtimeRuntimeUs: runtimeUs,
    ...(periodUs === undefined ? {} : { cpuRealtimePeriodUs: periodUs }),
  });
  /** By a policy that only a group with such time may have. */
  const makeRealtime = (id: string) => execFileSync("chrt", ["--fifo", "--pid", "1", String(world.runtime.inspect(id)?.pid)], { stdio: "pipe" });

  test.each(["", "runc"])("is had by containers of %j, to what was given to all of them", async (runtime) => {
    const none = await world.startReady({ runtime });
    expect(() => makeRealtime(none)).toThrow(/Operation not permitted/);
    await reopen(30_000);
    expect([setting(""), setting("nested"), setting("nested/own")]).toEqual([30_000, 30_000, 30_000]);
    const id = await world.startReady({ runtime, resources: rt(10_000, 500_000) });
    expect([setting(`nested/own/${id.slice(0, 32)}`), setting(`nested/own/${id.slice(0, 32)}`, "cpu.rt_period_us")]).toEqual([10_000, 500_000]);
    makeRealtime(id);
    const second = await world.create({ runtime, resources: rt(10_001) });
    await expect(world.runtime.start(second)).rejects.toMatchObject({
      code: "failed_precondition",
      message: `10001 of 1000000 microseconds of real-time processor time are more than what is left in ${CPU}/${world.cgroup}/nested/own: 30000 of 1000000 for all containers, 20000 of them given away (the daemon's setting cpu-rt-runtime)`,
    });
    await world.runtime.update(second, { resources: rt(10_000) });
    await world.runtime.start(second);
    await expect(world.runtime.update(second, { resources: rt(15_000) })).rejects.toThrow(/^15000 of 1000000 microseconds .* 20000 of them given away/);
    await world.runtime.update(second, { resources: rt(5_000) });
    expect(setting(`nested/own/${second.slice(0, 32)}`)).toBe(5_000);
  });

  test("of a container that asks for some is refused while the daemon has none, or gave less than is used", async () => {
    const id = await world.create({ resources: rt(10_000) });
    await expect(world.runtime.start(id)).rejects.toThrow(/: 0 of 1000000 for all containers, 0 of them given away/);
    await reopen(20_000);
    await world.runtime.start(id);
    await expect(reopen(5_000)).rejects.toThrow(/5000 of 1000000 microseconds are more than .* or less than what containers in it have: EINVAL/);
    await reopen(10_000);
    await reopen(20_000, 500_000);
    expect([setting("nested/own"), setting("nested/own", "cpu.rt_period_us"), setting("nested")]).toEqual([20_000, 500_000, 40_000]);
    await reopen(15_000);
    expect([setting("nested/own"), setting("nested/own", "cpu.rt_period_us")]).toEqual([15_000, 1_000_000]);
  });

  test("of another daemon's containers under the same parent is left to them", async () => {
    const groups = { legacy: new Map([["cpu", CPU]]), unified: null };
    const others = ["a", "b", "c"].map((name) => `${world.cgroup}/nested/${name}`);
    for (const path of others) mkdirSync(join(CPU, path));
    try {
      await reopen(10_000);
      await Promise.all(others.map((path) => giveRealtime(groups, path, { runtimeUs: 5_000, periodUs: 500_000 })));
      expect([setting("nested/own"), setting("nested/a"), setting("nested"), setting("")]).toEqual([10_000, 5_000, 40_000, 40_000]);
      const all: RealtimeTime = { runtimeUs: 1_000_000, periodUs: 1_000_000 };
      await expect(giveRealtime(groups, others[0] ?? "", all)).rejects.toThrow(
        /^cpu-rt-runtime and cpu-rt-period cannot be kept here: 1000000 of 1000000 .*more/,
      );
      expect(setting("nested/a")).toBe(5_000);
    } finally {
      for (const path of others) rmSync(join(CPU, path), { recursive: true });
    }
  });
});

describe("a kernel without", () => {
  const time = { runtimeUs: 1, periodUs: 2 };

  test("real-time limits is named, with the folder", async () => {
    const folder = mkdtempSync(join(tmpdir(), "realtime-"));
    try {
      mkdirSync(join(folder, "swarm"));
      const layout = { legacy: new Map([["cpu", folder]]), unified: null };
      await expect(giveRealtime(layout, "swarm", time)).rejects.toMatchObject({
        code: "failed_precondition",
        message: `cpu-rt-runtime and cpu-rt-period cannot be kept here: this kernel has no CONFIG_RT_GROUP_SCHED (there is no cpu.rt_runtime_us in ${folder}/swarm)`,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("version 1 is too", async () => {
    await expect(giveRealtime({ legacy: new Map(), unified: "/sys/fs/cgroup" }, "swarm", time)).rejects.toThrow(
      /the cpu controller of cgroup version 1 is not mounted, and version 2 has no such limits$/,
    );
  });
});
