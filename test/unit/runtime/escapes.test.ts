import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContainerMount } from "../../../src/runtime/container-config.js";
import { ContainerWorld, PLAIN_EXEC } from "../../support/container-world.js";

/** What other container runtimes let out, tried on ours; native/escapes.md has the whole table. */
let world: ContainerWorld;
beforeAll(async () => {
  world = await ContainerWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

const BIND = { type: "bind", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 } as const;
const TMPFS = { ...BIND, type: "tmpfs", source: "" } as const;

/** A program of a running container; resolves with its code and output, or with why there is none. */
async function exec(id: string, args: readonly string[], workingDir = ""): Promise<string> {
  try {
    const { stream, ended } = await world.runtime.exec(id, { ...PLAIN_EXEC, args, workingDir, streams: { stdin: false, stdout: true, stderr: true } });
    const parts: Buffer[] = [];
    for await (const part of stream ?? []) parts.push(part as Buffer);
    return `${await ended} ${Buffer.concat(parts).toString()}`;
  } catch (cause) {
    return String(cause);
  }
}

/** An image of busybox with links of this name and target. */
function imageWithLinks(name: string, links: Readonly<Record<string, string>>): void {
  const folder = join(world.folder, name);
  mkdirSync(folder, { recursive: true });
  for (const [link, target] of Object.entries(links)) symlinkSync(target, join(folder, link));
  world.images.add(name, [folder, join(world.folder, "image")]);
}

test("CVE-2024-21626: no descriptor but the standard streams reaches a program, and none is a way out as its folder", async () => {
  // The fourth is the listing's own.
  const { output } = await world.run("ls /proc/self/fd | wc -l; ls -l /proc/self/fd");
  expect(output).toMatch(/^4\n/);
  expect(output).not.toMatch(/-> \/(?!dev\/null|proc\/)/);
  const id = await world.startReady();
  expect(await exec(id, ["sh", "-c", "ls /proc/self/fd | wc -l"])).toMatch(/^0 .*4\n$/s);
  for (let number = 3; number < 14; number++) {
    const workingDir = `/proc/self/fd/${number}`;
    const started = await world.create({ workingDir, command: ["pwd"] });
    await expect(world.runtime.start(started)).rejects.toThrow(/working directory/);
    await world.runtime.remove(started);
    expect(await exec(id, ["pwd"], workingDir)).toMatch(/working directory/);
  }
  await world.runtime.remove(id, { force: true });
});

test("CVE-2019-16884, 2019-19921, 2023-27561, 2023-28642, 2025-52881: nothing is mounted in /proc, by whatever name, nor does a link replace /proc or /sys", async () => {
  imageWithLinks("links-to-proc", { attr: "/proc/self/attr", up: "../../proc/sys", proc: "/attr", sys: "/tmp" });
  for (const target of ["/proc/self/attr", "/attr", "/up", "/tmp/../up/kernel"]) {
    for (const mount of [
      { ...TMPFS, target },
      { ...BIND, source: world.folder, target },
    ] satisfies ContainerMount[]) {
      const attempt = world.start({ image: target.startsWith("/proc") ? "busybox" : "links-to-proc", mounts: [mount], command: ["true"] });
      await expect(attempt).rejects.toThrow(/\/proc|symbolic link|not a directory/i);
    }
  }
  for (const info of world.runtime.list()) await world.runtime.remove(info.config.id, { force: true });
});

test("CVE-2021-30465, 2024-45310: a link that is exchanged while containers start leads no mount, and no new folder, to the host", async () => {
  const [shared, outside] = [join(world.folder, "shared"), join(world.folder, "outside")];
  mkdirSync(join(shared, "folder"), { recursive: true });
  mkdirSync(outside);
  let isOver = false;
  const exchange = (async () => {
    for (let turn = 0; !isOver; turn++) {
      symlinkSync(turn % 2 === 0 ? outside : "folder", join(shared, "new"));
      renameSync(join(shared, "new"), join(shared, "target"));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const mounts = [
    { ...BIND, source: shared, target: "/shared" },
    { ...TMPFS, target: "/shared/target/made" },
  ];
  for (let round = 0; round < 10; round++) {
    const starts = Array.from({ length: 4 }, () => world.start({ mounts, command: ["touch", "/shared/target/made/file"] }).catch(() => null));
    for (const id of await Promise.all(starts)) if (id !== null) await world.runtime.wait(id);
  }
  isOver = true;
  await exchange;
  expect(readdirSync(outside)).toEqual([]);
  for (const info of world.runtime.list()) await world.runtime.remove(info.config.id, { force: true });
});

test("CVE-2022-29162, 2023-25173: no inheritable capability, and no group of the daemon's, reaches a program", async () => {
  const script = "grep -E '^(CapInh|CapAmb|Groups)' /proc/self/status";
  const { output } = await world.run(script, { user: "1234:5678" });
  expect(output).toMatch(/^Groups:\s*(5678\s*)?\nCapInh:\s*0+\nCapAmb:\s*0+\n$/);
  const id = await world.startReady({ user: "1234:5678" });
  expect(await exec(id, ["sh", "-c", script])).toMatch(/Groups:\s*(5678\s*)?\nCapInh:\s*0+\nCapAmb:\s*0+\n$/);
  await world.runtime.remove(id, { force: true });
});

test("CVE-2025-52565: a terminal is not mounted on what a volume put in place of /dev/console", async () => {
  const dev = join(world.folder, "dev");
  mkdirSync(dev);
  symlinkSync("/proc/sys/kernel/core_pattern", join(dev, "console"));
  const terminal = { isTerminal: true, hasInput: false, isInputOnce: false };
  const id = await world.create({ mounts: [{ ...BIND, source: dev, target: "/dev" }], terminal, command: ["true"] });
  await expect(world.runtime.start(id)).rejects.toThrow(/\/dev\//);
  await world.runtime.remove(id);
});

test("a terminal is mounted over the console of a /dev that is a bind, without following a link", async () => {
  const dev = join(world.folder, "dev-with-console");
  mkdirSync(dev);
  writeFileSync(join(dev, "console"), "");
  const terminal = { isTerminal: true, hasInput: false, isInputOnce: false };
  const { output, exit } = await world.run("tty; test -c /dev/console && echo console", {
    mounts: [
      { ...BIND, source: dev, target: "/dev" },
      { ...BIND, source: "/dev/pts", target: "/dev/pts" },
      { ...BIND, source: "/dev/null", target: "/dev/null" },
    ],
    terminal,
  });
  expect([output, exit.exitCode]).toEqual([expect.stringContaining("console\r\n"), 0]);
});

test("CVE-2020-15257: a container on the host's network finds no socket of ours to connect to", async () => {
  const { output } = await world.run("grep -c . /proc/net/unix; grep -i -e shim -e swarm /proc/net/unix", { network: "host" });
  // Those with a path are out of its reach; an abstract one, which begins with @, would not be.
  expect(output.split("\n").filter((line) => line.includes("@"))).toEqual([]);
});
