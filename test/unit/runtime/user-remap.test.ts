import { chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContainerMount } from "../../../src/runtime/container-config.js";
import { entriesOf } from "../../support/archive-entries.js";
import { ContainerWorld, containerConfig, PATIENT } from "../../support/container-world.js";
import { describeAsRoot } from "../../support/privileges.js";
import { archiveOf, streamOf } from "../images/archives.js";

const ROOT = 1_000_000;
const MAP = `0 ${ROOT} 65536\n`;
const REMAP = { user: "somebody", maps: { users: MAP, groups: MAP }, root: { uid: ROOT, gid: ROOT } };
const NOBODY = 65_534;

/** What is in Docker's frames. */
function textOf(frames: Buffer): string {
  let text = "";
  for (let at = 0; at < frames.length; at += 8 + frames.readUInt32BE(at + 4)) text += frames.toString("utf8", at + 8, at + 8 + frames.readUInt32BE(at + 4));
  return text;
}

function mount(change: Partial<ContainerMount>): ContainerMount {
  return { type: "bind", source: "", target: "/", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0, ...change };
}

function volume(name: string, target: string): ContainerMount {
  return mount({ type: "volume", target, volume: { name, isAnonymous: false, isCopied: true, subpath: "", driver: "", options: {}, labels: {} } });
}

describeAsRoot("containers in user namespaces", () => {
  let world: ContainerWorld;
  const upper = (id: string, path: string) => statSync(join(world.folder, "data/containers", id, "upper", path));
  const ids = ({ uid, gid }: { readonly uid: number; readonly gid: number }) => `${uid}:${gid}`;
  const execute = async (id: string, script: string, user = "") => {
    const settings = { args: ["sh", "-c", script], env: [], workingDir: "", user, isPrivileged: false, isTerminal: false, size: null };
    const { stream, ended } = await world.runtime.exec(id, { ...settings, streams: { stdin: false, stdout: true, stderr: true } });
    const parts: Buffer[] = [];
    for await (const part of stream ?? []) parts.push(part as Buffer);
    return { output: textOf(Buffer.concat(parts)), code: await ended };
  };

  beforeAll(async () => {
    world = await ContainerWorld.open({ userRemap: REMAP });
    const image = join(world.folder, "owned");
    mkdirSync(join(image, "data"), { recursive: true });
    writeFileSync(join(image, "data/file"), "image\n");
    chownSync(join(image, "data"), 7, 8);
    chownSync(join(image, "data/file"), 5, 6);
    world.images.add("owned", [image, join(world.folder, "image")]);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test("root inside is root of its files, and nobody on the host", async () => {
    const id = await world.startReady({
      command: ["sh", "-c", `touch /made; chown 3:4 /etc/passwd; mkdir /tmp/d; ${PATIENT[2]}`],
      sysctls: { "net.ipv4.ip_default_ttl": "99" },
    });
    const { pid } = world.runtime.inspect(id) ?? { pid: 0 };
    expect(ids(statSync(`/proc/${pid}`))).toBe(ids({ uid: ROOT, gid: ROOT }));
    expect(readFileSync(`/proc/${pid}/uid_map`, "utf8").trim().split(/\s+/).join(" ")).toBe(MAP.trim());
    const seen = await execute(
      id,
      "id -u; stat -c %u:%g / /made /etc/passwd /bin/busybox /dev /dev/null /dev/shm /etc/hosts /proc/self/; cat /proc/sys/net/ipv4/ip_default_ttl",
    );
    expect(seen).toEqual({ output: ["0", "0:0", "0:0", "3:4", ...Array(6).fill("0:0"), "99", ""].join("\n"), code: 0 });
    // What is on disk is what the container sees: another mapping, or none, changes nothing about it.
    expect([upper(id, "made"), upper(id, "etc/passwd")].map(ids)).toEqual(["0:0", "3:4"]);
    await world.runtime.remove(id, { force: true });
  });

  test("nothing of the host's can be changed from inside", async () => {
    const outside = join(world.folder, "outside");
    mkdirSync(outside, { recursive: true });
    writeFileSync(join(outside, "roots"), "host\n", { mode: 0o644 });
    writeFileSync(join(outside, "given"), "");
    chownSync(join(outside, "given"), ROOT + 9, ROOT + 9);
    const script = `
      stat -c %u:%g /host/roots /host/given; cat /host/roots
      echo x >>/host/roots; chown 0 /host/roots; mknod /tmp/disk b 254 0; echo 1 >/proc/sys/vm/drop_caches; echo b >/proc/sysrq-trigger; cat /proc/kcore; date -s 2000-01-01
      ls -A /proc/acpi /sys/firmware | wc -l; echo end`;
    const { output } = await world.run(`(${script}) 2>/dev/null`, { mounts: [mount({ source: outside, target: "/host" })], capabilityAdd: ["ALL"] });
    expect(output.split("\n").slice(0, 3)).toEqual([`${NOBODY}:${NOBODY}`, "9:9", "host"]);
    expect(output).toMatch(/end\n$/);
    expect(readFileSync(join(outside, "roots"), "utf8")).toBe("host\n");
    expect(ids(statSync(join(outside, "roots")))).toBe("0:0");
  });

  test("what is write-protected stays so for one who may mount", async () => {
    const outside = join(world.folder, "protected");
    mkdirSync(outside);
    chownSync(outside, ROOT, ROOT);
    const mounts = [mount({ source: outside, target: "/rw" }), mount({ source: outside, target: "/ro", isReadOnly: true })];
    const script = `
      mkdir /rw/m && mount -t tmpfs none /rw/m && umount /rw/m && rmdir /rw/m && touch /rw/mounted
      mount -o remount,bind,rw /ro; touch /ro/unprotected; ls /rw; rm /rw/*`;
    const options = { command: ["sh", "-c", `(${script}) 2>/dev/null`], capabilityAdd: ["SYS_ADMIN"], mounts };
    expect((await world.run("", options)).output).toBe("mounted\n");
    // Where nothing holds it, it does come off.
    expect((await world.run("", { ...options, usesHostUsers: true })).output).toBe("mounted\nunprotected\n");
    expect((await world.run("touch /file 2>&1", { isRootReadOnly: true })).output).toContain("Read-only");
  });

  test("a program has its user, its streams, its terminal and its own memory", async () => {
    const script =
      "id -u; id -g; echo a >/dev/stdout; echo b >/dev/null; touch /t/x /dev/shm/y; stat -c %u:%g /t/x /dev/shm/y; cat /dev/null; echo c >/dev/mine; ls /dev/pts";
    const devices = [{ source: "/dev/null", target: "/dev/mine", permissions: "rwm" }];
    const options = { user: "5:6", devices, hasInit: true, mounts: [mount({ type: "tmpfs", target: "/t" })] };
    expect((await world.run(script, options)).output).toBe("5\n6\na\n5:6\n5:6\nptmx\n");
    const terminal = await world.run("tty; stat -c %u /dev/pts/0 /dev/console", { terminal: { isTerminal: true, hasInput: false, isInputOnce: false } });
    expect(terminal.output).toBe("/dev/pts/0\r\n0\r\n0\r\n");
    const owned = mount({ type: "tmpfs", target: "/t", options: ["uid=7", "gid=8"], mode: 0o700 });
    expect((await world.run("stat -c %u:%g /t", { mounts: [owned] })).output).toBe("7:8\n");
  });

  test("a volume has the image's owners, the same for those who are not remapped", async () => {
    const mounts = [volume("owned", "/data")];
    expect((await world.run("stat -c %u:%g /data /data/file; touch /data/new; chown 1:2 /data/new", { image: "owned", mounts })).output).toBe("7:8\n5:6\n");
    const inHost = await world.run("stat -c %u:%g /data /data/file /data/new; cat /proc/self/uid_map", { image: "owned", mounts, usesHostUsers: true });
    expect(inHost.output).toMatch(/^7:8\n5:6\n1:2\n\s+0\s+0\s+4294967295\n$/);
    await world.volumes.remove("owned");
  });

  test("files go in and out with the owners that are seen inside, running and stopped", async () => {
    const outside = join(world.folder, "shared");
    mkdirSync(outside);
    chownSync(outside, ROOT, ROOT);
    const mounts = [mount({ source: outside, target: "/shared" })];
    const script = "mkdir /d; touch /d/own; chown 5:6 /d/own; mknod /d/pipe p; echo ready";
    const running = await world.startReady({ command: ["sh", "-c", `${script}; ${PATIENT[2]}`], mounts });
    const stopped = await world.start({ command: ["sh", "-c", script], mounts });
    await world.runtime.wait(stopped);
    for (const id of [running, stopped]) {
      const { files } = world.runtime;
      const header = { mode: 0o640, uid: 11, gid: 12 };
      for (const path of ["/d", "/shared"]) {
        const archive = await archiveOf([{ ...header, name: "in", content: "text" }]);
        await files.write(id, path, streamOf(archive), { keepsKinds: false, belongsToUser: false });
        const entries = await entriesOf((await files.read(id, `${path}/in`)).archive);
        expect(entries.map((entry) => ids(entry))).toEqual(["11:12"]);
      }
      expect(ids(statSync(join(outside, "in")))).toBe(`${ROOT + 11}:${ROOT + 12}`);
      expect(ids(upper(id, "d/in"))).toBe("11:12");
    }
    for (const id of [running, stopped]) await world.runtime.remove(id, { force: true });
  });

  test("one that shares another's network shares its user namespace", async () => {
    const id = await world.startReady();
    const { pid } = world.runtime.inspect(id) ?? { pid: 0 };
    const space = (name: string) => `readlink /proc/self/ns/${name}`;
    const joined = await world.run(`${space("user")}; ${space("net")}; id -u; touch /f; stat -c %u /f`, { network: { container: id } });
    const own = await execute(id, `${space("user")}; ${space("net")}`);
    expect(joined.output).toBe(`${own.output}0\n0\n`);
    expect(own.output).toContain("user:[");
    expect(statSync(`/proc/${pid}/ns/user`).ino).not.toBe(statSync("/proc/self/ns/user").ino);
    const inHost = await world.startReady({ usesHostUsers: true });
    for (const change of [{ network: { container: inHost } }, { joins: { pid: inHost } }]) {
      await expect(world.start(change)).rejects.toThrow("is in the host's user namespace, and this one is not");
    }
    for (const each of world.runtime.list()) await world.runtime.remove(each.config.id, { force: true });
  });

  test("one that shares another's processes and memory as well, and nothing of two that differ", async () => {
    const spaces = ["user", "pid", "ipc", "net"].map((name) => `readlink /proc/self/ns/${name}`).join("; ");
    const [id, other] = [
      await world.startReady({ ipc: "shareable", command: ["sh", "-c", "echo x >/dev/shm/f; echo ready; exec sleep 100123"] }),
      await world.startReady(),
    ];
    const own = await execute(id, spaces);
    const joins = { pid: id, ipc: id };
    const joined = await world.run(`${spaces}; id -u; stat -c %u /dev/shm/f; cat /proc/[0-9]*/cmdline | grep -c 100123; touch /f`, {
      joins,
      network: { container: id },
    });
    expect(joined.output).toBe(`${own.output}0\n0\n1\n`);
    const [users, processes, memory, network] = own.output.split("\n");
    const partly = await world.startReady({ joins });
    expect((await execute(partly, spaces)).output).toContain(`${users}\n${processes}\n${memory}\n`);
    expect((await execute(partly, spaces)).output).not.toContain(network);
    await expect(world.start({ joins: { pid: id }, network: { container: other } })).rejects.toThrow("are in different user namespaces");
    for (const each of world.runtime.list()) await world.runtime.remove(each.config.id, { force: true });
  });

  test("what needs the host's own is refused", async () => {
    const create = (change: object) => world.runtime.create(containerConfig(change));
    await expect(create({ isPrivileged: true })).rejects.toThrow("privileged mode is incompatible with user namespaces");
    await expect(create({ network: "host" })).rejects.toThrow("cannot share the host's network namespace when user namespaces are enabled");
    const { output } = await world.run("id -u", { isPrivileged: true, network: "host", usesHostUsers: true });
    expect(output).toBe("0\n");
  });

  test("a restart of the daemon, with another mapping, finds what runs as it is", async () => {
    const id = await world.startReady({ command: ["sh", "-c", `touch /before; ${PATIENT[2]}`] });
    const other = `0 ${ROOT * 2} 65536\n`;
    world.userRemap = { user: "other", maps: { users: other, groups: other }, root: { uid: ROOT * 2, gid: ROOT * 2 } };
    await world.reopen();
    expect((await execute(id, "id -u; stat -c %u:%g /before; cat /proc/self/uid_map")).output).toMatch(new RegExp(`^0\\n0:0\\n\\s+0\\s+${ROOT}`));
    await world.runtime.stop(id, 5_000);
    await world.runtime.start(id);
    expect((await execute(id, "stat -c %u:%g /before; cat /proc/self/uid_map")).output).toMatch(new RegExp(`^0:0\\n\\s+0\\s+${ROOT * 2}`));
    await world.runtime.remove(id, { force: true });
    world.userRemap = REMAP;
    await world.reopen();
  });
});
