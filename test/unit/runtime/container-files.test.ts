import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { entriesOf, namesOf } from "../../support/archive-entries.js";
import { ContainerWorld, PATIENT, PLAIN_EXEC } from "../../support/container-world.js";
import { describeAsRoot } from "../../support/privileges.js";
import { until } from "../../support/until.js";
import { type ArchiveItem, archiveOf, streamOf } from "../images/archives.js";

const MERGING = { keepsKinds: false, belongsToUser: false };
/** Files of every kind, and links that would lead out of the container if they were not followed within it. */
const MAKE = `
mkdir -p /d/sub; echo text >/d/file; echo more >/d/sub/more; chown 5:6 /d/file; chmod 4750 /d/file
ln -s file /d/link; ln /d/file /d/other; mknod /d/pipe p; mknod /d/null c 1 3
ln -s /d/sub /to-sub; ln -s /gone /to-gone; ln -s ../../../../../../etc/passwd /deep; ln -s / /up; ln -s /proc/1/root /magic
echo long >/d/${"n".repeat(120)}; echo ready`;

describeAsRoot("files of containers", () => {
  let world: ContainerWorld;
  const files = () => world.runtime.files;
  const read = async (id: string, path: string) => entriesOf((await files().read(id, path)).archive);
  const write = async (id: string, path: string, items: readonly ArchiveItem[], options: Partial<typeof MERGING> = {}) =>
    files().write(id, path, streamOf(await archiveOf(items)), { ...MERGING, ...options });
  /** One that ran the script and sleeps, and one that ran it and ended. */
  const both = async (script: string) => {
    const running = await world.startReady({ command: ["sh", "-c", `${script}; ${PATIENT[2]}`] });
    const stopped = await world.start({ command: ["sh", "-c", script] });
    await world.runtime.wait(stopped);
    return [running, stopped];
  };

  beforeAll(async () => {
    world = await ContainerWorld.open();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test("what is there, running and stopped", async () => {
    for (const id of await both(MAKE)) {
      expect(await files().stat(id, "/d/file")).toMatchObject({ name: "file", mode: 0o104750, sizeBytes: 5, linkTarget: "" });
      expect(await files().stat(id, "d/link")).toMatchObject({ name: "link", linkTarget: "/d/file" });
      expect((await files().stat(id, "/d/link")).mode & 0o170000).toBe(0o120000);
      expect(await files().stat(id, "/to-sub")).toMatchObject({ name: "to-sub", linkTarget: "/d/sub" });
      expect(await files().stat(id, "/to-gone")).toMatchObject({ linkTarget: "/gone" });
      expect(await files().stat(id, "/to-sub/")).toMatchObject({ name: "to-sub", linkTarget: "" });
      expect(await files().stat(id, "/")).toMatchObject({ name: "/" });
      await expect(files().stat(id, "/none")).rejects.toMatchObject({ code: "not_found", message: "Could not find the file /none" });
      await expect(files().stat(id, "/d/file/")).rejects.toMatchObject({ code: "invalid_argument" });
      const entries = await read(id, "/d");
      expect(entries.map(({ name, type }) => `${type} ${name}`)).toEqual([
        "directory d/",
        "file d/file",
        "symlink d/link",
        `file d/${"n".repeat(120)}`,
        "character-device d/null",
        "link d/other",
        "fifo d/pipe",
        "directory d/sub/",
        "file d/sub/more",
      ]);
      expect(entries[1]).toMatchObject({ text: "text\n", mode: 0o4750, uid: 5, gid: 6 });
      expect(entries[2]).toMatchObject({ linkname: "file" });
      expect(entries[4]).toMatchObject({ devmajor: 1, devminor: 3 });
      expect(entries[5]).toMatchObject({ linkname: "d/file" });
      expect((await read(id, "/to-sub/")).map(({ name }) => name)).toEqual(["to-sub/", "to-sub/more"]);
      expect((await read(id, "/d/sub/.")).map(({ name }) => name)).toEqual(["./", "./more"]);
      expect(await read(id, "/to-sub")).toMatchObject([{ name: "to-sub", type: "symlink", linkname: "/d/sub" }]);
      const all = (await read(id, "/")).map(({ name }) => name);
      expect(all).toEqual(expect.arrayContaining(["/", "/d/sub/more", "/proc/", "/sys/", "/dev/"]));
      expect(all.filter((name) => /^\/(proc|sys|dev)\/./.test(name))).toEqual([]);
    }
  });

  test("links lead within the container", async () => {
    const [running = "", stopped = ""] = await both(MAKE);
    for (const id of [running, stopped]) {
      expect((await read(id, "/up/etc/passwd"))[0]?.text).toContain("web:x:1000");
      expect(await files().stat(id, "/deep")).toMatchObject({ linkTarget: "/etc/passwd" });
      await write(id, "/up/up/d/../d/sub", [{ name: "new", content: "new" }]);
      expect((await read(id, "/d/sub/new"))[0]?.text).toBe("new");
      await write(id, "/d", [
        { name: "down", type: "symlink", linkname: "/d/sub" },
        { name: "down/through", content: "it" },
      ]);
      expect((await read(id, "/d/sub/through"))[0]?.text).toBe("it");
      await expect(write(id, "/d", [{ name: "../outside", content: "x" }])).rejects.toMatchObject({
        code: "invalid_argument",
        message: expect.stringContaining('"../outside" leaves the archive'),
      });
    }
    await expect(files().read(running, "/magic/etc/passwd")).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("what is written has the archive's attributes, and replaces what is there as was asked", async () => {
    for (const id of await both(MAKE)) {
      const mtime = new Date(1_600_000_000_000);
      await write(id, "/d", [
        { name: "sub", type: "directory", mode: 0o711, uid: 3, mtime },
        { name: "sub/set", content: "s", mode: 0o6755, uid: 7, gid: 8, mtime },
        { name: "sub/hard", type: "link", linkname: "sub/set" },
        { name: "a/b/c", content: "deep" },
        { name: "file", content: "replaced" },
        { name: "link", content: "not followed" },
      ]);
      const entries = new Map((await read(id, "/d")).map((entry) => [entry.name, entry]));
      expect(entries.get("d/sub/")).toMatchObject({ mode: 0o711, uid: 3, mtime });
      expect(entries.get("d/sub/set")).toMatchObject({ type: "link", linkname: "d/sub/hard" });
      expect(entries.get("d/sub/hard")).toMatchObject({ mode: 0o6755, uid: 7, gid: 8, mtime, text: "s" });
      expect(entries.get("d/a/")).toMatchObject({ mode: 0o755 });
      expect(entries.get("d/file")).toMatchObject({ text: "replaced", type: "file" });
      expect(entries.get("d/other")).toMatchObject({ text: "text\n" });
      expect(entries.get("d/link")).toMatchObject({ text: "not followed", type: "file" });
      expect(entries.get("d/sub/more")).toMatchObject({ text: "more\n" });
      const keeping = { keepsKinds: true };
      await expect(write(id, "/d", [{ name: "sub", content: "x" }], keeping)).rejects.toThrow('cannot overwrite directory "sub" with non-directory');
      await expect(write(id, "/d", [{ name: "file", type: "directory" }], keeping)).rejects.toThrow('cannot overwrite non-directory "file" with directory');
      await write(id, "/d", [{ name: "sub", content: "now a file" }]);
      expect((await read(id, "/d/sub"))[0]).toMatchObject({ text: "now a file" });
      await expect(write(id, "/d/file", [{ name: "x", content: "" }])).rejects.toMatchObject({ message: "extraction point is not a directory" });
      await expect(write(id, "/none", [])).rejects.toMatchObject({ code: "not_found" });
      await expect(files().write(id, "/d", streamOf(Buffer.from("no archive".repeat(100))), MERGING)).rejects.toMatchObject({ code: "invalid_argument" });
    }
  });

  test("everything can belong to the container's user, by its own list of users", async () => {
    const id = await world.start({ command: ["true"], user: "web" });
    await world.runtime.wait(id);
    await write(id, "/tmp", [{ name: "mine", content: "x", uid: 9 }], { belongsToUser: true });
    await write(id, "/tmp", [{ name: "theirs", content: "x", uid: 9 }]);
    expect((await read(id, "/tmp")).map(({ name, uid, gid }) => `${name} ${uid}:${gid}`)).toEqual(["tmp/ 0:0", "tmp/mine 1000:1001", "tmp/theirs 9:0"]);
  });

  test("mounts are part of it, and what is read-only stays so", async () => {
    const source = join(world.folder, "volume");
    mkdirSync(source);
    writeFileSync(join(source, "kept"), "kept");
    const mount = { type: "bind", source, isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 } as const;
    const config = {
      isRootReadOnly: true,
      mounts: [
        { ...mount, target: "/data" },
        { ...mount, target: "/fixed", isReadOnly: true },
      ],
    };
    const [running, created] = [await world.startReady(config), await world.create(config)];
    for (const id of [running, created]) {
      expect((await read(id, "/data/kept"))[0]?.text).toBe("kept");
      await write(id, "/data", [{ name: `by-${id.slice(0, 5)}`, content: "x" }]);
      expect(readdirSync(source)).toContain(`by-${id.slice(0, 5)}`);
      await expect(write(id, "/tmp", [{ name: "x", content: "" }])).rejects.toMatchObject({
        code: "permission_denied",
        message: "container rootfs is marked read-only",
      });
      await expect(write(id, "/fixed", [{ name: "x", content: "" }])).rejects.toMatchObject({
        code: "permission_denied",
        message: "mounted volume is marked read-only",
      });
      expect(await namesOf(await files().export(id))).not.toContain("data/kept");
    }
  });

  test("an entry whose name is longer than a line of an answer is refused by itself", async () => {
    const id = await world.create();
    for (const name of ["x".repeat(300_000), "\u0001".repeat(200_000)]) {
      await expect(write(id, "/tmp", [{ name, content: "x", pax: { path: name } }])).rejects.toThrow(/^archive entry .{1,20000}: file name too long$/su);
    }
  });

  test("what a container renames and changes is whole in its own layer, whatever the kernel would do by itself", async () => {
    const settings = ["redirect_dir", "metacopy", "index"].map((name) => `/sys/module/overlay/parameters/${name}`).filter((path) => existsSync(path));
    const before = settings.map((path) => readFileSync(path, "utf8"));
    try {
      for (const path of settings) writeFileSync(path, "Y");
      const layer = join(world.folder, "more");
      mkdirSync(join(layer, "folder"), { recursive: true });
      for (const name of ["one", "other"]) writeFileSync(join(layer, "folder", name), name);
      world.images.add("more", [layer, join(world.folder, "image")]);
      const id = await world.ran("mv /folder /moved; chmod 600 /moved/one /etc/passwd", { image: "more" });
      const changes = (await files().changes(id)).map(({ kind, path }) => `${kind} ${path}`);
      expect(changes).toEqual(["changed /etc/passwd", "deleted /folder", "added /moved", "added /moved/one", "added /moved/other"]);
      const entries = (await entriesOf(await files().layer(id))).filter(({ type }) => type === "file");
      const passwd = readFileSync(join(world.folder, "image/etc/passwd"), "utf8");
      const written = { "etc/passwd": passwd, ".wh.folder": "", "moved/one": "one", "moved/other": "other" };
      expect(Object.fromEntries(entries.map(({ name, text }) => [name, text]))).toEqual(written);
      await world.runtime.remove(id);
    } finally {
      for (const [index, path] of settings.entries()) writeFileSync(path, before[index] ?? "N");
    }
  });

  test("changes, export, layer and size", async () => {
    const script =
      "mkdir /made; echo x >/made/x; rm /etc/group; echo y >>/etc/passwd; rm -r /bin/sh; chmod 700 /tmp; mkdir /tmp/deep; rm -r /tmp/deep; echo ready";
    for (const id of await both(script)) {
      expect((await files().changes(id)).map(({ kind, path }) => `${kind} ${path}`)).toEqual([
        "changed /bin",
        "deleted /bin/sh",
        "changed /etc",
        "deleted /etc/group",
        "changed /etc/passwd",
        "added /made",
        "added /made/x",
        "changed /tmp",
      ]);
      const exported = await namesOf(await files().export(id));
      expect(exported).toEqual(expect.arrayContaining(["bin/busybox", "made/x", "proc/", "etc/hosts"]));
      expect(exported.filter((name) => /^(bin\/sh|etc\/group|proc\/.+|dev\/.+)$/.test(name))).toEqual([]);
      expect(await namesOf(await files().layer(id))).toEqual(["bin/", "bin/.wh.sh", "etc/", "etc/.wh.group", "etc/passwd", "made/", "made/x", "tmp/"]);
      const grown = readFileSync(join(world.folder, "image/etc/passwd")).length + "y\n".length + "x\n".length;
      expect((await files().sizes([id])).get(id)).toBe(grown);
    }
    const fresh = await world.create();
    expect(await files().changes(fresh)).toEqual([]);
    expect(await namesOf(await files().layer(fresh))).toEqual([]);
    expect((await files().sizes([fresh])).get(fresh)).toBe(0);
    expect(await namesOf(await files().export(fresh))).toContain("bin/busybox");
  });

  test("a folder that was removed and made again hides what the image has in it", async () => {
    for (const id of await both("rm -r /etc; mkdir /etc; echo new >/etc/passwd; echo ready")) {
      const changes = (await files().changes(id)).map(({ kind, path }) => `${kind} ${path}`);
      expect(changes).toEqual(expect.arrayContaining(["changed /etc/passwd", "deleted /etc/group"]));
    }
  });
});

/** CVE-2018-15664: a path is checked, its program swaps a link into it, and the host's file is used. CVE-2019-14271: a container's library is loaded into a program of the host's. */
describeAsRoot("containers that fight their files' being copied", () => {
  let world: ContainerWorld;
  beforeAll(async () => {
    world = await ContainerWorld.open();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test("a folder that is swapped for a link to a folder of the host's, all the time", async () => {
    const host = join(world.folder, "host");
    mkdirSync(host);
    writeFileSync(join(host, "secret"), "of the host");
    const swap = `mkdir /swap; echo mine >/swap/secret; ln -s ${host} /link; echo ready; while :; do mv /swap /aside; mv /link /swap; mv /swap /link; mv /aside /swap; done`;
    const id = await world.startReady({ command: ["sh", "-c", swap] });
    const outcomes = { read: 0, written: 0, refused: 0 };
    const archive = await archiveOf([
      { name: "swap/secret", content: "mine" },
      { name: "swap/new", content: "mine" },
    ]);
    for (let round = 0; round < 60; round++) {
      await world.runtime.files.read(id, "/swap/secret").then(
        async ({ archive: read }) => {
          for (const { text } of await entriesOf(read)) expect(text.trim()).toBe("mine");
          outcomes.read++;
        },
        () => outcomes.refused++,
      );
      await world.runtime.files.write(id, "/", streamOf(archive), MERGING).then(
        () => outcomes.written++,
        () => outcomes.refused++,
      );
      await world.runtime.files.write(id, "/swap", streamOf(await archiveOf([{ name: "new", content: "mine" }])), MERGING).catch(() => outcomes.refused++);
    }
    expect(outcomes.read + outcomes.written).toBeGreaterThan(0);
    expect(readdirSync(host)).toEqual(["secret"]);
    expect(readFileSync(join(host, "secret"), "utf8")).toBe("of the host");
  });

  test("the program that works in a container loads no library", () => {
    const binary = readFileSync(resolve(import.meta.dirname, "../../../native/build/swarm-files"));
    const [offset, size, count] = [Number(binary.readBigUInt64LE(32)), binary.readUInt16LE(54), binary.readUInt16LE(56)];
    const types = Array.from({ length: count }, (_, index) => binary.readUInt32LE(offset + index * size));
    const INTERPRETER = 3;
    expect(types).not.toContain(INTERPRETER);
  });

  test("users are looked up in a file, not in a device or a pipe that has its name", async () => {
    const id = await world.start({ command: ["sh", "-c", "rm /etc/passwd; mknod /etc/passwd p"], user: "0:5" });
    await world.runtime.wait(id);
    const archive = await archiveOf([{ name: "mine", content: "x" }]);
    await world.runtime.files.write(id, "/tmp", streamOf(archive), { keepsKinds: false, belongsToUser: true });
    expect((await entriesOf((await world.runtime.files.read(id, "/tmp/mine")).archive))[0]).toMatchObject({ uid: 0, gid: 5 });
  });

  test("a write under way holds up the start, and ends with the container's removal", async () => {
    const id = await world.create();
    const endless = new PassThrough();
    const archive = await archiveOf([{ name: "first", content: "x" }]);
    endless.write(archive.subarray(0, 1024));
    const written = world.runtime.files.write(id, "/tmp", endless, MERGING);
    written.catch(() => undefined);
    const started = world.runtime.start(id);
    started.catch(() => undefined);
    await until("the first file is there", async () => (await world.runtime.files.changes(id)).some(({ path }) => path === "/tmp/first"));
    expect(world.runtime.inspect(id)).toMatchObject({ state: "created", startedAtMs: 0 });
    await world.runtime.remove(id, { force: true });
    await expect(written).rejects.toMatchObject({ code: "conflict" });
    await expect(started).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("is marked for removal") });
    const second = await world.create();
    const slow = new PassThrough();
    slow.write(archive.subarray(0, 1024));
    const both = Promise.all([world.runtime.files.write(second, "/tmp", slow, MERGING), world.runtime.start(second)]);
    slow.end(archive.subarray(1024));
    await both;
    expect(world.runtime.inspect(second)?.state).toBe("running");
  });

  test("sizes are told also of containers whose image nobody knows any more", async () => {
    world.images.add("passing", [join(world.folder, "image")]);
    const id = await world.startReady({ image: "passing" });
    await world.runtime.exec(id, { ...PLAIN_EXEC, args: ["sh", "-c", "echo five >/tmp/five"] }).then(({ ended }) => ended);
    world.images.forget("passing");
    const other = await world.create();
    expect(await world.runtime.files.sizes([id, other])).toEqual(
      new Map([
        [id, "five\n".length],
        [other, 0],
      ]),
    );
    await world.runtime.remove(id, { force: true });
  });

  test("files of one that is being removed are not begun with", async () => {
    const id = await world.startReady();
    const removed = world.runtime.remove(id, { force: true });
    await expect(world.runtime.files.stat(id, "/bin")).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("marked for removal") });
    expect(await world.runtime.files.sizes([id])).toEqual(new Map());
    await removed;
  });

  test("a container that ends meanwhile is read to the end, one that is removed is not", async () => {
    const id = await world.startReady();
    const { archive } = await world.runtime.files.read(id, "/bin");
    await world.runtime.remove(id, { force: true });
    const readAll = async () => {
      for await (const _ of archive);
    };
    await expect(readAll()).rejects.toMatchObject({ code: "conflict" });
    const other = await world.startReady();
    const reading = await world.runtime.files.read(other, "/bin");
    await world.runtime.stop(other, 100);
    expect(await namesOf(reading.archive)).toContain("bin/busybox");
  });
});
