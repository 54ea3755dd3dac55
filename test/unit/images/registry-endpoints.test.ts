import { expect, test } from "vitest";
import { parseChallenges } from "../../../src/runtime/images/registry/authorizer.js";
import { decodeCredentials } from "../../../src/runtime/images/registry/credentials.js";
import { assertRegistrySettings, endpointsOf } from "../../../src/runtime/images/registry/endpoints.js";
import { proxyFor } from "../../../src/runtime/images/registry/proxy.js";
import { choosePlatform, parseManifest } from "../../../src/runtime/images/manifest.js";

test.each([
  ["docker.io", ["http://mirror:5000", "https://registry-1.docker.io"]],
  ["registry.example:5000", ["https://registry.example:5000"]],
  ["localhost:5000", ["https://localhost:5000", "http://localhost:5000"]],
  ["127.0.0.9:1", ["https://127.0.0.9:1", "http://127.0.0.9:1"]],
  ["10.1.2.3:5000", ["https://10.1.2.3:5000", "http://10.1.2.3:5000"]],
  ["10.2.2.3:5000", ["https://10.2.2.3:5000"]],
  ["old.example:5000", ["https://old.example:5000", "http://old.example:5000"]],
  ["old.example", ["https://old.example"]],
])("%s is reached by %j", (domain, bases) => {
  expect(endpointsOf(domain, { mirrors: ["http://mirror:5000/"], insecure: ["10.1.0.0/16", "old.example:5000"] }).map(({ base }) => base)).toEqual(bases);
});

test.each([
  [{ mirrors: ["mirror.example"], insecure: [] }, 'registry mirror "mirror.example"'],
  [{ mirrors: ["ftp://mirror.example"], insecure: [] }, 'registry mirror "ftp://mirror.example"'],
  [{ mirrors: [], insecure: ["http://x"] }, 'insecure registry "http://x"'],
  [{ mirrors: [], insecure: ["10.0.0.0/99"] }, 'insecure registry "10.0.0.0/99"'],
])("settings that mean nothing are refused: %j", (settings, message) => {
  expect(() => assertRegistrySettings(settings)).toThrow(message);
});

test.each([
  ["https://a.example/x", {}, null],
  ["https://a.example/x", { HTTPS_PROXY: "http://proxy:3128" }, "http://proxy:3128/"],
  ["http://a.example/x", { HTTPS_PROXY: "http://proxy:3128" }, null],
  ["http://a.example/x", { http_proxy: "proxy:3128" }, "http://proxy:3128/"],
  ["https://a.example/x", { HTTPS_PROXY: "http://proxy:3128", NO_PROXY: "b.example, .example" }, null],
  ["https://a.example/x", { HTTPS_PROXY: "http://proxy:3128", NO_PROXY: "a.example:5000" }, "http://proxy:3128/"],
  ["https://10.1.2.3/x", { HTTPS_PROXY: "http://proxy:3128", NO_PROXY: "10.0.0.0/8" }, null],
  ["https://127.0.0.1:5000/x", { HTTPS_PROXY: "http://proxy:3128" }, null],
  ["https://a.example/x", { HTTPS_PROXY: "http://proxy:3128", NO_PROXY: "*" }, null],
])("the way to %s with %j is %s", (url, environment, proxy) => {
  expect(proxyFor(new URL(url), environment)?.href ?? null).toBe(proxy);
});

test("challenges are taken apart, quotes and all", () => {
  expect(parseChallenges('Basic realm="x, y", Bearer realm="https://auth/token",service=reg,scope="repository:a/b:pull,push"')).toEqual([
    { scheme: "basic", parameters: { realm: "x, y" } },
    { scheme: "bearer", parameters: { realm: "https://auth/token", service: "reg", scope: "repository:a/b:pull,push" } },
  ]);
  expect(parseChallenges("Negotiate")).toEqual([]);
});

test("credentials come by name and password, or both in one; anything else is none", () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  expect(decodeCredentials(encode({ username: "ann", password: "x" }))).toMatchObject({ username: "ann", password: "x" });
  expect(decodeCredentials(encode({ auth: Buffer.from("ann:a:b").toString("base64") }))).toMatchObject({ username: "ann", password: "a:b" });
  expect(decodeCredentials(encode({ identitytoken: "t" }))).toMatchObject({ identityToken: "t" });
  for (const nothing of ["", "?", encode({}), encode(null), encode("x")]) expect(decodeCredentials(nothing)).toBeNull();
});

test.each([
  ["separators", `Bearer ${", ".repeat(8_000)}`],
  ["words", `Bearer ${"a".repeat(16_000)}!`],
  ["quotes that are open", `Bearer ${' a="\\'.repeat(4_000)}`],
  ["escapes", `Bearer a="${"\\".repeat(16_000)}`],
])("a challenge of 16 KB of %s is read in a moment", (_, header) => {
  const begunMs = performance.now();
  parseChallenges(header);
  // Time that grows with the square of the length would be a second and more.
  expect(performance.now() - begunMs).toBeLessThan(200);
});

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const listOf = (...platforms: readonly (readonly [string, string])[]) => ({
  type: "list" as const,
  manifests: platforms.map(([architecture, variant], index) => ({
    mediaType: "",
    digest: digest(String(index)),
    size: 1,
    platform: { os: "linux", architecture, variant, osVersion: "" },
  })),
});

test.each([
  [["arm", "v7"], listOf(["arm", "v5"], ["arm", "v6"], ["arm", "v8"]), 1],
  [["arm", "v7"], listOf(["arm", "v6"], ["arm", "v7"]), 1],
  [["arm", "v6"], listOf(["arm", "v7"]), undefined],
  [["arm64", ""], listOf(["amd64", ""], ["arm64", ""]), 1],
  [["arm64", ""], listOf(["arm64", "v8"]), 0],
  [["amd64", ""], listOf(["amd64", "v3"], ["amd64", ""]), 1],
  [["riscv64", ""], listOf(["amd64", ""]), undefined],
])("of an index %j takes the closest that runs", ([architecture = "", variant = ""], list, index) => {
  expect(choosePlatform(list, { os: "linux", architecture, variant })?.digest).toBe(index === undefined ? undefined : digest(String(index)));
});

const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digest("a"), size: 2 };
test.each([
  ["no JSON", "{", /not JSON/],
  ["a list", "[]", /not a JSON object/],
  ["schema 1", { schemaVersion: 1 }, /schema version 1/],
  ["both kinds at once", { schemaVersion: 2, config, layers: [], manifests: [] }, /an index and an image at once/],
  ["another type than it came as", { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", config, layers: [] }, /came as|is not/],
  [
    "a config of something else",
    { schemaVersion: 2, config: { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" }, layers: [] },
    /not that of a container image/,
  ],
  ["a short digest", { schemaVersion: 2, config: { ...config, digest: "sha256:1" }, layers: [] }, /has the digest "sha256:1"/],
  ["a negative size", { schemaVersion: 2, config: { ...config, size: -1 }, layers: [] }, /has the size -1/],
  [
    "a layer of something else",
    { schemaVersion: 2, config, layers: [{ ...config, mediaType: "image/png" }] },
    /layer 1 of the manifest is of the unsupported type image\/png/,
  ],
])("a manifest with %s is refused", (_, document, message) => {
  const bytes = Buffer.from(typeof document === "string" ? document : JSON.stringify(document));
  expect(() => parseManifest(bytes, "application/vnd.oci.image.manifest.v1+json")).toThrow(message);
});
