import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { LocalImageStore } from "../../../src/runtime/images/local-image-store.js";
import type { ImportOptions } from "../../../src/runtime/image-store.js";
import { UNPACKER_PATH } from "../../support/unpacker.js";
import { archiveOf, streamOf } from "./archives.js";

let dataRoot: string;
let clock: FakeClock;
let store: LocalImageStore;
let hello: Buffer;

const open = () => LocalImageStore.open({ dataRoot, unpackerPath: UNPACKER_PATH, clock, logger: silentLogger });
const importInto = (reference: string, change: Partial<ImportOptions> = {}, archive = hello) =>
  store.import(streamOf(archive), { reference, message: "", changes: [], platform: "", ...change });
const remove = (reference: string, used: readonly string[] = [], force = false) => store.remove(reference, { force, isInUse: (id) => used.includes(id) });
const filesIn = (folder: string) => readdirSync(join(dataRoot, "images", folder));

beforeEach(async () => {
  dataRoot = mkdtempSync(join(tmpdir(), "images-"));
  clock = new FakeClock();
  store = await open();
  hello = await archiveOf([{ name: "hello", content: "hello\n" }]);
});
afterEach(() => rmSync(dataRoot, { recursive: true, force: true }));

test("an imported image is found by every spelling of its name and id", async () => {
  const image = await importInto("bb:v1", { changes: ['CMD ["sleep", "1d"]', "ENV A=1"], message: "made by hand" });
  expect(image).toMatchObject({ tags: ["bb:v1"], digests: [], sizeBytes: 6, os: "linux", comment: "made by hand", createdAtMs: clock.now() });
  expect(image.config).toMatchObject({ command: ["sleep", "1d"], env: ["A=1"] });
  const hex = image.id.slice("sha256:".length);
  for (const spelling of [
    "bb:v1",
    "library/bb:v1",
    "docker.io/library/bb:v1",
    "index.docker.io/library/bb:v1",
    image.id,
    hex,
    hex.slice(0, 12),
    `sha256:${hex.slice(0, 5)}`,
  ]) {
    expect(store.resolve(spelling)?.id, spelling).toBe(image.id);
  }
  for (const unknown of ["bb:latest", "bb:v2", "registry.example/bb:v1", "abc", `sha256:${"0".repeat(64)}`])
    expect(store.resolve(unknown), unknown).toBeUndefined();
  const [folder = ""] = store.layerFolders(image.id);
  expect(readFileSync(join(folder, "hello"), "utf8")).toBe("hello\n");
});

test("the same content has the same id at any time and the same layer under any name", async () => {
  const first = await importInto("a:1");
  await clock.advance(60_000);
  const second = await importInto("b:1");
  expect(second).toMatchObject({ id: first.id, createdAtMs: first.createdAtMs, tags: ["a:1", "b:1"] });
  const other = await importInto("c:1", { changes: ["CMD ls"] });
  expect(other.id).not.toBe(first.id);
  expect(other.layers).toEqual(first.layers);
  expect(filesIn("layers")).toHaveLength(1);
});

test("everything is there after a restart, and nothing else", async () => {
  const image = await importInto("bb:v1", { changes: ["LABEL b=2 a=1"] });
  mkdirSync(join(dataRoot, "images/tmp/half"), { recursive: true });
  mkdirSync(join(dataRoot, "images/layers", "0".repeat(64)));
  writeFileSync(join(dataRoot, "images/blobs/sha256", "1".repeat(64)), "{}");
  store = await open();
  expect(store.list()).toEqual([image]);
  expect(filesIn("tmp")).toEqual([]);
  expect(filesIn("layers")).toEqual([image.layers[0]?.slice(7)]);
  const { descriptor, layers } = store.catalog.manifestOf(image.id);
  expect(filesIn("blobs/sha256").toSorted()).toEqual(
    [image.id, descriptor.digest, ...layers.map((layer) => layer.digest)].map((digest) => digest.slice(7)).toSorted(),
  );
});

test("a name moves to the newest image, and the older one stays without a name", async () => {
  const first = await importInto("bb");
  const second = await importInto("bb", { changes: ["CMD ls"] });
  expect(store.resolve("bb")?.id).toBe(second.id);
  expect(store.resolve(first.id)?.tags).toEqual([]);
});

test("tag gives one more name", async () => {
  const image = await importInto("bb:v1");
  await store.tag("bb:v1", "registry.example:5000/team/bb:stable");
  await store.tag(image.id.slice(7, 19), "docker.io/library/other");
  expect(store.resolve(image.id)?.tags).toEqual(["bb:v1", "other:latest", "registry.example:5000/team/bb:stable"]);
  await expect(store.tag("nowhere", "x")).rejects.toMatchObject({ code: "not_found", message: "No such image: nowhere:latest" });
  await expect(store.tag("bb:v1", "Bad Name")).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining("invalid reference format"),
  });
  await expect(store.tag("bb:v1", `x@sha256:${"0".repeat(64)}`)).rejects.toMatchObject({ code: "invalid_argument" });
});

test("removing a name keeps the image while it has another; the last one takes image and layer along", async () => {
  const image = await importInto("bb:v1");
  await store.tag("bb:v1", "bb:v2");
  expect(await remove("bb:v1", [image.id])).toEqual([{ type: "untagged", reference: "bb:v1" }]);
  expect(await remove("bb:v2")).toEqual([
    { type: "untagged", reference: "bb:v2" },
    { type: "deleted", id: image.id },
    { type: "deleted", id: image.layers[0] },
  ]);
  expect([store.list(), filesIn("layers"), filesIn("blobs/sha256")]).toEqual([[], [], []]);
  await expect(remove("bb:v2")).rejects.toMatchObject({ code: "not_found", message: "No such image: bb:v2" });
});

test("a layer stays as long as any image has it", async () => {
  await importInto("a");
  await importInto("b", { changes: ["CMD ls"] });
  await remove("a");
  expect(filesIn("layers")).toHaveLength(1);
  expect(existsSync(join(store.layerFolders(store.resolve("b")?.id ?? "")[0] ?? "", "hello"))).toBe(true);
});

test("an image in use is not deleted, by force it only loses its name", async () => {
  const image = await importInto("bb");
  await expect(remove("bb", [image.id])).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining('unable to remove repository reference "bb" (must force)'),
  });
  await expect(remove(image.id, [image.id], true)).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("cannot be forced") });
  expect(await remove("bb", [image.id], true)).toEqual([{ type: "untagged", reference: "bb:latest" }]);
  expect(store.resolve(image.id)?.tags).toEqual([]);
  expect(await remove(image.id)).toEqual([image.id, ...image.layers].map((id) => ({ type: "deleted", id })));
});

test("deleting by id takes the names of one repository, those of several only by force", async () => {
  const image = await importInto("a:1");
  await store.tag("a:1", "a:2");
  await store.tag("a:1", "b:1");
  await expect(remove(image.id)).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("multiple repositories") });
  expect(await remove(image.id.slice(7, 20), [], true)).toHaveLength(5);
  expect(store.list()).toEqual([]);
});

test.each([
  ["a bad name", { reference: "UPPER" }],
  ["a bad instruction", { changes: ["FROM scratch"] }],
  ["another operating system", { platform: "windows/amd64" }],
])("%s is refused before the archive is read", async (_, change) => {
  let isRead = false;
  const archive = new Readable({
    read() {
      isRead = true;
      this.push(null);
    },
  });
  await expect(store.import(archive, { reference: "", message: "", changes: [], platform: "", ...change })).rejects.toMatchObject({ code: "invalid_argument" });
  expect(isRead).toBe(false);
});

test("an import that fails leaves nothing", async () => {
  await expect(importInto("bb", {}, hello.subarray(0, 700))).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(importInto("bb", {}, Buffer.from("no archive".repeat(100)))).rejects.toMatchObject({ code: "invalid_argument" });
  expect([store.list(), filesIn("tmp"), filesIn("layers"), filesIn("blobs/sha256")]).toEqual([[], [], [], []]);
});

test("imports at the same time do not meet", async () => {
  const archives = await Promise.all([1, 2, 3].map((number) => archiveOf([{ name: "f", content: String(number) }])));
  await Promise.all([...archives, ...archives].map((archive, index) => importInto(`image:${index}`, {}, archive)));
  expect(
    store
      .list()
      .flatMap((image) => image.tags)
      .toSorted(),
  ).toEqual([0, 1, 2, 3, 4, 5].map((index) => `image:${index}`));
  expect(filesIn("layers")).toHaveLength(3);
});

test("an image that is removed the moment after it was made was made nevertheless", async () => {
  const { config, id } = await importInto("base:1");
  const isMade = { done: false };
  // Its removal is waiting all the time.
  const removing = (async () => {
    while (!isMade.done) {
      await remove("child:1", [], true).catch(() => undefined);
      await new Promise(setImmediate);
    }
  })();
  const options = { reference: "child:1", author: "", message: "", config, createdBy: "" };
  for (let n = 0; n < 20; n++) {
    const layer = streamOf(await archiveOf([{ name: "more", content: `${n}` }]));
    expect((await store.commit(id, layer, options)).tags).toEqual(["child:1"]);
    expect((await importInto("child:1", { changes: [`ENV N=${n}`] })).tags).toEqual(["child:1"]);
  }
  isMade.done = true;
  await removing;
});

test("an image whose files are damaged is left out, and can be imported again", async () => {
  // Of letters that no id has: the other image's might begin with "bb".
  const image = await importInto("box");
  await importInto("other", { changes: ["CMD ls"] });
  writeFileSync(join(dataRoot, "images/blobs/sha256", image.id.slice(7)), "{}");
  store = await open();
  expect(store.resolve("box")).toBeUndefined();
  expect(store.resolve("other")).toBeDefined();
  expect((await importInto("box")).id).toBe(image.id);
});

test("what containers of a damaged image run on stays, whatever else goes, until the image is whole again or removed", async () => {
  const image = await importInto("box");
  const other = await importInto("other", { changes: ["CMD ls"] }, await archiveOf([{ name: "more", content: "more\n" }]));
  const [layers, blobs] = [filesIn("layers"), filesIn("blobs/sha256")];
  const config = join(dataRoot, "images/blobs/sha256", image.id.slice(7));
  const whole = readFileSync(config);
  const damage = () => writeFileSync(config, Buffer.from(whole.toString().replace('"os"', '"or"')));
  damage();
  store = await open();
  await remove("other");
  expect([filesIn("layers"), filesIn("blobs/sha256")]).toEqual([layers, blobs]);
  writeFileSync(config, whole);
  store = await open();
  expect(readFileSync(join(store.layerFolders(image.id)[0] ?? "", "hello"), "utf8")).toBe("hello\n");
  expect([filesIn("layers").length, store.resolve(other.id)]).toEqual([1, undefined]);
  damage();
  store = await open();
  await expect(remove("box", [image.id])).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("image is damaged, and being used") });
  expect(await remove("box")).toEqual([
    { type: "untagged", reference: "box:latest" },
    { type: "deleted", id: image.id },
  ]);
  await expect(remove(image.id)).rejects.toMatchObject({ code: "not_found" });
  store = await open();
  expect([filesIn("layers"), filesIn("blobs/sha256")]).toEqual([[], []]);
});

test("a list of images that is damaged or gone is refused by its name, and nothing is swept", async () => {
  const image = await importInto("box");
  const path = join(dataRoot, "images/index.json");
  const whole = readFileSync(path);
  const layers = filesIn("layers");
  const refusal = async () =>
    await open().then(
      () => "opened",
      (cause: { readonly message: string }) => cause.message,
    );
  const damaged = new Set<string>();
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    writeFileSync(path, changed);
    damaged.add((await refusal()).replace(/damaged: .*;/, "damaged;"));
  }
  expect([...damaged]).toEqual([`the list of images ${path} is damaged; put the right one back, or remove ${join(dataRoot, "images")} with all images`]);
  rmSync(path);
  expect(await refusal()).toContain(`the list of images ${path} is gone; put the right one back`);
  expect(filesIn("layers")).toEqual(layers);
  writeFileSync(path, whole);
  store = await open();
  expect(store.resolve("box")?.id).toBe(image.id);
});

test("a list of images without a checksum, as it was once, is read", async () => {
  const image = await importInto("box");
  const path = join(dataRoot, "images/index.json");
  writeFileSync(path, readFileSync(path, "utf8").replace(/^# sha256 .*\n/m, ""));
  store = await open();
  expect(store.resolve("box")?.id).toBe(image.id);
});

test("the platform is this host's unless given", async () => {
  expect((await importInto("a")).architecture).toMatch(/^(amd64|arm64)$/);
  expect(await importInto("b", { platform: "linux/arm/v7" })).toMatchObject({ os: "linux", architecture: "arm" });
});

test.each(["not a date", "+012000-01-01T00:00:00Z", "-000044-03-15T00:00:00Z"])(
  "an image that was made at %j is as old as its coming here",
  async (created) => {
    const layer = await archiveOf([{ name: "what", content: "x" }]);
    const diffId = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
    const image = { created, architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [diffId] } };
    const manifest = [{ Config: "config.json", RepoTags: ["odd:v1"], Layers: ["layer.tar"] }];
    const archive = await archiveOf([
      { name: "layer.tar", content: layer },
      { name: "config.json", content: JSON.stringify(image) },
      { name: "manifest.json", content: JSON.stringify(manifest) },
    ]);
    await store.load(streamOf(archive));
    expect(store.resolve("odd:v1")?.createdAtMs).toBe(clock.now());
  },
);
