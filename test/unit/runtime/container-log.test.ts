import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ContainerWorld } from "../../support/container-world.js";
import { numbered, printing } from "../../support/numbered-lines.js";
import { until } from "../../support/until.js";

let world: ContainerWorld;
beforeAll(async () => {
  world = await ContainerWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

test("each line is an entry in Docker's format, in order, with its stream and time", async () => {
  const before = BigInt(Date.now() - 1) * 1_000_000n;
  const id = await world.ran(`echo one; echo two >&2; sleep 0.05; printf 'a"\\\\b\\t\\033\\n'; printf 'no newline'`);
  const path = world.runtime.inspect(id)?.logPath ?? "";
  const entries = readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { log: string; stream: string; time: string });
  const byStream = (stream: string) => entries.filter((entry) => entry.stream === stream).map((entry) => entry.log);
  expect(byStream("stdout")).toEqual(["one\n", 'a"\\b\t\u001b\n', "no newline"]);
  expect(byStream("stderr")).toEqual(["two\n"]);
  for (const entry of entries) {
    expect(Object.keys(entry)).toEqual(["log", "stream", "time"]);
    expect(entry.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  }
  for await (const line of world.logs(id)) {
    expect(line.timestampNs).toBeGreaterThan(before);
    expect(line.timestampNs).toBeLessThan(BigInt(Date.now() + 1) * 1_000_000n);
  }
});

test("bytes that are no UTF-8 become the replacement character, and characters are not cut", async () => {
  // 16383 bytes of ASCII before a character of three bytes: it crosses the limit of a part.
  const id = await world.ran(
    `printf '\\377ok\\n'; head -c 16383 /dev/zero | tr '\\0' x; printf '\\342\\202\\254\\n'`.replace("tr '\\0' x", "/bin/busybox tr '\\0' x"),
  );
  const [first, second, third] = await world.lines(id);
  expect(first).toBe("\ufffdok\n");
  expect(second).toBe("x".repeat(16383));
  expect(third).toBe("€\n");
});

test("a very long line comes in parts that add up to it", async () => {
  const id = await world.ran("head -c 100000 /dev/zero | /bin/busybox tr '\\0' y; echo");
  const parts = await world.lines(id);
  expect(parts.join("")).toBe(`${"y".repeat(100_000)}\n`);
  expect(parts.every((part) => part.length <= 16_384)).toBe(true);
});

test("streams, times and the tail select", async () => {
  const id = await world.ran("echo 1; sleep 0.05; echo 2; sleep 0.05; echo 3");
  const times: bigint[] = [];
  for await (const line of world.logs(id)) times.push(line.timestampNs);
  expect(await world.lines(id, { tail: 2 })).toEqual(["2\n", "3\n"]);
  expect(await world.lines(id, { tail: 0 })).toEqual([]);
  expect(await world.lines(id, { tail: 100 })).toEqual(["1\n", "2\n", "3\n"]);
  expect(await world.lines(id, { stdout: false })).toEqual([]);
  expect(await world.lines(id, { sinceNs: times[1]! })).toEqual(["2\n", "3\n"]);
  expect(await world.lines(id, { untilNs: times[1]! })).toEqual(["1\n", "2\n"]);
});

test("the log is cut into files of the given size and number, and read across them", async () => {
  const id = await world.ran(printing(400), { log: { driver: "json-file", options: { "max-size": "8192", "max-file": "3" } } });
  const folder = dirname(world.runtime.inspect(id)?.logPath ?? "");
  const files = readdirSync(folder)
    .filter((name) => name.includes("-json.log"))
    .sort();
  expect(files.map((name) => name.replace(id, "ID"))).toEqual(["ID-json.log", "ID-json.log.1", "ID-json.log.2"]);
  for (const name of files) expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(8192);
  const lines = await world.lines(id);
  const first = Number(lines[0]?.replace("line-", ""));
  expect(first).toBeGreaterThan(0);
  expect(lines).toEqual(numbered(first, 400, "\n"));
  expect(await world.lines(id, { tail: 150 })).toEqual(lines.slice(-150));
});

test("a log of one file begins anew when it is full", async () => {
  const id = await world.ran(printing(400), { log: { driver: "json-file", options: { "max-size": "4096", "max-file": "1" } } });
  expect(statSync(world.runtime.inspect(id)?.logPath ?? "").size).toBeLessThanOrEqual(4096);
  expect((await world.lines(id)).at(-1)).toBe("line-399\n");
});

test("following sees everything while files are rotated away, and ends with the container", async () => {
  const script = "i=0; while [ $i -lt 600 ]; do echo line-$i; i=$((i+1)); [ $((i % 50)) -eq 0 ] && sleep 0.02; done";
  const id = await world.start({ command: ["sh", "-c", script], log: { driver: "json-file", options: { "max-size": "16384", "max-file": "4" } } });
  expect(await world.lines(id, { follow: true })).toEqual(numbered(0, 600, "\n"));
  expect(world.runtime.inspect(id)?.state).toBe("exited");
});

test("following ends when its signal aborts", async () => {
  const id = await world.startReady();
  const controller = new AbortController();
  const lines: string[] = [];
  for await (const line of world.logs(id, { follow: true }, controller.signal)) {
    lines.push(Buffer.from(line.data).toString());
    controller.abort();
  }
  expect(lines).toEqual(["ready\n"]);
  await world.runtime.remove(id, { force: true });
});

test("a flood of output does not grow the shim, and nothing of it is lost", async () => {
  const id = await world.start({ command: ["sh", "-c", "seq 1 300000; echo over >&2"] });
  await world.runtime.wait(id);
  let next = 1;
  for await (const line of world.logs(id, { stderr: false })) {
    if (Buffer.from(line.data).toString() !== `${next}\n`) throw new Error(`line ${next} is ${Buffer.from(line.data)}`);
    next++;
  }
  expect(next).toBe(300_001);
});

test("output that nobody is there to read goes on", async () => {
  const id = await world.start({ command: ["sh", "-c", "sleep 0.1; echo after; sleep 0.1; echo later"] });
  await world.closeRuntime();
  await world.reopen();
  await until("it ended", () => world.runtime.inspect(id)?.state === "exited");
  expect(await world.lines(id)).toEqual(["after\n", "later\n"]);
});

test("following a log of one file sees the newest line after it was cut", async () => {
  const script = "i=0; while [ $i -lt 300 ]; do echo line-$i; i=$((i+1)); [ $((i % 20)) -eq 0 ] && sleep 0.02; done";
  const id = await world.start({ command: ["sh", "-c", script], log: { driver: "json-file", options: { "max-size": "4096", "max-file": "1" } } });
  expect((await world.lines(id, { follow: true })).at(-1)).toBe("line-299\n");
});

test("a full disk costs entries, not the container nor its exit", async () => {
  await using small = await ContainerWorld.open({ dataSizeBytes: 1 << 20 });
  const id = await small.start({ command: ["sh", "-c", "seq 1 200000; exit 9"] });
  expect(await small.runtime.wait(id)).toMatchObject({ exitCode: 9 });
  const entries = readFileSync(small.runtime.inspect(id)?.logPath ?? "", "utf8")
    .trimEnd()
    .split("\n");
  expect(entries.length).toBeLessThan(200_000);
  for (const entry of entries) expect(() => JSON.parse(entry)).not.toThrow();
  await small.reopen();
  expect(small.runtime.inspect(id)?.exit).toMatchObject({ exitCode: 9 });
  await expect(small.runtime.start(id)).rejects.toThrow(/no space left on device/);
});
