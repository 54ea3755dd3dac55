import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContainerConfig, ContainerMount } from "../../../src/runtime/container-config.js";
import { ContainerWorld, PATIENT, PLAIN_EXEC, SHIM_PATH } from "../../support/container-world.js";
import { describeAsRoot } from "../../support/privileges.js";

const ROOT = 1_000_000;
const MAP = `0 ${ROOT} 65536\n`;
const REMAP = { user: "somebody", maps: { users: MAP, groups: MAP }, root: { uid: ROOT, gid: ROOT } };
const PATHS = ["runc", "crun"].map(
  (name) => [name, execFileSync("sh", ["-c", `PATH=$PATH:/usr/sbin command -v ${name}`], { encoding: "utf8" }).trim()] as const,
);
const PROGRAMS = [...PATHS, ["swarm-oci", resolve(SHIM_PATH, "../swarm-oci")] as const];
const RUNTIMES = { byName: Object.fromEntries(PROGRAMS.map(([name, path]) => [name, { path, args: [] }])), defaultName: "swarm-shim" };

const mount = (change: Partial<ContainerMount>): ContainerMount => ({
  ...{ type: "bind", source: "", target: "/", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 },
  ...change,
});
const volume = (name: string, target: string, subpath = ""): ContainerMount =>
  mount({ type: "volume", target, volume: { name, isAnonymous: false, isCopied: true, subpath, driver: "", options: {}, labels: {} } });

/** What is in Docker's frames. */
function textOf(frames: Buffer): string {
  let text = "";
  for (let at = 0; at < frames.length; at += 8 + frames.readUInt32BE(at + 4)) text += frames.toString("utf8", at + 8, at + 8 + frames.readUInt32BE(at + 4));
  return text;
}

/** Other runtimes make containers in user namespaces as our own shim does. */
describeAsRoot("containers in user namespaces", () => {
  let world: ContainerWorld;
  let outside: string;
  beforeAll(async () => {
    world = await ContainerWorld.open({ userRemap: REMAP, runtimes: RUNTIMES });
    outside = join(world.folder, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "roots"), "host\n", { mode: 0o644 });
    writeFileSync(join(outside, "theirs"), "");
    chownSync(join(outside, "theirs"), ROOT, ROOT);
    const image = join(world.folder, "owned");
    mkdirSync(join(image, "data/part"), { recursive: true });
    chownSync(join(image, "data"), 7, 8);
    world.images.add("owned", [image, join(world.folder, "image")]);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const removeAll = async () => {
    for (const { config } of world.runtime.list()) await world.runtime.remove(config.id, { force: true });
  };
  const execute = async (id: string, script: string, user = "") => {
    const streams = { stdin: false, stdout: true, stderr: true };
    const { stream, ended } = await world.runtime.exec(id, { ...PLAIN_EXEC, args: ["sh", "-c", script], user, streams });
    const parts: Buffer[] = [];
    for await (const part of stream ?? []) parts.push(part as Buffer);
    expect(await ended).toBe(0);
    return textOf(Buffer.concat(parts));
  };

  test.each(PROGRAMS)("%s: identity, owners, mounts, devices and limits are those under our own", async (runtime) => {
    const script = [
      "exec 2>&1; id; tr -s ' ' </proc/self/uid_map; cat /proc/sys/net/ipv4/ip_default_ttl",
      "touch /made; chown 3:4 /made; stat -c '%n %u:%g' / /made /etc/hosts /etc/passwd /data /data/part /t /rw/theirs /rw/roots",
      "echo x >/rw/theirs && echo written; echo x >/rw/roots; echo x >/ro/theirs; touch /data/new /part/new && echo new; echo >/dev/mine && echo null",
      "mknod /disk b 254 0; grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status; cat /sys/fs/cgroup/pids/pids.max; mount -o remount,rw /ro; ls /ro; hostname",
    ].join("; ");
    const options: Partial<ContainerConfig> = {
      image: "owned",
      hostname: "box",
      capabilityAdd: ["SYS_ADMIN"],
      sysctls: { "net.ipv4.ip_default_ttl": "99" },
      devices: [{ source: "/dev/null", target: "/dev/mine", permissions: "rwm" }],
      resources: { memoryBytes: 64 << 20, nanoCpus: 0, pids: 50 },
      hasInit: true,
      mounts: [
        mount({ source: outside, target: "/rw" }),
        mount({ source: outside, target: "/ro", isReadOnly: true }),
        mount({ type: "tmpfs", target: "/t", options: ["uid=7", "gid=8"], mode: 0o700 }),
        volume("shared", "/data"),
        volume("shared", "/part", "part"),
      ],
    };
    const own = await world.run(script, options);
    expect(own.output).toMatch(new RegExp(`^uid=0\\(.* 0 ${ROOT} 65536\\n99\\n.*/made 3:4\\n.*/data 7:8\\n.*written\\n.*new\\n`, "s"));
    const other = await world.run(script, { ...options, runtime });
    expect([...other.output.split("\n"), other.exit.exitCode]).toEqual([...own.output.split("\n"), own.exit.exitCode]);
  });

  test.each(PROGRAMS)("%s: nobody on the host, also with a terminal, in an exec and after a restart of both", async (runtime) => {
    const id = await world.startReady({
      runtime,
      terminal: { isTerminal: true, hasInput: false, isInputOnce: false },
      command: ["sh", "-c", `tty; ${PATIENT[2]}`],
    });
    const idsOf = () => statSync(`/proc/${world.runtime.inspect(id)?.pid}`).uid;
    expect(idsOf()).toBe(ROOT);
    expect(await world.output(id)).toMatch(/^\/dev\/(pts\/0|console)\r\n/);
    expect(await execute(id, "id -u; stat -c %u:%g / /dev/shm", "web")).toContain("1000");
    await world.reopen();
    expect(await execute(id, "id -u; touch /kept; stat -c %u /kept")).toContain("0\n0\n");
    await world.runtime.stop(id, 10_000);
    await world.runtime.start(id);
    expect(await execute(id, "stat -c %u /kept")).toContain("0\n");
    expect([idsOf(), statSync(join(world.folder, "data/containers", id, "upper/kept")).uid]).toEqual([ROOT, 0]);
    await removeAll();
    expect(readdirSync(join(world.folder, "run/oci", `state-${runtime}`))).toEqual([]);
  });

  test.each(PROGRAMS)("%s: who shares another's network shares its users, whatever the mapping is by now", async (runtime) => {
    const id = await world.startReady({ runtime });
    const other = `0 ${ROOT * 2} 65536\n`;
    world.userRemap = { user: "other", maps: { users: other, groups: other }, root: { uid: ROOT * 2, gid: ROOT * 2 } };
    try {
      await world.reopen();
      const joined = await world.startReady({ runtime, network: { container: id } });
      const map = (name: string) =>
        readFileSync(`/proc/${world.runtime.inspect(name)?.pid}/uid_map`, "utf8")
          .trim()
          .split(/\s+/)
          .join(" ");
      expect([map(id), map(joined)]).toEqual([MAP.trim(), MAP.trim()]);
      const spaces = "readlink /proc/self/ns/user; readlink /proc/self/ns/net";
      expect(await execute(joined, spaces)).toBe(await execute(id, spaces));
      const among = await world.startReady({ runtime, joins: { pid: id } });
      const processes = "readlink /proc/self/ns/user; readlink /proc/self/ns/pid";
      expect(await execute(among, processes)).toBe(await execute(id, processes));
      const inHost = await world.startReady({ runtime, usesHostUsers: true });
      await expect(world.start({ runtime, network: { container: inHost } })).rejects.toThrow("is in the host's user namespace, and this one is not");
      await removeAll();
    } finally {
      world.userRemap = REMAP;
      await world.reopen();
    }
  });
});
