import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import { silentLogger } from "../../../src/base/log.js";
import { LocalImageStore } from "../../../src/runtime/images/local-image-store.js";
import { RegistryTransfer } from "../../../src/runtime/images/registry-transfer.js";
import type { TransferProgress } from "../../../src/runtime/image-transfer.js";
import { type LayoutImage, writeLayout } from "../../support/oci-layout.js";
import { TestRegistry } from "../../support/registry.js";
import { until } from "../../support/until.js";
import { UNPACKER_PATH } from "../../support/unpacker.js";
import { archiveOf } from "./archives.js";

let registry: TestRegistry;
let dataRoot: string;
let store: LocalImageStore;
let transfer: RegistryTransfer;
const hostArchitecture = arch() === "x64" ? "amd64" : arch();
const scratch = mkdtempSync(join(tmpdir(), "layouts-"));

const blobsIn = (folder: string) => readdirSync(join(dataRoot, "images", folder)).toSorted();
const never = new AbortController().signal;
const pull = (name: string, options: Partial<Parameters<RegistryTransfer["pull"]>[1]> = {}) =>
  transfer.pull(`${registry.address}/${name}`, { platform: "", credentials: "", signal: never, onProgress: () => undefined, ...options });
const fileOf = (imageId: string, path: string) =>
  store
    .layerFolders(imageId)
    .map((folder) => join(folder, path))
    .find(existsSync) ?? "";

async function openStore(stallMs = 20_000): Promise<void> {
  store = await LocalImageStore.open({ dataRoot, unpackerPath: UNPACKER_PATH, clock: systemClock, logger: silentLogger });
  transfer = new RegistryTransfer(store.catalog, {
    settings: { mirrors: [], insecure: [], certificates: "/nowhere" },
    environment: {},
    clock: systemClock,
    stallMs,
  });
}

/** Puts an image, or an index of several, into the registry as `name:v1`. */
async function publish(name: string, ...images: readonly LayoutImage[]): Promise<void> {
  const layout = join(scratch, name);
  writeLayout(layout, images);
  await registry.publish(layout, name);
}

const text = (content: string) => archiveOf([{ name: "what", content }]);
/** Nothing of an image is there, but maybe what can be resumed. */
const expectNothing = () => expect([store.list(), blobsIn("blobs/sha256"), blobsIn("layers"), blobsIn("tmp")]).toEqual([[], [], [], []]);

beforeAll(async () => {
  registry = await TestRegistry.start();
  await publish("plain", { layers: [await text("lower"), await archiveOf([{ name: "upper", content: "upper" }])], config: { Cmd: ["sleep"], Env: ["A=1"] } });
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(async () => {
  registry.fault = () => false;
  registry.requests.length = 0;
  dataRoot = mkdtempSync(join(tmpdir(), "pulled-"));
  await openStore();
});
afterEach(() => rmSync(dataRoot, { recursive: true, force: true }));

test("a pulled image has its content, names, digest and history; pulling again moves nothing", async () => {
  const seen: TransferProgress[] = [];
  const { image, digest, isNew } = await pull("plain:v1", { onProgress: (progress) => seen.push(progress) });
  expect(isNew).toBe(true);
  expect(image).toMatchObject({ tags: [`${registry.address}/plain:v1`], digests: [`${registry.address}/plain@${digest}`], architecture: "amd64" });
  expect(image.createdAtMs).toBe(Date.parse("2024-05-06T07:08:09Z"));
  expect(image.config).toMatchObject({ command: ["sleep"], env: ["A=1"] });
  expect(readFileSync(fileOf(image.id, "what"), "utf8")).toBe("lower");
  expect(store.history(image.id).map(({ createdBy, sizeBytes }) => [createdBy, sizeBytes])).toEqual([
    ["step 2", 5],
    ["step 1", 5],
  ]);
  for (const status of ["Pulling from", "Pulling fs layer", "Download complete", "Pull complete"])
    expect(
      seen.some((progress) => progress.status.startsWith(status)),
      status,
    ).toBe(true);
  registry.requests.length = 0;
  expect(await pull("plain:v1")).toMatchObject({ isNew: false, digest });
  expect((await pull(`plain@${digest}`)).image.id).toBe(image.id);
  expect(registry.countOf(/blobs/)).toBe(0);
  await openStore();
  expect(store.resolve(`${registry.address}/plain@${digest}`)?.id).toBe(image.id);
});

test("100 layers, 3 at a time, are all there", async () => {
  await publish("deep", {
    layers: await Promise.all(Array.from({ length: 100 }, (_, index) => archiveOf([{ name: `file${index}`, content: String(index) }]))),
  });
  let [running, most] = [0, 0];
  registry.fault = (request, reply) => {
    if (!request.url?.includes("/blobs/")) return false;
    most = Math.max(most, ++running);
    reply.once("close", () => running--);
    return false;
  };
  const { image } = await pull("deep:v1");
  expect(store.layerFolders(image.id)).toHaveLength(100);
  for (const index of [0, 50, 99]) expect(readFileSync(fileOf(image.id, `file${index}`), "utf8")).toBe(String(index));
  expect(most).toBeLessThanOrEqual(3);
});

test("of several platforms this host's is taken, or the one that is asked for; what is not there is named", async () => {
  const other = hostArchitecture === "amd64" ? "arm64" : "amd64";
  await publish("many", { layers: [await text("other")], architecture: other }, { layers: [await text("own")], architecture: hostArchitecture });
  const { image, digest } = await pull("many:v1");
  expect(readFileSync(fileOf(image.id, "what"), "utf8")).toBe("own");
  const foreign = await pull("many:v1", { platform: `linux/${other}` });
  expect([readFileSync(fileOf(foreign.image.id, "what"), "utf8"), foreign.digest]).toEqual(["other", digest]);
  await expect(pull("many:v1", { platform: "linux/s390x" })).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringContaining("no matching manifest for linux/s390x"),
  });
  const remote = await transfer.inspect(`${registry.address}/many:v1`, { credentials: "", signal: never });
  expect(remote).toMatchObject({ digest, mediaType: "application/vnd.oci.image.index.v1+json" });
  expect(remote.platforms.map((platform) => platform.architecture)).toEqual([other, hostArchitecture]);
  await expect(pull("plain:v1", { platform: "linux/s390x" })).rejects.toThrow(/does not match the specified platform: wanted linux\/s390x/);
});

test("layers in zstd", async () => {
  await publish("zstd", { layers: [await text("zstd")], compress: { suffix: "+zstd", apply: (archive) => execFileSync("zstd", ["-c"], { input: archive }) } });
  expect(readFileSync(fileOf((await pull("zstd:v1")).image.id, "what"), "utf8")).toBe("zstd");
});

test("a layer with a hostile path is refused by its name, and nothing of the image stays", async () => {
  await publish("hostile", { layers: [await text("fine"), await archiveOf([{ name: "../../evil", content: "x" }])] });
  await expect(pull("hostile:v1")).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringContaining('"../../evil" leaves the archive') });
  expectNothing();
});

test.each([
  ["a tag", "plain:nowhere", /^manifest for \S+\/plain:nowhere not found: manifest unknown/],
  ["a repository", "nowhere:v1", /^manifest for \S+\/nowhere:v1 not found/],
])("%s that the registry does not have", async (_, name, message) => {
  await expect(pull(name)).rejects.toMatchObject({ code: "not_found", message: expect.stringMatching(message) });
  expect(registry.countOf(/manifests/)).toBe(1);
});

test("a registry that is not there is named at once", async () => {
  await expect(transfer.pull("127.0.0.1:1/x:v1", { platform: "", credentials: "", signal: never, onProgress: () => undefined })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("127.0.0.1:1"),
  });
});

/** Answers for the first `count` requests of blobs with a Range or without. */
function faulty(count: number, fault: (request: Parameters<TestRegistry["fault"]>[0], reply: Parameters<TestRegistry["fault"]>[1]) => void): void {
  let left = count;
  registry.fault = (request, reply) => {
    if (request.method !== "GET" || !request.url?.includes("/blobs/") || left === 0) return false;
    left--;
    fault(request, reply);
    return true;
  };
}

const big = randomBytes(3_000_000);
async function publishBig(): Promise<void> {
  await publish("big", { layers: [await archiveOf([{ name: "big", content: big }])] });
}

test("a connection that breaks is gone on from where it was", async () => {
  await publishBig();
  // The configuration first, whole; then the layer, cut twice.
  let cuts = 2;
  const ranges: string[] = [];
  registry.fault = (request, reply) => {
    if (request.method !== "GET" || !request.url?.includes("/blobs/")) return false;
    ranges.push(request.headers.range ?? "");
    registry.forward(request, reply, (from, to) => {
      let sentBytes = 0;
      from.on("data", (chunk: Buffer) => {
        sentBytes += chunk.length;
        to.write(chunk);
        if (sentBytes > 1_000_000 && cuts > 0) {
          cuts--;
          from.destroy();
          to.socket?.resetAndDestroy();
        }
      });
      from.on("end", () => to.end());
    });
    return true;
  };
  const { image } = await pull("big:v1");
  expect(readFileSync(fileOf(image.id, "big")).equals(big)).toBe(true);
  expect(ranges.filter((range) => /^bytes=[1-9]\d*-$/.test(range))).toHaveLength(2);
});

test("a registry that stalls is asked again", async () => {
  await openStore(2_000);
  faulty(1, (request, reply) =>
    registry.forward(request, reply, (from, to) => {
      from.resume();
      to.flushHeaders();
    }),
  );
  expect((await pull("plain:v1")).isNew).toBe(true);
});

test.each<[string, (bytes: Buffer, reply: Parameters<TestRegistry["fault"]>[1]) => void, RegExp]>([
  ["other bytes of the same length", (bytes, reply) => reply.end(Buffer.alloc(bytes.length, 7)), /cannot be trusted: .* has the digest sha256:/],
  ["more bytes than it said", (bytes, reply) => reply.end(Buffer.concat([bytes, bytes])), /sent more than its \d+ bytes/],
  ["fewer bytes than it said", (bytes, reply) => reply.end(bytes.subarray(0, bytes.length - 5)), /ended after \d+ of \d+ bytes/],
])(
  "a registry that sends %s is found out, and nothing stays",
  async (_, answer, message) => {
    const { reply } = await fetchAll();
    faulty(100, (request, to) => {
      const bytes = reply.get(request.url ?? "") ?? Buffer.from("none");
      to.writeHead(200);
      answer(bytes, to);
    });
    await expect(pull("plain:v1")).rejects.toThrow(message);
    expectNothing();
  },
  60_000,
);

/** The bodies of the blobs of `plain` by path. */
async function fetchAll(): Promise<{ readonly reply: ReadonlyMap<string, Buffer> }> {
  const manifest = (await (
    await fetch(`http://${registry.address}/v2/plain/manifests/v1`, { headers: { accept: "application/vnd.oci.image.manifest.v1+json" } })
  ).json()) as {
    readonly config: { readonly digest: string };
    readonly layers: readonly { readonly digest: string }[];
  };
  const reply = new Map<string, Buffer>();
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    const path = `/v2/plain/blobs/${digest}`;
    reply.set(path, Buffer.from(await (await fetch(`http://${registry.address}${path}`)).arrayBuffer()));
  }
  return { reply };
}

test("redirects are followed without credentials, and not for ever", async () => {
  const seen: (string | undefined)[] = [];
  faulty(3, (request, reply) => {
    seen.push(request.headers.authorization);
    reply.writeHead(307, { location: request.url }).end();
  });
  expect((await pull("plain:v1")).isNew).toBe(true);
  await store.remove(`${registry.address}/plain:v1`, { force: true, isInUse: () => false });
  faulty(1000, (request, reply) => void reply.writeHead(307, { location: request.url }).end());
  await expect(pull("plain:v1")).rejects.toMatchObject({ code: "failed_precondition", message: expect.stringContaining("redirects more than 10 times") });
  faulty(1000, (_request, reply) => void reply.writeHead(307, { location: "file:///etc/passwd" }).end());
  await expect(pull("plain:v1")).rejects.toThrow(/redirects to "file:\/\/\/etc\/passwd", where this host does not follow/);
});

test("a token is asked for with the name and password, and each part is refused with its reason", async () => {
  const credentials = Buffer.from(JSON.stringify({ username: "ann", password: "se:cret" })).toString("base64url");
  registry.fault = (request, reply) => {
    const { authorization = "" } = request.headers;
    if (request.url?.startsWith("/token")) {
      const isAnn = authorization === `Basic ${Buffer.from("ann:se:cret").toString("base64")}`;
      reply
        .writeHead(isAnn ? 200 : 401)
        .end(JSON.stringify({ token: `for ${new URL(request.url, "http://x").searchParams.get("scope")}`.replaceAll(" ", "-") }));
      return true;
    }
    if (authorization === "Bearer for-repository:plain:pull") return false;
    reply.writeHead(401, { "www-authenticate": `Bearer realm="http://${registry.address}/token",service="a,b",scope="repository:plain:pull"` }).end();
    return true;
  };
  expect((await pull("plain:v1", { credentials })).isNew).toBe(true);
  await store.prune({ isWanted: () => false });
  await expect(pull("plain:v1")).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringMatching(/^pull access denied for .*docker login.*wrong name or password/),
  });
});

test("a pull that is given up leaves nothing but what it has, and the next one goes on with it", async () => {
  await publishBig();
  const giveUp = new AbortController();
  registry.fault = (request, reply) => {
    if (request.method !== "GET" || !request.url?.includes("/blobs/")) return false;
    registry.forward(request, reply, (from, to) => {
      let sentBytes = 0;
      from.on("data", (chunk: Buffer) => {
        sentBytes += chunk.length;
        if (sentBytes < 2_000_000) to.write(chunk);
      });
      from.on("end", () => (sentBytes < 2_000_000 ? to.end() : undefined));
    });
    return true;
  };
  const outcome = pull("big:v1", { signal: giveUp.signal }).catch((cause: unknown) => cause);
  await until("a part has come", () => blobsIn("downloads").some((name) => statSync(join(dataRoot, "images/downloads", name)).size > 500_000), 30);
  giveUp.abort();
  expect(await outcome).toMatchObject({ name: "AbortError" });
  expectNothing();
  expect(blobsIn("downloads").length).toBeGreaterThan(0);
  await openStore();
  registry.fault = () => false;
  registry.requests.length = 0;
  const ranges: (string | undefined)[] = [];
  registry.fault = (request) => {
    if (request.url?.includes("/blobs/")) ranges.push(request.headers.range);
    return false;
  };
  const { image } = await pull("big:v1");
  expect(readFileSync(fileOf(image.id, "big")).equals(big)).toBe(true);
  expect(ranges).toEqual([expect.stringMatching(/^bytes=\d{6,}-$/)]);
  expect(blobsIn("downloads")).toEqual([]);
});

test("pulls of the same image at the same time fetch each blob once; removing meanwhile does not hurt", async () => {
  const removing = (async () => {
    for (let round = 0; round < 20; round++) await store.prune({ isWanted: (image) => image.tags.length > 0 });
  })();
  const pulled = await Promise.all([pull("plain:v1"), pull("plain:v1"), pull("plain:v1")]);
  await removing;
  expect(new Set(pulled.map(({ image }) => image.id)).size).toBe(1);
  expect(registry.countOf(/GET .*blobs/)).toBe(3);
  expect(blobsIn("layers")).toHaveLength(2);
});

test("a mirror is asked first, without credentials, and the registry itself when it fails", async () => {
  const seen: string[] = [];
  registry.fault = (request) => {
    seen.push(request.headers.authorization ?? "");
    return false;
  };
  const settings = { mirrors: [`http://${registry.address}`], insecure: [], certificates: "/nowhere" };
  const mirrored = new RegistryTransfer(store.catalog, { settings, environment: { HTTPS_PROXY: "http://127.0.0.1:1" }, clock: systemClock, stallMs: 5_000 });
  await publish("library/mirrored", { layers: [await text("mirrored")] });
  const options = {
    platform: "",
    credentials: Buffer.from('{"username":"a","password":"b"}').toString("base64url"),
    signal: never,
    onProgress: () => undefined,
  };
  seen.length = 0;
  expect((await mirrored.pull("mirrored:v1", options)).image.tags).toEqual(["mirrored:v1"]);
  expect(new Set(seen)).toEqual(new Set([""]));
  await expect(mirrored.pull("absent:v1", options)).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("registry-1.docker.io") });
});

test("an image goes through save, load and push unchanged, and skopeo reads what we write", async () => {
  const { image, digest } = await pull("plain:v1");
  const name = `${registry.address}/plain:v1`;
  const archive = join(scratch, "saved.tar");
  const chunks: Buffer[] = [];
  for await (const chunk of (await store.save([name])) as AsyncIterable<Buffer>) chunks.push(chunk);
  writeFileSync(archive, Buffer.concat(chunks));
  await registry.copy(`docker-archive:${archive}:${name}`, `docker://${registry.address}/from-docker-archive:v1`);
  await registry.copy(`oci-archive:${archive}`, `docker://${registry.address}/from-oci-archive:v1`);
  await store.prune({ isWanted: () => false });
  expectNothing();
  expect(await store.load(createReadStream(archive))).toEqual([{ id: image.id, reference: name }]);
  expect(readFileSync(fileOf(image.id, "what"), "utf8")).toBe("lower");
  await store.tag(name, `${registry.address}/pushed:v2`);
  const pushed = await transfer.push(`${registry.address}/pushed:v2`, { credentials: "", signal: never, onProgress: () => undefined });
  expect(pushed).toMatchObject({ tag: "v2", digest });
  expect(store.resolve(name)?.digests).toContain(`${registry.address}/pushed@${digest}`);
  await store.prune({ isWanted: () => false });
  expect((await pull("pushed:v2")).image.id).toBe(image.id);
  expect((await pull("from-docker-archive:v1")).image.layers).toEqual(image.layers);
  expect((await pull("from-oci-archive:v1")).image.layers).toEqual(image.layers);
});

test.each(["docker-archive", "oci-archive"])("what skopeo writes as %s is loaded", async (kind) => {
  const file = join(scratch, `${kind}.tar`);
  rmSync(file, { force: true });
  await registry.copy(`docker://${registry.address}/plain:v1`, `${kind}:${file}:loaded:v1`);
  const [loaded] = await store.load(createReadStream(file));
  expect(store.resolve(loaded?.id ?? "")?.config.command).toEqual(["sleep"]);
  expect(loaded?.reference).toBe("loaded:v1");
  expect(blobsIn("tmp")).toEqual([]);
});

test.each([
  ["text", Buffer.from("no archive ".repeat(100)), /not a valid archive of images/],
  ["a root file system", "rootfs", /neither index.json nor manifest.json/],
  ["a manifest without files", "hollow", /lacks the file config.json/],
])("%s is not loaded", async (_, content, message) => {
  const items = content === "hollow" ? [{ name: "manifest.json", content: '[{"Config":"config.json","Layers":[]}]' }] : [{ name: "etc/passwd", content: "" }];
  const file = join(scratch, "bad.tar");
  writeFileSync(file, Buffer.isBuffer(content) ? content : await archiveOf(items));
  await expect(store.load(createReadStream(file))).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringMatching(message) });
  expectNothing();
});
