import { execFileSync } from "node:child_process";
import { existsSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ContainerWorld, PLAIN_EXEC } from "../../support/container-world.js";
import { until } from "../../support/until.js";

const PEERS = ["runc", "crun"].map(
  (name) => [name, execFileSync("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${name}`], { encoding: "utf8" }).trim()] as const,
);
const RUNTIMES = { byName: Object.fromEntries(PEERS.map(([name, path]) => [name, { path, args: [] }])), defaultName: "swarm-shim" };
const KINDS = ["pid", "ipc", "uts", "mnt", "net", "cgroup"];

describe.each(["", ...PEERS.map(([name]) => name)])("containers in namespaces of others, by %j", (runtime) => {
  let world: ContainerWorld;
  beforeAll(async () => {
    world = await ContainerWorld.open({ runtimes: RUNTIMES });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const pidOf = (id: string) => world.runtime.inspect(id)?.pid ?? 0;
  const shared = (one: string, other: string) =>
    KINDS.filter((kind) => readlinkSync(`/proc/${pidOf(one)}/ns/${kind}`) === readlinkSync(`/proc/${pidOf(other)}/ns/${kind}`));
  const said = async (id: string, script: string) => {
    const { stream, ended } = await world.runtime.exec(id, {
      ...PLAIN_EXEC,
      args: ["sh", "-c", script],
      streams: { stdin: false, stdout: true, stderr: false },
    });
    const parts: Buffer[] = [];
    for await (const part of stream ?? []) parts.push(part as Buffer);
    expect(await ended).toBe(0);
    return Buffer.concat(parts).toString();
  };

  test("they share what they ask for, and all else is their own", async () => {
    const other = await world.startReady({ runtime, ipc: "shareable", command: ["sh", "-c", "echo common >/dev/shm/f; echo ready; exec sleep 100123"] });
    const network = { container: other };
    for (const [change, kinds] of [
      [{ joins: { pid: other } }, ["pid"]],
      [{ joins: { ipc: other } }, ["ipc"]],
      [{ joins: { pid: other, ipc: other }, network }, ["pid", "ipc", "net"]],
    ] as const) {
      const id = await world.startReady({ runtime, ...change });
      expect(shared(id, other)).toEqual(kinds);
      const sees = await said(id, "cat /dev/shm/f 2>/dev/null; echo; cat /proc/[0-9]*/cmdline");
      expect(sees.includes("common")).toBe((kinds as readonly string[]).includes("ipc"));
      expect(sees.includes("100123")).toBe((kinds as readonly string[]).includes("pid"));
      await world.runtime.remove(id, { force: true });
    }
    expect(await said(other, "touch /dev/shm/g && ls /dev/shm")).toMatch(/f\ng/);
    await world.runtime.remove(other, { force: true });
  });

  test("who is among another's processes leaves none behind, and ends with them", async () => {
    const other = await world.startReady({ runtime });
    const joins = { pid: other };
    const first = await world.start({ runtime, joins, command: ["sh", "-c", "sleep 100000 & exit 3"] });
    expect(await world.runtime.wait(first)).toMatchObject({ exitCode: 3 });
    await until("its groups are gone", () => !world.cgroups().some((path) => path.endsWith(first.slice(0, 32))));
    expect(await said(other, "cat /proc/[0-9]*/cmdline")).not.toContain("100000");
    const second = await world.startReady({ runtime, joins });
    const pid = pidOf(second);
    await world.runtime.kill(other, "SIGKILL");
    expect(await world.runtime.wait(second)).toMatchObject({ exitCode: 137 });
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await world.runtime.wait(other);
    await expect(world.runtime.start(second)).rejects.toMatchObject({ code: "conflict", message: `cannot join PID of a non running container: ${other}` });
    // It can once the other one runs again.
    await world.runtime.start(other);
    await world.runtime.start(second);
    expect(shared(second, other)).toEqual(["pid"]);
    await world.runtime.remove(second, { force: true });
    await world.runtime.remove(other, { force: true });
    await expect(world.runtime.start(first)).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining(`No such container: ${other}`) });
    await world.runtime.remove(first);
  });

  test("memory is shared by who says so alone; who has none has no place for it", async () => {
    const other = await world.startReady({ runtime });
    const id = await world.create({ runtime, joins: { ipc: other } });
    await expect(world.runtime.start(id)).rejects.toMatchObject({
      code: "conflict",
      message: `can't join IPC of container ${other}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    });
    await world.runtime.stop(other, 0);
    await expect(world.runtime.start(id)).rejects.toThrow(`can't join IPC of container ${other}: container ${other} is not running`);
    expect((await world.run("mount | grep -c ' /dev/shm '; ls -d /dev/shm 2>/dev/null", { runtime, ipc: "none" })).output).toBe("0\n");
    await world.runtime.remove(id);
    await world.runtime.remove(other);
  });

  test("who is in the host's cgroup namespace sees where it is", async () => {
    const id = await world.startReady({ runtime, hostNamespaces: ["cgroup"] });
    expect(readlinkSync(`/proc/${pidOf(id)}/ns/cgroup`)).toBe(readlinkSync("/proc/self/ns/cgroup"));
    expect(await said(id, "cat /proc/1/cgroup")).toContain(`/${id.slice(0, 32)}`);
    await world.runtime.remove(id, { force: true });
  });
});
