import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ContainerWorld } from "../../support/container-world.js";
import { numbered, printing } from "../../support/numbered-lines.js";
import { until } from "../../support/until.js";

let world: ContainerWorld;
beforeAll(async () => {
  world = await ContainerWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

const whole = (from: number, to: number) => numbered(from, to, "\n");
const pathOf = (id: string) => world.runtime.inspect(id)!.logPath;
const filesOf = (id: string) => readdirSync(dirname(pathOf(id))).filter((name) => join(dirname(pathOf(id)), name).startsWith(pathOf(id)));

test("local: every byte comes back, with stream and time, in less room than json-file takes", async () => {
  const script = `echo out; echo err >&2; printf 'no newline'; sleep 0.05; printf '\\377\\n\\n'; ${printing(200)}`;
  const id = await world.ran(script, { log: { driver: "local", options: {} } });
  const lines = [];
  for await (const line of world.logs(id)) lines.push(line);
  expect(Buffer.concat(lines.filter(({ stream }) => stream === "stdout").map(({ data }) => data))).toEqual(
    Buffer.concat([Buffer.from("out\nno newline"), Buffer.from([0xff, 10, 10]), Buffer.from(whole(0, 200).join(""))]),
  );
  expect(lines.filter(({ stream }) => stream === "stderr").map(({ data }) => Buffer.from(data).toString())).toEqual(["err\n"]);
  for (const { timestampNs } of lines) expect(Number(timestampNs / 1_000_000n)).toBeGreaterThan(Date.now() - 60_000);
  expect(await world.lines(id, { tail: 2 })).toEqual(["line-198\n", "line-199\n"]);
  const other = await world.ran(script, { log: { driver: "json-file", options: {} } });
  expect(readFileSync(pathOf(id)).length * 2).toBeLessThan(readFileSync(pathOf(other)).length);
});

test.each(["json-file", "local"])("%s: full files are compressed, and read as if they were not", async (driver) => {
  const id = await world.ran(printing(2000), { log: { driver, options: { "max-size": "8k", "max-file": "20", compress: "true" } } });
  await until("all full files are compressed", () => filesOf(id).filter((name) => !name.endsWith(".gz")).length === 1);
  expect(filesOf(id).length).toBeGreaterThan(3);
  expect(gunzipSync(readFileSync(`${pathOf(id)}.1.gz`)).length).toBeGreaterThan(4096);
  expect(await world.lines(id)).toEqual(whole(0, 2000));
  expect(await world.lines(id, { tail: 500 })).toEqual(whole(1500, 2000));
  expect(filesOf(id).some((name) => name.endsWith(".read"))).toBe(false);
});

test("a follower reads on through rotation and compression: each line once", async () => {
  const script = `until [ -e /go ]; do sleep 0.02; done; ${printing(3000)}`;
  const id = await world.start({ command: ["sh", "-c", script], log: { driver: "local", options: { "max-size": "4k", "max-file": "400", compress: "true" } } });
  const following = world.lines(id, { follow: true });
  await world.exec(id, "touch", "/go");
  expect(await following).toEqual(whole(0, 3000));
});

test("only as many files are kept as were asked for, compressed or not", async () => {
  const id = await world.ran(printing(3000), { log: { driver: "json-file", options: { "max-size": "4k", "max-file": "3", compress: "true" } } });
  await until("all full files are compressed", () => filesOf(id).filter((name) => !name.endsWith(".gz")).length === 1);
  expect(filesOf(id).length).toBe(3);
  const lines = await world.lines(id);
  expect(lines).toEqual(whole(3000 - lines.length, 3000));
});

test("labels and the tag are in each entry of json-file, and told to readers of every driver", async () => {
  const options = { labels: "tier", tag: "{{.ImageName}}" };
  const id = await world.ran('echo "a"', { log: { driver: "json-file", options }, labels: { tier: 'fr"ont', other: "x" } });
  const entry = JSON.parse(readFileSync(pathOf(id), "utf8")) as { readonly attrs: unknown };
  expect(Object.keys(entry)).toEqual(["log", "stream", "attrs", "time"]);
  expect(entry.attrs).toEqual({ tag: "busybox", tier: 'fr"ont' });
  for await (const line of world.logs(id)) expect(line.attributes).toEqual({ tag: "busybox", tier: 'fr"ont' });
});

test("none: nothing is kept, and reading is refused", async () => {
  const id = await world.ran("echo gone", { log: { driver: "none", options: {} } });
  expect(world.runtime.inspect(id)).toMatchObject({ logPath: "", isLogReadable: false });
  expect(() => world.logs(id)).toThrow("configured logging driver does not support reading");
  expect(existsSync(join(world.folder, "data/containers", id, `${id}-json.log`))).toBe(false);
});

test("a driver or an option that there is not is refused when the container is made", async () => {
  await expect(world.create({ log: { driver: "gelf", options: {} } })).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(world.create({ log: { driver: "local", options: { x: "y" } } })).rejects.toThrow("unknown log opt 'x' for local log driver");
});
