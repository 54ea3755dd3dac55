import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ContainerWorld } from "../../support/container-world.js";
import { until } from "../../support/until.js";

const PEERS = ["runc", "crun"].map(
  (name) => [name, execFileSync("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${name}`], { encoding: "utf8" }).trim()] as const,
);
const RUNTIMES = { byName: Object.fromEntries(PEERS.map(([name, path]) => [name, { path, args: [] }])), defaultName: "swarm-shim" };
const KINDS = ["pid", "ipc", "uts", "mnt", "net", "cgroup"];

describe.each(["", ...PEERS.map(([name]) => name)])("containers in namespaces of the host, by %j", (runtime) => {
  let world: ContainerWorld;
  beforeAll(async () => {
    world = await ContainerWorld.open({ runtimes: RUNTIMES });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test.each([[[]], [["pid"]], [["ipc"]], [["uts"]], [["pid", "ipc", "uts"]]] as const)("%j are the host's, all others its own", async (hostNamespaces) => {
    const id = await world.startReady({ runtime, hostNamespaces });
    const { pid } = world.runtime.inspect(id) ?? { pid: 0 };
    const shared = KINDS.filter((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`) === readlinkSync(`/proc/self/ns/${kind}`));
    expect(shared).toEqual(hostNamespaces);
    // A program that joins it is where it is.
    const { ended, stream } = await world.runtime.exec(id, {
      ...{ args: ["sh", "-c", "readlink /proc/self/ns/pid; hostname"], env: [], workingDir: "", user: "", isPrivileged: false, isTerminal: false, size: null },
      streams: { stdin: false, stdout: true, stderr: false },
    });
    const parts: Buffer[] = [];
    for await (const part of stream ?? []) parts.push(part as Buffer);
    const said = Buffer.concat(parts).toString();
    expect(said).toContain(readlinkSync(`/proc/${pid}/ns/pid`));
    expect(said).toContain((hostNamespaces as readonly string[]).includes("uts") ? hostname() : id.slice(0, 12));
    expect(await ended).toBe(0);
    await world.runtime.remove(id, { force: true });
  });

  test("who is among the host's processes sees them, and leaves none behind", async () => {
    const id = await world.start({
      runtime,
      hostNamespaces: ["pid"],
      command: ["sh", "-c", `[ -d /proc/${process.pid} ] && echo sees; sleep 100000 & echo $!; exit 3`],
    });
    expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 3 });
    const [sees, left] = (await world.output(id)).split("\n");
    expect(sees).toBe("sees");
    await until("its other process has ended", () => !existsSync(`/proc/${left}`));
    await until("its groups are gone", () => !world.cgroups().some((path) => path.endsWith(id.slice(0, 32))));
    await world.runtime.remove(id);
  });

  test("who is among the host's processes leaves none behind in groups of its own either", async () => {
    const command = ["sh", "-c", "sleep 100000 & echo $!; trap 'exit 3' USR1; while :; do sleep 0.1; done"];
    const id = await world.start({ runtime, hostNamespaces: ["pid"], command });
    const left = (await world.firstLine(id)).trim();
    for (const group of world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)))) {
      mkdirSync(join(group, "own"));
      writeFileSync(join(group, "own", "cgroup.procs"), left);
    }
    await world.runtime.kill(id, "USR1");
    expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 3 });
    await until("its other process has ended", () => !existsSync(`/proc/${left}`));
    await until("its groups are gone", () => !world.cgroups().some((path) => path.includes(id.slice(0, 32))));
    await world.runtime.remove(id);
  });

  test("who shares memory with the host shares its files of it", async () => {
    const name = `/dev/shm/${basename(world.folder)}`;
    try {
      await world.run(`echo x >${name}; cat ${name}`, { runtime });
      expect(existsSync(name)).toBe(false);
      expect((await world.run(`echo x >${name}; cat ${name}`, { runtime, hostNamespaces: ["ipc"] })).output).toBe("x\n");
      expect(existsSync(name)).toBe(true);
    } finally {
      rmSync(name, { force: true });
    }
  });
});
