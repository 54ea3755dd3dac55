import { readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { StreamChoice } from "../../../src/runtime/container-runtime.js";
import { pipeProgram } from "../../../src/runtime/shim/shim-stream.js";
import { ContainerWorld, containerConfig, PATIENT, PLAIN_EXEC } from "../../support/container-world.js";
import { until } from "../../support/until.js";

let world: ContainerWorld;
beforeAll(async () => {
  world = await ContainerWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

const ALL: StreamChoice = { stdin: true, stdout: true, stderr: true };
const PIPED = { isTerminal: false, hasInput: true, isInputOnce: true };
const TERMINAL = { isTerminal: true, hasInput: true, isInputOnce: true };

/** Reads frames until the end, as [stream, text] with neighbours of one stream joined. */
async function frames(stream: AsyncIterable<unknown>): Promise<readonly (readonly [number, string])[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const all = Buffer.concat(chunks);
  const found: [number, string][] = [];
  for (let at = 0; at < all.length; ) {
    const size = all.readUInt32BE(at + 4);
    const [kind, part] = [all[at]!, all.toString("utf8", at + 8, at + 8 + size)];
    const last = found.at(-1);
    if (last?.[0] === kind) last[1] += part;
    else found.push([kind, part]);
    at += 8 + size;
  }
  return found;
}

/** Reads until the text is there. */
function seen(stream: Duplex, expected: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = "";
    const onData = (data: Buffer) => {
      all += data.toString();
      if (!all.includes(expected)) return;
      stream.off("data", onData).off("end", onEnd);
      resolve(all);
    };
    const onEnd = () => reject(new Error(`${JSON.stringify(expected)} never came, but ${JSON.stringify(all)}`));
    stream.on("data", onData).once("end", onEnd).resume();
  });
}

test("who attaches before the start misses nothing, in both directions, and ends standard input by ending theirs", async () => {
  const id = await world.create({ command: ["sh", "-c", "echo first; echo wrong >&2; cat; echo end"], terminal: PIPED });
  const attachment = world.runtime.attach(id, ALL);
  await world.runtime.start(id);
  const stream = await attachment.stream;
  stream.end("input\n");
  const all = await frames(stream);
  expect(
    all
      .filter(([kind]) => kind === 1)
      .map(([, part]) => part)
      .join(""),
  ).toBe("first\ninput\nend\n");
  expect(all.filter(([kind]) => kind === 2)).toEqual([[2, "wrong\n"]]);
  expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 0 });
  expect(await world.output(id)).toContain("input\n");
});

test("a crowd that attaches before the start misses nothing", async () => {
  const id = await world.create({ command: ["echo", "hello"] });
  const all = Promise.all(Array.from({ length: 60 }, async () => frames(await world.runtime.attach(id, { ...ALL, stdin: false }).stream)));
  await world.runtime.start(id);
  expect(await all).toEqual(Array.from({ length: 60 }, () => [[1, "hello\n"]]));
});

test("several attachers see the same, each what it asked for", async () => {
  const id = await world.create({ command: ["sh", "-c", "read line; echo out $line; echo err $line >&2"], terminal: PIPED });
  const [writer, outputs, errors] = [ALL, { ...ALL, stdin: false, stderr: false }, { ...ALL, stdin: false, stdout: false }].map((streams) =>
    world.runtime.attach(id, streams),
  );
  await world.runtime.start(id);
  (await writer!.stream).write("x\n");
  expect(await frames(await outputs!.stream)).toEqual([[1, "out x\n"]]);
  expect(await frames(await errors!.stream)).toEqual([[2, "err x\n"]]);
  (await writer!.stream).destroy();
});

test("an attacher that leaves does not end the input of a container that keeps it open", async () => {
  const id = await world.start({ command: ["sh", "-c", "while read line; do echo got $line; done; echo ended"], terminal: { ...PIPED, isInputOnce: false } });
  const first = await world.runtime.attach(id, ALL).stream;
  first.write("one\n");
  await seen(first, "got one");
  first.end();
  first.destroy();
  const second = await world.runtime.attach(id, ALL).stream;
  second.write("two\n");
  expect(await seen(second, "got two")).not.toContain("ended");
  second.destroy();
});

test("a terminal has a size, is the console, and echoes", async () => {
  const script = "test -t 0 && test -t 1 && test -c /dev/console && echo is-terminal; trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done";
  const id = await world.create({ command: ["sh", "-c", script], terminal: TERMINAL });
  const attachment = world.runtime.attach(id, ALL);
  await world.runtime.start(id);
  const stream = await attachment.stream;
  expect(await seen(stream, "ready")).toContain("is-terminal\r\n");
  const resized = seen(stream, "33 111");
  await world.runtime.resize(id, { rows: 33, columns: 111 });
  await resized;
  const typed = seen(stream, "typed");
  stream.write("typed");
  await typed;
  // The terminal's own interrupt character.
  stream.write("\x03");
  expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 130 });
});

test("standard input is empty where nobody asked for one", async () => {
  expect((await world.run("cat; echo done")).output).toBe("done\n");
});

test("a reader who does not read holds up the program, but neither the daemon's other calls nor the log of what came", async () => {
  const id = await world.create({
    command: ["sh", "-c", "i=0; while [ $i -lt 40000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; echo end"],
  });
  const attachment = world.runtime.attach(id, ALL);
  await world.runtime.start(id);
  const stream = await attachment.stream;
  // Nobody reads: buffers are full, and the program waits.
  await logStandsStill(id);
  expect(world.runtime.inspect(id)?.state).toBe("running");
  // Leaving lets it go on to its end.
  stream.destroy();
  expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 0 });
  expect((await world.output(id)).endsWith("\nend\n")).toBe(true);
});

test("what a program wrote before its end reaches the log, and a reader who did not read until then", async () => {
  const id = await world.create({ command: ["sh", "-c", "seq 1 1000000"] });
  const attachment = world.runtime.attach(id, ALL);
  await world.runtime.start(id);
  const stream = await attachment.stream;
  const sizeBefore = await logStandsStill(id);
  const begun = await world.output(id);
  await world.runtime.kill(id, "SIGKILL");
  // The shim has done with its log when it waits for those who are attached.
  await until("the rest is in the log", () => logSize(id) > sizeBefore);
  const [seen] = await frames(stream);
  expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 137 });
  const logged = await world.output(id);
  expect(logged.length - begun.length).toBeGreaterThan(100_000);
  expect(seen).toEqual([1, logged]);
});

test("what a program writes reaches a client that is slower than it whole and in order", async () => {
  const clients = createServer((client) => pipeProgram(stream, client));
  const path = join(world.folder, "clients");
  await new Promise<void>((resolve) => clients.listen(path, resolve));
  const id = await world.create({ command: ["seq", "1", "200000"] });
  const attachment = world.runtime.attach(id, ALL);
  await world.runtime.start(id);
  const stream = await attachment.stream;
  const reader = connect(path);
  let parts = 0;
  async function* slowly() {
    for await (const part of reader) {
      if (++parts % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
      yield part;
    }
  }
  const all = await frames(slowly());
  expect(all.map(([, part]) => part).join("")).toBe(Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join(""));
  clients.close();
});

test("a program that says nothing, and has ended before anybody listens, ends the connection of its client", async () => {
  const id = await world.startReady();
  const { stream } = await world.runtime.exec(id, { ...PLAIN_EXEC, args: ["true"], streams: { ...ALL, stdin: false } });
  await until("its end has come", () => stream?.readableEnded);
  const clients = createServer((client) => pipeProgram(stream!, client));
  const path = join(world.folder, "later");
  await new Promise<void>((resolve) => clients.listen(path, resolve));
  expect(await text(connect(path))).toBe("");
  stream?.destroy();
  clients.close();
});

test("attaching to what is removed, or cannot start, says so", async () => {
  const removed = await world.create();
  const gone = expect(world.runtime.attach(removed, ALL).stream).rejects.toMatchObject({ code: "not_found" });
  await world.runtime.remove(removed);
  await gone;
  const broken = await world.create({ command: ["/absent"] });
  const failed = expect(world.runtime.attach(broken, ALL).stream.then((stream) => text(stream))).resolves.toBe("");
  await expect(world.runtime.start(broken)).rejects.toMatchObject({ code: "failed_precondition" });
  await failed;
});

test("exec joins the container: its processes, names, files, limits, environment and filter", async () => {
  const id = await world.startReady({ hostname: "box", env: ["A=b"], workingDir: "/tmp", resources: { nanoCpus: 0, memoryBytes: 0, pids: 77 } });
  const script =
    "hostname; echo $A $MORE; pwd; set -- /proc/[0-9]*; echo $#; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; grep -E '^(Seccomp|CapEff):' /proc/self/status; cat; exit 5";
  const process = await world.runtime.exec(id, { ...PLAIN_EXEC, args: ["sh", "-c", script], env: ["MORE=c"], streams: ALL });
  process.stream!.end("input");
  const own = await world.runtime.exec(id, { ...PLAIN_EXEC, args: ["sh", "-c", "echo $PWD >/tmp/made"] });
  expect(await own.ended).toBe(0);
  const [[, output]] = (await frames(process.stream!)) as [[number, string]];
  expect(await process.ended).toBe(5);
  const lines = output.split("\n");
  expect(lines.slice(0, 3)).toEqual(["box", "b c", "/tmp"]);
  // The first process and this one; the first's child may be between two of its lives.
  expect(Number(lines[3])).toBeGreaterThanOrEqual(2);
  expect(lines.slice(4)).toEqual(["77", "CapEff:\t00000000a80425fb", "Seccomp:\t2", "input"]);
});

test.each([
  ["a user of the image", { user: "web" }, "id -un; pwd", "web\n/\n"],
  ["one who reads the limits", { user: "web" }, "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null", "max\n"],
  ["another folder", { workingDir: "/etc" }, "pwd", "/etc\n"],
  [
    "every capability",
    { isPrivileged: true },
    "grep CapEff /proc/self/status",
    `CapEff:\t${/^CapPrm:\t(.*)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]}\n`,
  ],
])("exec as %s", async (_what, change, script, expected) => {
  const id = await world.startReady();
  const process = await world.runtime.exec(id, { ...PLAIN_EXEC, args: ["sh", "-c", script], streams: { ...ALL, stdin: false }, ...change });
  expect((await frames(process.stream!)).map(([, part]) => part).join("")).toBe(expected);
});

test("exec with a terminal, its size, and a signal", async () => {
  const id = await world.startReady();
  const process = await world.runtime.exec(id, {
    ...PLAIN_EXEC,
    args: ["sh", "-c", "tty; stty size; echo $TERM; echo ready; sleep 1000"],
    isTerminal: true,
    size: { rows: 20, columns: 70 },
    streams: ALL,
  });
  expect(await seen(process.stream!, "ready")).toMatch(/^\/dev\/pts\/\d+\r\n20 70\r\nxterm\r\nready/);
  await process.resize({ rows: 21, columns: 71 });
  await process.kill("SIGKILL");
  expect(await process.ended).toBe(137);
});

test("what cannot be executed says why, and so does a container that does not run", async () => {
  const id = await world.startReady();
  await expect(world.runtime.exec(id, { ...PLAIN_EXEC, args: ["absent"] })).rejects.toThrow('exec: "absent": executable file not found in $PATH');
  await expect(world.runtime.exec(id, { ...PLAIN_EXEC, args: ["true"], workingDir: "/absent" })).rejects.toThrow("/absent");
  await expect(world.runtime.exec(id, { ...PLAIN_EXEC, args: ["true"], user: "nobody-there" })).rejects.toThrow("unable to find user nobody-there");
  // Its reason is longer than what a socket takes at once.
  for (const name of ["\u0001".repeat(100_000), "x".repeat(1_000_000)]) {
    await expect(world.runtime.exec(id, { ...PLAIN_EXEC, args: [name] })).rejects.toThrow(/^.{1,20000}executable file not found in \$PATH$/su);
    const long = await world.create({ command: [name] });
    await expect(world.runtime.start(long)).rejects.toThrow(/^.{1,20000}executable file not found in \$PATH$/su);
  }
  const created = await world.create();
  await expect(world.runtime.exec(created, { ...PLAIN_EXEC, args: ["true"] })).rejects.toMatchObject({ code: "conflict", message: /is not running/ });
});

test("the end of the container ends what was run in it, and a restart of the daemon does not", async () => {
  const id = await world.startReady();
  const process = await world.runtime.exec(id, { ...PLAIN_EXEC, args: ["sh", "-c", "echo $$ >/tmp/pid; exec sleep 1000"] });
  await world.reopen();
  await until("it is seen to live", async () => (await (await world.exec(id, "sh", "-c", "kill -0 $(cat /tmp/pid)")).ended) === 0);
  await world.runtime.kill(id, "SIGKILL");
  expect(await process.ended).toBe(137);
});

test("a daemon that ends while it holds a container for a moment leaves it to the next, which lets it go on", async () => {
  const id = await world.startReady();
  await world.runtime.pause(id, { isBrief: true });
  await world.reopen();
  expect(world.runtime.inspect(id)?.isPaused).toBe(false);
  expect(await (await world.runtime.exec(id, { ...PLAIN_EXEC, args: ["true"] })).ended).toBe(0);
  // One that somebody asked for stays.
  await world.runtime.pause(id);
  await world.reopen();
  expect(world.runtime.inspect(id)?.isPaused).toBe(true);
});

test("a paused container stands still, also across a restart of the daemon, and can be killed", async () => {
  const id = await world.startReady({ command: ["sh", "-c", "echo ready; while :; do echo beat; sleep 0.01; done"] });
  await world.runtime.pause(id);
  await expect(world.runtime.pause(id)).rejects.toMatchObject({ code: "conflict" });
  await expect(world.runtime.exec(id, { ...PLAIN_EXEC, args: ["true"] })).rejects.toThrow("is paused");
  await world.reopen();
  expect(world.runtime.inspect(id)).toMatchObject({ state: "running", isPaused: true });
  const size = () => readFileSync(world.runtime.inspect(id)!.logPath).length;
  const before = size();
  await world.runtime.unpause(id);
  await until("it goes on", () => size() > before);
  await world.runtime.pause(id);
  await world.runtime.kill(id, "SIGKILL");
  expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 137 });
});

test("an init process passes signals on, reaps, and ends as the program does", async () => {
  const id = await world.startReady({ hasInit: true });
  const process = await world.runtime.exec(id, { ...PLAIN_EXEC, args: ["sh", "-c", "cat /proc/1/comm"], streams: { ...ALL, stdin: false } });
  expect(await frames(process.stream!)).toEqual([[1, "docker-init\n"]]);
  await world.runtime.kill(id, "SIGUSR1");
  expect(await world.runtime.wait(id)).toMatchObject({ exitCode: 7 });
});

test("a shared network is the other's", async () => {
  const other = await world.startReady({ hostname: "other" });
  const joined = { network: { container: other } };
  expect((await world.run("ls -l /proc/self/ns/net; cat /etc/hosts", joined)).output).toContain("other");
  const stopped = await world.create();
  const id = await world.create({ network: { container: stopped } });
  await expect(world.runtime.start(id)).rejects.toThrow("cannot join network of a non running container");
});

test("devices, the size of shared memory, and a privileged container", async () => {
  const device = { source: "/dev/kmsg", target: "/dev/sub/log", permissions: "w" };
  expect((await world.run("test -c /dev/sub/log && : >>/dev/sub/log && echo opened", { devices: [device] })).output).toBe("opened\n");
  expect((await world.run("mknod /dev/log c 1 11; true >>/dev/log || echo refused")).output).toContain("refused\n");
  const mounts = (await world.run("grep /dev/shm /proc/mounts", { sharedMemoryBytes: 1 << 20 })).output;
  expect(mounts).toContain("size=1024k");
  const privileged = await world.run("test -c /dev/kmsg && grep -c ' /proc/sys ' /proc/mounts; mkdir /tmp/m && mount -t tmpfs none /tmp/m && echo mounted", {
    isPrivileged: true,
  });
  expect(privileged.output).toBe("0\nmounted\n");
  await expect(world.create({ devices: [{ ...device, source: "/dev/absent" }] })).rejects.toThrow("no such file or directory");
});

test("settings can be changed while it runs, and stay changed", async () => {
  const config = containerConfig({ command: PATIENT });
  await world.runtime.create(config);
  await world.runtime.start(config.id);
  await world.runtime.update(config.id, { name: "other-name", resources: { nanoCpus: 0, memoryBytes: 64 << 20, pids: 55 } });
  const process = await world.runtime.exec(config.id, {
    ...PLAIN_EXEC,
    args: ["sh", "-c", "cd /sys/fs/cgroup; cat pids/pids.max pids.max 2>/dev/null"],
    streams: ALL,
  });
  expect(await frames(process.stream!)).toEqual([[1, "55\n"]]);
  await world.reopen();
  expect(world.runtime.inspect("other-name")?.config).toMatchObject({ id: config.id, resources: { pids: 55 } });
  expect((await world.runtime.usage(config.id)).memoryLimitBytes).toBe(64 << 20);
  expect(await world.runtime.processes(config.id)).toContain(world.runtime.inspect(config.id)!.pid);
  await expect(world.runtime.update(config.id, { name: "a b" })).rejects.toMatchObject({ code: "invalid_argument" });
});

test("starts at the same time are one", async () => {
  const config = containerConfig({ command: PATIENT });
  await world.runtime.create(config);
  await Promise.all([world.runtime.start(config.id), world.runtime.start(config.id)]);
  expect(world.runtime.inspect(config.id)?.state).toBe("running");
  await expect(world.runtime.start(config.id)).rejects.toMatchObject({ code: "failed_precondition" });
});

test("what is hidden and write-protected can be chosen", async () => {
  const script = "grep -cE ' /proc/(interrupts|sys|uptime) ' /proc/mounts";
  expect((await world.run(script)).output).toBe("2\n");
  expect((await world.run(script, { maskedPaths: [], readOnlyPaths: [] })).output).toBe("0\n");
  expect((await world.run(`${script}; wc -c </proc/uptime`, { maskedPaths: ["/proc/uptime"] })).output).toBe("2\n0\n");
});

test("changes at the same time all hold, on disk too, and a container that is removed meanwhile is no failure of its files", async () => {
  const config = containerConfig({ command: PATIENT });
  const { runtime } = world;
  await runtime.create(config);
  await runtime.start(config.id);
  await Promise.all([
    runtime.update(config.id, { name: "renamed" }),
    runtime.update(config.id, ({ resources }) => ({ resources: { ...resources, pids: 55 } })),
    runtime.update(config.id, ({ resources }) => ({ resources: { ...resources, memoryBytes: 64 << 20 } })),
    runtime.update(config.id, () => null),
  ]);
  await world.reopen();
  expect(world.runtime.inspect("renamed")?.config.resources).toMatchObject({ pids: 55, memoryBytes: 64 << 20 });
  const change = () => world.runtime.update(config.id, ({ resources }) => ({ resources: { ...resources, pids: resources.pids + 1 } }));
  const [removed, ...changed] = await Promise.allSettled([world.runtime.remove(config.id, { force: true }), change(), change(), change()]);
  expect(removed.status).toBe("fulfilled");
  for (const each of changed)
    expect(each).toMatchObject({ status: "rejected", reason: { code: "conflict", message: expect.stringContaining("marked for removal") } });
});

test("who attaches to a program whose shim is gone by then hears of it, and may give it up before, meanwhile or after", async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (cause: unknown) => unhandled.push(cause);
  process.on("unhandledRejection", onUnhandled);
  const id = await world.startReady();
  // As in the moment between its end and the news of it.
  rmSync(join(world.folder, "run/shims", `${id.slice(0, 32)}.sock`));
  world.runtime.attach(id, ALL).cancel();
  const { stream, cancel } = world.runtime.attach(id, ALL);
  // By then it has failed, and nobody waits for it yet.
  await expect(world.runtime.attach(id, ALL).stream).rejects.toThrow("the container has ended");
  await new Promise((resolve) => setImmediate(resolve));
  await expect(stream).rejects.toThrow("the container has ended");
  cancel();
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
  await world.runtime.remove(id, { force: true });
});

const logSize = (id: string) => readFileSync(world.runtime.inspect(id)!.logPath).length;

/** Resolves with the size of the log when something is in it and nothing more comes: buffers are full. */
async function logStandsStill(id: string): Promise<number> {
  let before = -1;
  await until("the log stands still", () => {
    const now = logSize(id);
    const isStill = now > 0 && now === before;
    before = now;
    return isStill;
  });
  return before;
}
