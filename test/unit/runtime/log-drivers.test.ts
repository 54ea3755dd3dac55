import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContainerLogOptions } from "../../../src/runtime/container-runtime.js";
import type { LogConfig } from "../../../src/runtime/logs/log-plan.js";
import { ContainerWorld } from "../../support/container-world.js";
import { until } from "../../support/until.js";

let world: ContainerWorld;
beforeAll(async () => {
  world = await ContainerWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

const never = new AbortController().signal;
const ALL: ContainerLogOptions = { follow: false, stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: -1 };
const count = (lines: number) => `i=0; while [ $i -lt ${lines} ]; do echo line-$i; i=$((i+1)); done`;
const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `line-${from + index}\n`);

async function read(id: string, options: Partial<ContainerLogOptions> = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of world.runtime.logs(id, { ...ALL, ...options }, never)) lines.push(Buffer.from(line.data).toString());
  return lines;
}

async function ran(script: string, log: LogConfig, labels: Readonly<Record<string, string>> = {}): Promise<string> {
  const id = await world.start({ command: ["sh", "-c", script], log, labels });
  await world.runtime.wait(id);
  return id;
}

const pathOf = (id: string) => world.runtime.inspect(id)!.logPath;
const filesOf = (id: string) => readdirSync(dirname(pathOf(id))).filter((name) => join(dirname(pathOf(id)), name).startsWith(pathOf(id)));

test("local: every byte comes back, with stream and time, in less room than json-file takes", async () => {
  const script = `echo out; echo err >&2; printf 'no newline'; sleep 0.05; printf '\\377\\n\\n'; ${count(200)}`;
  const id = await ran(script, { driver: "local", options: {} });
  const lines = [];
  for await (const line of world.runtime.logs(id, ALL, never)) lines.push(line);
  expect(Buffer.concat(lines.filter(({ stream }) => stream === "stdout").map(({ data }) => data))).toEqual(
    Buffer.concat([Buffer.from("out\nno newline"), Buffer.from([0xff, 10, 10]), Buffer.from(numbered(0, 200).join(""))]),
  );
  expect(lines.filter(({ stream }) => stream === "stderr").map(({ data }) => Buffer.from(data).toString())).toEqual(["err\n"]);
  for (const { timestampNs } of lines) expect(Number(timestampNs / 1_000_000n)).toBeGreaterThan(Date.now() - 60_000);
  expect(await read(id, { tail: 2 })).toEqual(["line-198\n", "line-199\n"]);
  const other = await ran(script, { driver: "json-file", options: {} });
  expect(readFileSync(pathOf(id)).length * 2).toBeLessThan(readFileSync(pathOf(other)).length);
});

test.each(["json-file", "local"])("%s: full files are compressed, and read as if they were not", async (driver) => {
  const id = await ran(count(2000), { driver, options: { "max-size": "8k", "max-file": "20", compress: "true" } });
  await until("all full files are compressed", () => filesOf(id).filter((name) => !name.endsWith(".gz")).length === 1);
  expect(filesOf(id).length).toBeGreaterThan(3);
  expect(gunzipSync(readFileSync(`${pathOf(id)}.1.gz`)).length).toBeGreaterThan(4096);
  expect(await read(id)).toEqual(numbered(0, 2000));
  expect(await read(id, { tail: 500 })).toEqual(numbered(1500, 2000));
  expect(filesOf(id).some((name) => name.endsWith(".read"))).toBe(false);
});

test("a follower reads on through rotation and compression: each line once", async () => {
  const script = `until [ -e /go ]; do sleep 0.02; done; ${count(3000)}`;
  const id = await world.start({ command: ["sh", "-c", script], log: { driver: "local", options: { "max-size": "4k", "max-file": "400", compress: "true" } } });
  const lines: string[] = [];
  const following = (async () => {
    for await (const line of world.runtime.logs(id, { ...ALL, follow: true }, never)) lines.push(Buffer.from(line.data).toString());
  })();
  await world.runtime.exec(id, {
    args: ["touch", "/go"],
    env: [],
    workingDir: "",
    user: "",
    isPrivileged: false,
    isTerminal: false,
    size: null,
    streams: null,
  });
  await following;
  expect(lines).toEqual(numbered(0, 3000));
});

test("only as many files are kept as were asked for, compressed or not", async () => {
  const id = await ran(count(3000), { driver: "json-file", options: { "max-size": "4k", "max-file": "3", compress: "true" } });
  await until("all full files are compressed", () => filesOf(id).filter((name) => !name.endsWith(".gz")).length === 1);
  expect(filesOf(id).length).toBe(3);
  const lines = await read(id);
  expect(lines).toEqual(numbered(3000 - lines.length, 3000));
});

test("labels and the tag are in each entry of json-file, and told to readers of every driver", async () => {
  const options = { labels: "tier", tag: "{{.ImageName}}" };
  const id = await ran('echo "a"', { driver: "json-file", options }, { tier: 'fr"ont', other: "x" });
  const entry = JSON.parse(readFileSync(pathOf(id), "utf8")) as { readonly attrs: unknown };
  expect(Object.keys(entry)).toEqual(["log", "stream", "attrs", "time"]);
  expect(entry.attrs).toEqual({ tag: "busybox", tier: 'fr"ont' });
  for await (const line of world.runtime.logs(id, ALL, never)) expect(line.attributes).toEqual({ tag: "busybox", tier: 'fr"ont' });
});

test("none: nothing is kept, and reading is refused", async () => {
  const id = await ran("echo gone", { driver: "none", options: {} });
  expect(world.runtime.inspect(id)).toMatchObject({ logPath: "", isLogReadable: false });
  expect(() => world.runtime.logs(id, ALL, never)).toThrow("configured logging driver does not support reading");
  expect(existsSync(join(world.folder, "data/containers", id, `${id}-json.log`))).toBe(false);
});

test("a driver or an option that there is not is refused when the container is made", async () => {
  await expect(world.create({ log: { driver: "gelf", options: {} } })).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(world.create({ log: { driver: "local", options: { x: "y" } } })).rejects.toThrow("unknown log opt 'x' for local log driver");
});
